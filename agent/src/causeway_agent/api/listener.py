"""Where the API is served: TLS on the management address, and a Unix socket for root on this machine."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Self

import structlog

from causeway_agent.api import door
from causeway_agent.api.application import Application
from causeway_agent.api.door import Door
from causeway_agent.api.guests import Guests
from causeway_agent.engine import events
from causeway_agent.web.server import Server
from causeway_wire import segments
from causeway_wire.types import IPAddress

SHUTDOWN_SECONDS = 1.0
"""Longest wait for requests under way when the agent ends; long polls are cut."""

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class Listener:
    """Serves one application on one TLS endpoint that can move."""

    def __init__(
        self, application: Application, context: ssl.SSLContext, *, guests: Guests | None = None
    ) -> None:
        self._server = Server(application)
        self._context = context
        self._guests = Guests() if guests is None else guests
        self._door: Door | None = None
        self._endpoint: tuple[IPAddress, int] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        if self._door is not None:
            await self._door.close()
        if unfinished := self._guests.shaking_hands():
            for handshake in unfinished:
                handshake.cancel()
            await asyncio.wait(unfinished)
        await self._server.shutdown(SHUTDOWN_SECONDS)

    @property
    def endpoint(self) -> tuple[IPAddress, int] | None:
        """Address and port served now."""
        return self._endpoint

    async def serve(self, address: IPAddress, port: int) -> None:
        """Serve here from now on, and no longer where before. Raises OSError when the address cannot be
        bound; then what was served before still is.
        """
        if self._door is not None and not self._door.open:
            await self._door.close()
            self._door = self._endpoint = None
        if self._endpoint == (address, port):
            return
        before = self._door
        opened = _bind(address, port)
        self._door = Door(opened, server=self._server, context=self._context, guests=self._guests)
        self._endpoint = (address, port)
        if before is not None:
            await before.close()
        _log.info(events.API_LISTENING, address=str(address), port=port)

    def turn_out(self, unwelcome: Callable[[asyncio.Transport], bool]) -> None:
        """End the connections that this says are unwelcome."""
        self._guests.turn_out(unwelcome)


class LocalListener:
    """Serves one application on a Unix socket that only root can open."""

    def __init__(self, application: Application, path: Path) -> None:
        self._server = Server(application)
        self._accepting: asyncio.Server | None = None
        self._path = path

    async def __aenter__(self) -> Self:
        self._path.unlink(missing_ok=True)
        opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # The mode counts from the first moment: bind(2) creates the file with the mask applied.
        mask = os.umask(0o177)
        try:
            opened.bind(str(self._path))
        finally:
            os.umask(mask)
        loop = asyncio.get_running_loop()
        self._accepting = await loop.create_unix_server(
            lambda: self._server.line(door.deadlines()), sock=opened
        )
        return self

    async def __aexit__(self, *_exc: object) -> None:
        if self._accepting is not None:
            self._accepting.close()
        await self._server.shutdown(SHUTDOWN_SECONDS)
        self._path.unlink(missing_ok=True)


def _bind(address: IPAddress, port: int) -> socket.socket:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6  # noqa: PLR2004 - the IP version
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        segments.keep_small(made).bind((str(address), port))
        made.listen(128)
        made.setblocking(False)  # noqa: FBT003 - the signature is the standard library's
    except OSError:
        made.close()
        raise
    return made
