"""The program on every VM of the lab: small servers, and probes on command.

    python -m causeway_lab.world.guest NAME PATIENCE [ADDRESS...]

Announces its addresses on `eth0`, then serves HTTP on port 80 (says who it is and who asked), the same on
port 22 in place of SSH, and echo on port 7, TCP and UDP, IPv4 and IPv6.
Commands are JSON lines on standard input, `{"id": 1, "do": "ping", "with": {...}}`; answers and events are
JSON lines on standard output. Ends when its standard input ends. Probes wait PATIENCE times as long as they
say, for appliances that are slow.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TextIO

from causeway_lab.world import probes
from causeway_lab.world.announce import announce

_PROBES: dict[str, Callable[..., Awaitable[probes.Result]]] = {
    "ping": probes.ping,
    "http": probes.http,
    "udp": probes.udp,
    "tcp": probes.tcp,
    "connect": probes.connect,
    "spoof": probes.spoof,
    "watch": probes.watch,
    "hold": probes.hold,
}


class Guest:
    """The servers of one VM and the commands that run on it."""

    def __init__(self, name: str, output: TextIO, *, patience: float) -> None:
        self._name = name
        self._patience = patience
        self._output = output
        self._running: dict[int, asyncio.Task[None]] = {}

    async def run(self, commands: asyncio.StreamReader) -> None:
        """Serve until the command stream ends."""
        async with contextlib.AsyncExitStack() as stack:
            services = (
                (self._http, probes.HTTP_PORT),
                (self._http, probes.SSH_PORT),
                (self._echo, probes.ECHO_PORT),
            )
            for handler, port in services:
                await stack.enter_async_context(await asyncio.start_server(handler, None, port))
            for family in (socket.AF_INET, socket.AF_INET6):
                stack.enter_context(_datagram_echo(family))
            self._say({"event": "ready"})
            async with asyncio.TaskGroup() as group:
                while line := await commands.readline():
                    self._command(json.loads(line), group)
                for task in self._running.values():
                    task.cancel()

    def _command(self, command: dict[str, Any], group: asyncio.TaskGroup) -> None:
        if command["do"] == "stop":
            if (task := self._running.get(command["with"]["id"])) is not None:
                task.cancel()
            self._say({"id": command["id"], "result": {}})
            return
        task = group.create_task(self._probe(command["id"], command["do"], command["with"]))
        self._running[command["id"]] = task
        task.add_done_callback(lambda _: self._running.pop(command["id"]))

    async def _probe(self, number: int, name: str, arguments: dict[str, Any]) -> None:
        if name in {"watch", "hold"}:
            arguments = {**arguments, "report": lambda event: self._say({"id": number, **event})}
        try:
            result = await _PROBES[name](**patient(_PROBES[name], arguments, self._patience))
        except (OSError, KeyError, TypeError, ValueError) as error:
            self._say({"id": number, "error": f"{type(error).__name__}: {error}"})
        else:
            self._say({"id": number, "result": result})

    def _say(self, message: dict[str, Any]) -> None:
        self._output.write(json.dumps(message) + "\n")
        self._output.flush()

    async def _http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
            async with asyncio.timeout(5):
                await reader.readuntil(b"\r\n\r\n")
                client = writer.get_extra_info("peername")[0]
                body = json.dumps({"host": self._name, "client": client, "marker": probes.MARKER}).encode()
                head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
                writer.write(head.encode() + body)
                await writer.drain()
        writer.close()

    async def _echo(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(60):
                while data := await reader.read(65536):
                    writer.write(data)
                    await writer.drain()
        writer.close()


def patient(probe: Callable[..., object], arguments: dict[str, Any], times: float) -> dict[str, Any]:
    """The arguments with so many times the patience that was asked for, or that is the probe's own.

    Where a packet may be lost for good, it is asked again as often as the usual patience is over.
    """
    parameters = inspect.signature(probe).parameters
    own = parameters.get("patience")
    if own is None:
        return arguments
    again = {"tries": max(1, round(times))} if "tries" in parameters else {}
    return {**again, **arguments, "patience": arguments.get("patience", own.default) * times}


@contextlib.contextmanager
def _datagram_echo(family: socket.AddressFamily) -> Iterator[None]:
    """UDP echo (RFC 862) while the block runs."""
    loop = asyncio.get_running_loop()
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        probes.roomy(sock)
        sock.bind(("", probes.ECHO_PORT))
        sock.setblocking(False)  # noqa: FBT003 - positional only

        def answer() -> None:
            with contextlib.suppress(OSError):  # nothing left to read, or no way back
                while True:
                    sock.sendto(*sock.recvfrom(65535))

        loop.add_reader(sock, answer)
        try:
            yield
        finally:
            loop.remove_reader(sock)


async def _main() -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    name, patience, *addresses = sys.argv[1:]
    announce("eth0", addresses)
    await Guest(name, sys.stdout, patience=float(patience)).run(reader)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_main())
