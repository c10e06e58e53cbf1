"""A supervisor alone in a network namespace, told what to do over its standard input.

    python -m tests.kernel.processes_agent agent RUN_DIRECTORY KEY_DIRECTORY [USER]
    python -m tests.kernel.processes_agent echo ADDRESS
    python -m tests.kernel.processes_agent probe LOCAL PEER SECONDS

`agent` reads one JSON list [verb, base64 pickle] per line and answers each with a line of JSON.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import pickle
import select
import socket
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import structlog

from causeway_agent.backends.supervisor import Supervisor
from causeway_agent.backends.task_unit import Ready
from causeway_agent.errors import BackendError
from causeway_agent.plan.processes import NeighbourResponder

ECHO_PORT = 7777
PROBE_INTERVAL = 0.004
PEER_ADDRESS = "100.64.0.2/32"


def _say(answer: object) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


class Clock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


class Nft:
    async def run(self, text: str) -> str:
        process = await asyncio.create_subprocess_exec(
            "nft",
            "-f",
            "-",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(10):
            out, err = await process.communicate(text.encode())
        if process.returncode:
            raise BackendError("run nft", err.decode())
        return out.decode()


async def respond(_: NeighbourResponder, ready: Ready) -> None:
    ready()
    await asyncio.Event().wait()


async def agent(run_directory: Path, key_directory: Path, user: str | None) -> None:
    reader = asyncio.StreamReader(limit=1 << 20)
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer
    )
    supervisor = Supervisor(
        run_directory=run_directory,
        key_directory=key_directory,
        user=user,
        clock=Clock(),
        nft=Nft(),
        responder=respond,
    )
    async with supervisor:
        routes = asyncio.create_task(_follow_active(supervisor))
        _say({"adopted": sorted(p.name for p in supervisor.running())})
        while line := await reader.readline():
            verb, argument = json.loads(line)
            _say(await _obey(supervisor, verb, argument))
        routes.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await routes


async def _obey(supervisor: Supervisor, verb: str, argument: str) -> Any:
    try:
        match verb:
            case "start":
                await supervisor.start(pickle.loads(base64.b64decode(argument)))  # noqa: S301 - our own
            case "stop":
                await supervisor.stop(pickle.loads(base64.b64decode(argument)))  # noqa: S301
            case "stop_all":
                await supervisor.stop_all()
            case "report":
                return [
                    {
                        "id": r.id,
                        "state": r.state,
                        "transport": r.transport,
                        "remote": r.remote,
                        "restarts": r.restarts,
                        "error": r.last_error,
                    }
                    for r in supervisor.tunnels()
                ]
            case "admissions":
                return [supervisor.admissions.admitted, dict(supervisor.admissions.refused)]
            case _:
                return {"error": f"unknown verb {verb}"}
    except BackendError as error:
        return {"error": str(error)}
    return {}


async def _follow_active(supervisor: Supervisor) -> None:
    """Route the peer through the device of the transport in use, as the engine does."""
    async for _ in supervisor.events():
        for transport in supervisor.active().values():
            device = f"cw{transport.value[0]}1195"
            if device not in {name for _, name in socket.if_nameindex()}:
                continue
            process = await asyncio.create_subprocess_exec(
                "ip", "route", "replace", PEER_ADDRESS, "dev", device
            )
            await process.wait()


def echo(address: str) -> NoReturn:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((address, ECHO_PORT))
        while True:
            data, peer = server.recvfrom(64)
            with contextlib.suppress(OSError):
                server.sendto(data, peer)


def probe(local: str, peer: str, seconds: float) -> None:
    """Prints when the first echo came back and the longest gap between two echoes, in seconds."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.bind((local, 0))
        client.connect((peer, ECHO_PORT))
        began = time.monotonic()
        heard: list[float] = []
        _say("probing")
        while (now := time.monotonic()) < began + seconds:
            with contextlib.suppress(OSError):
                client.send(b"x")
            if select.select([client], [], [], PROBE_INTERVAL)[0]:
                with contextlib.suppress(OSError):
                    client.recv(64)
                    heard.append(now)
                time.sleep(PROBE_INTERVAL)
        heard.append(began + seconds)
        gaps = [b - a for a, b in itertools.pairwise(heard)]
        _say({"first": heard[0] - began, "gap": max(gaps, default=seconds)})


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    match sys.argv[1:]:
        case ["agent", run, keys, *user]:
            asyncio.run(agent(Path(run), Path(keys), user[0] if user else None))
        case ["echo", address]:
            echo(address)
        case ["probe", local, peer, seconds]:
            probe(local, peer, float(seconds))
        case _:
            sys.exit(__doc__)
