"""Processes and tunnels, started, watched and ended."""
