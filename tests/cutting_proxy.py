"""A way to a server over a socket that can be cut, held up, or slow; what passes is counted only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


class Way(StrEnum):
    """Which octets are counted."""

    ASKED = "asked"
    ANSWERED = "answered"


def nothing() -> None:
    """Happens where nothing else does."""


@dataclass
class Proxy:
    """Cuts every connection once `after` octets went `way`; the next connections are whole again."""

    server: Path | tuple[str, int]
    way: Way = Way.ASKED
    after: int | None = None
    act: Callable[[], None] = nothing
    """What happens at the cut, besides."""
    pause: float = 0.0
    """Seconds that each piece is held up."""
    cuts: int = 0
    passed: dict[Way, int] = field(default_factory=lambda: dict.fromkeys(Way, 0))
    writers: set[asyncio.StreamWriter] = field(default_factory=set)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    port: int = 0
    """Where it listens, if that is at loopback."""
    _open: asyncio.Event = field(default_factory=asyncio.Event)

    def hold(self) -> None:
        """Let nothing pass any more."""
        self._open.clear()

    def release(self) -> None:
        """Let what was held up pass, and all that comes."""
        self._open.set()

    def arm(self, way: Way, after: int) -> None:
        """Cut after so many octets from now on."""
        self.passed = dict.fromkeys(Way, 0)
        self.way, self.after = way, after

    def cut(self) -> None:
        """Cut all connections now."""
        self.after = None
        self.cuts += 1
        self.act()
        for writer in self.writers:
            writer.transport.abort()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, to its end."""
        try:
            inward, outward = await self._connect()
        except OSError:
            writer.transport.abort()
            return
        self.writers |= {writer, outward}
        ways = ((Way.ASKED, reader, outward), (Way.ANSWERED, inward, writer))
        self.tasks |= {asyncio.create_task(self._pass(*way)) for way in ways}

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self.server, Path):
            return await asyncio.open_unix_connection(self.server)
        return await asyncio.open_connection(*self.server)

    async def _pass(self, way: Way, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while piece := await reader.read(16384):
                await self._open.wait()
                if self.pause:
                    await asyncio.sleep(self.pause)
                self.passed[way] += len(piece)
                if way is self.way and self.after is not None and self.passed[way] >= self.after:
                    self.cut()
                    return
                writer.write(piece)
                await writer.drain()
        writer.transport.abort()


@asynccontextmanager
async def between(server: Path | tuple[str, int], place: Path | None = None) -> AsyncIterator[Proxy]:
    """A proxy that listens at `place`, or at a port of loopback."""
    proxy = Proxy(server)
    proxy.release()
    if place is not None:
        listening = await asyncio.start_unix_server(proxy.carry, place)
    else:
        listening = await asyncio.start_server(proxy.carry, "127.0.0.1", 0)
        proxy.port = listening.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        listening.close()
        proxy.release()
        for writer in proxy.writers:
            writer.transport.abort()
        for task in proxy.tasks:
            task.cancel()
        await asyncio.gather(*proxy.tasks, return_exceptions=True)
