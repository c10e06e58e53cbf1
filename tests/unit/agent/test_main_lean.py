"""What the agent's process loads, and what it does without."""

from __future__ import annotations

import asyncio
import json
import sys

SERVER = """
import asyncio, json, sys
from causeway_agent.__main__ import load_lean
load_lean()
import causeway_agent.app
from aiohttp import web

async def main():
    async def hello(request):
        return web.json_response({"loaded": sorted(sys.modules)})
    app = web.Application()
    app.router.add_get("/", hello)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(site._server.sockets[0].getsockname()[1], flush=True)
    await asyncio.sleep(10)

asyncio.run(main())
"""
HEAVY = {
    "aiohttp.client",
    "rich.console",
    "cryptography",
    "prometheus_client",
    "nftables",
    "multiprocessing",
    "pyroute2",
    "unittest",
    "causeway_controller",
}


async def test_the_agent_serves_without_what_it_does_not_need() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVER, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        port = int(await process.stdout.readline())
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        await writer.wait_closed()
    finally:
        process.kill()
        await process.wait()
    assert head.startswith(b"HTTP/1.1 200")
    assert HEAVY & set(json.loads(body)["loaded"]) == set()
