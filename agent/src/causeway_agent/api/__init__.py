"""aiohttp handlers, peer identity and the problem middleware. No decisions."""
