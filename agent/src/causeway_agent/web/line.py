"""A connection, as octets: those that came are held until asked for, and few of them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

HELD_BYTES: Final = 512 * 1024
"""When so much waits to be taken, nothing more is read from the network."""
PIECE_BYTES: Final = 256 * 1024
"""What is taken at once: a parser's work on it does not keep others waiting."""


class Line(asyncio.Protocol):
    """One connection. `made` is called when it stands, `lost` when it has ended."""

    def __init__(self, *, made: Callable[[Line], None], lost: Callable[[Line], None]) -> None:
        self._made, self._lost_callback = made, lost
        self._transport: asyncio.Transport | None = None
        self._held: deque[bytes] = deque()
        self._octets = 0
        self._lost = False
        self._arrived, self._writable = asyncio.Event(), asyncio.Event()
        self._writable.set()

    @property
    def transport(self) -> asyncio.Transport:
        """The connection; raises ConnectionError before it is made."""
        if self._transport is None:
            raise ConnectionError("not connected yet")
        return self._transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._transport = transport
            self._made(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - whatever the reason
        self._lost = True
        self._held.clear()
        self._arrived.set()
        self._writable.set()
        self._lost_callback(self)

    def data_received(self, data: bytes) -> None:
        self._held.append(data)
        self._octets += len(data)
        if self._octets >= HELD_BYTES:
            self.transport.pause_reading()
        self._arrived.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def held(self) -> bytes:
        """Up to PIECE_BYTES of what is here; nothing when nothing is."""
        if not self._held:
            return b""
        data = self._held.popleft()
        if len(data) > PIECE_BYTES:
            self._held.appendleft(data[PIECE_BYTES:])
            data = data[:PIECE_BYTES]
        self._octets -= len(data)
        if self._octets < HELD_BYTES:
            self.transport.resume_reading()
        return data

    async def more(self) -> bytes:
        """Up to PIECE_BYTES, once there are any; raises ConnectionResetError when none will come."""
        while not (data := self.held()):
            if self._lost:
                raise ConnectionResetError("the client is gone")
            self._arrived.clear()
            await self._arrived.wait()
        return data

    async def send(self, data: bytes) -> None:
        """Hand it to the network, and wait while that is full; raises ConnectionResetError."""
        if self._lost or self.transport.is_closing():
            raise ConnectionResetError("the client is gone")
        self.transport.write(data)
        await self._writable.wait()

    def close(self) -> None:
        """End the connection when what was sent is on its way."""
        self.transport.close()

    def abort(self) -> None:
        """End the connection now."""
        self.transport.abort()
