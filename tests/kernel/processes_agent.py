"""A supervisor alone in a network namespace, told what to do over its standard input.

    python -m tests.kernel.processes_agent agent RUN_DIRECTORY KEY_DIRECTORY [USER]
    python -m tests.kernel.processes_agent echo ADDRESS
    python -m tests.kernel.processes_agent probe LOCAL PEER SECONDS
    python -m tests.kernel.processes_agent flood LOCAL PEER PACKETS

`agent` reads one JSON list [verb, base64 pickle] per line and answers each with a line of JSON. A file
`clock.json` in its run directory has variables that make it, and what it starts, go by another clock.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import os
import pickle
import select
import socket
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import structlog

from causeway_agent.backends.host.task_unit import Ready
from causeway_agent.backends.processes import spawn
from causeway_agent.backends.processes.supervisor import Supervisor
from causeway_agent.errors import BackendError
from causeway_agent.plan.model.processes import NeighbourResponder
from tests.fakes.tunnel_devices import NO_MODULE, nothing_left

ECHO_PORT = 7777
PROBE_INTERVAL = 0.008
LINGER = 1.5
"""Seconds for what is still under way in the end."""
CLIENT_ADDRESS, SERVER_ADDRESS = "100.64.0.2/32", "100.64.0.1/32"


_SO_RCVBUFFORCE = 33  # asm-generic/socket.h; a burst must not be lost where it is measured


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


def go_by_own_clock(run_directory: Path) -> None:
    """Begin anew with the clock that the directory names, if it names one."""
    named = run_directory / "clock.json"
    if not named.exists():
        return
    clock: dict[str, str] = json.loads(named.read_text())
    if not clock.items() <= os.environ.items():
        command = (sys.executable, "-m", "tests.kernel.processes_agent", *sys.argv[1:])
        os.execve(sys.executable, command, {**os.environ, **clock})  # noqa: S606
    spawn._ENVIRONMENT.update(clock)


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
        discard=nothing_left,
        no_offload=NO_MODULE,
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
                        "impairment": r.impairment,
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
        for device in supervisor.active().values():
            if device not in {name for _, name in socket.if_nameindex()}:
                continue
            peer = SERVER_ADDRESS if device.startswith("cwtun") else CLIENT_ADDRESS
            process = await asyncio.create_subprocess_exec("ip", "route", "replace", peer, "dev", device)
            await process.wait()


def echo(address: str) -> NoReturn:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 1 << 22)
        server.bind((address, ECHO_PORT))
        while True:
            data, peer = server.recvfrom(2048)
            with contextlib.suppress(OSError):
                server.sendto(data, peer)


def probe(local: str, peer: str, seconds: float) -> None:
    """Prints when the first echo came back, the longest gap between two and how many never came."""
    with _echoes(local, peer) as client:
        began = time.monotonic()
        heard: dict[int, float] = {}
        sent = 0
        _say("probing")
        while time.monotonic() < began + seconds:
            with contextlib.suppress(OSError):
                client.send(sent.to_bytes(4, "big"))
                sent += 1
            _hear(client, heard, PROBE_INTERVAL)
        end = time.monotonic()
        while len(heard) < sent and time.monotonic() < end + LINGER:
            _hear(client, heard, LINGER)
        moments = sorted({began + seconds, *heard.values()})
        gaps = [b - a for a, b in itertools.pairwise(moments)]
        first = min(heard.values(), default=end) - began
        _say({"first": first, "gap": max(gaps, default=seconds), "sent": sent, "lost": sent - len(heard)})


def flood(local: str, peer: str, packets: int) -> None:
    """Prints how many of so many packets came back, sent in bursts as fast as they return."""
    with _echoes(local, peer) as client:
        heard: dict[int, float] = {}
        _say("flooding")
        for number in range(packets):
            client.send(number.to_bytes(4, "big") + bytes(200))
            _hear(client, heard, 0.0005)
        end = time.monotonic()
        while len(heard) < packets and time.monotonic() < end + 2 * LINGER:
            _hear(client, heard, LINGER)
        _say({"sent": packets, "received": len(heard)})


@contextlib.contextmanager
def _echoes(local: str, peer: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 1 << 22)
        client.bind((local, 0))
        client.connect((peer, ECHO_PORT))
        yield client


def _hear(client: socket.socket, heard: dict[int, float], seconds: float) -> None:
    """Take all echoes that arrive within this time."""
    end = time.monotonic() + seconds
    while select.select([client], [], [], max(0.0, end - time.monotonic()))[0]:
        with contextlib.suppress(OSError):
            heard.setdefault(int.from_bytes(client.recv(2048)[:4], "big"), time.monotonic())


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    match sys.argv[1:]:
        case ["agent", run, keys, *user]:
            go_by_own_clock(Path(run))
            asyncio.run(agent(Path(run), Path(keys), user[0] if user else None))
        case ["echo", address]:
            echo(address)
        case ["probe", local, peer, seconds]:
            probe(local, peer, float(seconds))
        case ["flood", local, peer, packets]:
            flood(local, peer, int(packets))
        case _:
            sys.exit(__doc__)
