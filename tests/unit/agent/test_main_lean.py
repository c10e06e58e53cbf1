"""What the agent's process loads, and what it does without."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys

from causeway_agent.backends.filter.nft_channel import WORKER

SERVER = """
import asyncio, json, sys
from causeway_agent.__main__ import load_lean
load_lean()
import causeway_agent.app
from causeway_agent.api import application, door
from causeway_agent.web.message import Response
from causeway_agent.web.server import Server

async def main():
    async def hello(request):
        return Response(body=json.dumps({"loaded": sorted(sys.modules)}).encode())
    app = application.Application()
    app.router.add("GET", "/", hello)
    server = Server(app)
    made = await asyncio.get_running_loop().create_server(
        lambda: server.line(door.deadlines()), "127.0.0.1", 0
    )
    print(made.sockets[0].getsockname()[1], flush=True)
    await asyncio.sleep(10)

asyncio.run(main())
"""
HEAVY = {
    "aiohttp",
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


def test_the_worker_of_the_packet_filter_loads_what_calls_a_library_and_nothing_else() -> None:
    """An agent that starts waits for it; on an emulated processor each module is felt."""
    program = f"import sys; sys.path.append({str(WORKER.parent)!r}); import nft_worker; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-IS", "-c", program],
        capture_output=True,
        text=True,
        check=True,
    )
    assert {"json", "re", "enum", "typing", "signal", "site", "nftables"} & set(done.stdout.split()) == set()


def test_first_boot_loads_nothing_of_what_runs_an_agent() -> None:
    program = (
        "import sys, causeway_agent.__main__ as main; main.command_line(('first-boot', '--wait'));"
        "import causeway_agent.first_boot.machine; print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert {"asyncio", "causeway_agent.engine.journal", "causeway_agent.commands.capture"} & loaded == set()
