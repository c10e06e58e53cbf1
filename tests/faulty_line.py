"""A line between two controllers that loses, delays or repeats what is sent over it, on real sockets.

What is inside TLS it cannot see. It knows the turns: the client's first octets are its hello, the server's
answer to them ends the server's part of the handshake, and from the client's second turn on come its own end
of the handshake and its request. What the server sends after that is the answer, for it gives no tickets.
"""

from __future__ import annotations

import asyncio
import enum
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field


class Fault(enum.Enum):
    """What happens to one connection."""

    NONE = "none"
    REFUSED = "refused"
    REQUEST_LOST = "request lost"
    ANSWER_LOST = "answer lost"
    DELAYED = "delayed"
    REPEATED = "repeated"
    """Every octet of the client's arrives once more, over another connection."""


@dataclass
class Line:
    """The line; each connection meets the next of `faults`, and none when there are no more."""

    port: int
    """Of loopback, where the server is."""
    faults: list[Fault] = field(default_factory=list)
    spared: int = 0
    """Requests of a connection that come before the one that the fault meets."""
    struck: list[Fault] = field(default_factory=list)
    """Faults that met a request."""
    connections: int = 0
    own: int = 0
    """The port of loopback where the line begins."""
    seen: bytearray = field(default_factory=bytearray)
    """All that clients sent."""
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, to its end."""
        self.connections += 1
        fault = self.faults.pop(0) if self.faults else Fault.NONE
        if fault is Fault.REFUSED:
            self.struck.append(fault)
            writer.transport.abort()
            return
        inward, outward = await asyncio.open_connection("127.0.0.1", self.port)
        turns = _Turns(spared=self.spared)
        sent = bytearray()
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._to_server(reader, outward, turns, fault, sent))
                both.create_task(_to_client(inward, writer, turns, fault))
        except* _CutError:
            pass
        finally:
            writer.transport.abort()
            outward.transport.abort()
        if fault is Fault.REPEATED:
            await self._again(bytes(sent))

    async def _to_server(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        turns: _Turns,
        fault: Fault,
        sent: bytearray,
    ) -> None:
        while data := await _read(reader):
            self.seen += data
            sent += data
            turns.client += turns.server_spoke
            turns.server_spoke = False
            if turns.met and not turns.struck and fault is not Fault.NONE:
                turns.struck = True
                self.struck.append(fault)
            if fault is Fault.REQUEST_LOST and turns.met:
                raise _CutError
            writer.write(data)
            with suppress(ConnectionError):
                await writer.drain()
        raise _CutError

    async def _again(self, sent: bytes) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(sent)
        with suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(2):
                await reader.read()
        writer.transport.abort()


@dataclass
class _Turns:
    spared: int
    client: int = 0
    """How often the client spoke after the server had spoken."""
    server_spoke: bool = False
    struck: bool = False

    @property
    def met(self) -> bool:
        """Whether the request is under way that the fault meets."""
        return self.client > self.spared


class _CutError(Exception):
    """The connection ends here."""


async def _to_client(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, turns: _Turns, fault: Fault
) -> None:
    while data := await _read(reader):
        if turns.met and fault is Fault.ANSWER_LOST:
            raise _CutError
        if turns.met and fault is Fault.DELAYED:
            await asyncio.sleep(0.5)
        turns.server_spoke = True
        writer.write(data)
        with suppress(ConnectionError):
            await writer.drain()
    raise _CutError


async def _read(reader: asyncio.StreamReader) -> bytes:
    with suppress(ConnectionError):
        return await reader.read(64 * 1024)
    return b""


@asynccontextmanager
async def line(port: int) -> AsyncIterator[Line]:
    """A line to this port of loopback, without faults so far."""
    made = Line(port=port)
    server = await asyncio.start_server(made.carry, "127.0.0.1", 0)
    made.own = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
