"""The pure middle: documents to targets, targets and observations to plans. No clock, no file, no kernel.

Nothing here may import asyncio, os, time, socket, subprocess, aiohttp or h11 (enforced).
"""
