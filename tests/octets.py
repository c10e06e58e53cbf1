"""A connection on which the test chooses every octet."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass

PATIENCE = 10.0
"""Seconds for whatever must come."""


@dataclass
class Talk:
    """One connection, from the client's side."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def head(self) -> bytes:
        """The next answer's status line and headers."""
        async with asyncio.timeout(PATIENCE):
            return await self.reader.readuntil(b"\r\n\r\n")

    async def ends(self) -> bytes:
        """What is left to hear until the server hangs up, which it must do in time."""
        async with asyncio.timeout(PATIENCE):
            with contextlib.suppress(ConnectionError):
                return await self.reader.read()
        return b""


@contextlib.asynccontextmanager
async def talk(port: int, *, tls: ssl.SSLContext | None = None, limit: int = 2**16) -> AsyncIterator[Talk]:
    """A connection to this port of loopback; `limit`: octets that are read ahead."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls, limit=limit)
    try:
        yield Talk(reader, writer)
    finally:
        writer.transport.abort()
