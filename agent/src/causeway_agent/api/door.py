"""The way from a listening socket to the application: few connections, and a deadline for every step.

handshake   HANDSHAKE_SECONDS from the connection's acceptance on
request     IDLE_SECONDS for a request's first line and headers, from acceptance or from the answer before
body        see `application.BODY_SECONDS`
answer      ANSWER_SECONDS until the client has taken it
farewell    FAREWELL_SECONDS for TLS's closing words
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Final

import structlog

from causeway_agent.api.guests import Guest, Guests
from causeway_agent.engine import events
from causeway_agent.web.conversation import Deadlines
from causeway_agent.web.server import Server

HANDSHAKE_SECONDS: Final = 5.0
IDLE_SECONDS: Final = 30.0
"""Longer than clients keep connections for reuse (aiohttp: 15 s), so that none is closed under a request."""
ANSWER_SECONDS: Final = 60.0
FAREWELL_SECONDS: Final = 5.0
LINGER_SECONDS: Final = 5.0
"""How long a body that nobody wants is still read, so that the client gets to read its refusal."""
PAUSE_SECONDS: Final = 0.2
"""Before the next attempt when the machine refuses to accept (file descriptors)."""

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


def deadlines() -> Deadlines:
    """Of a conversation."""
    return Deadlines(request=IDLE_SECONDS, answer=ANSWER_SECONDS, linger=LINGER_SECONDS)


class Door:
    """Accepts connections from one listening socket until closed; those accepted stay."""

    def __init__(
        self, opened: socket.socket, *, server: Server, context: ssl.SSLContext, guests: Guests
    ) -> None:
        self._opened, self._server, self._context, self._guests = opened, server, context, guests
        self._accepting = asyncio.create_task(self._accept())

    @property
    def open(self) -> bool:
        """Whether connections are still accepted."""
        return not self._accepting.done()

    async def close(self) -> None:
        """Accept nobody any more."""
        self._accepting.cancel()
        await asyncio.wait([self._accepting])
        self._opened.close()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, where = await loop.sock_accept(self._opened)
            except ConnectionError:
                continue  # gone before it was our turn
            except OSError as error:
                _log.error(events.API_ACCEPT_FAILED, reason=error.strerror)
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            guest = self._guests.receive(where[0])
            if guest is None:
                accepted.close()
                _log.warning(events.API_CROWDED, address=where[0])
                continue
            guest.handshake = loop.create_task(self._shake_hands(accepted, guest))

    async def _shake_hands(self, accepted: socket.socket, guest: Guest) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: self._server.line(
                    deadlines(), made=guest.entered, lost=lambda: self._guests.leave(guest)
                ),
                accepted,
                ssl=self._context,
                ssl_handshake_timeout=HANDSHAKE_SECONDS,
                ssl_shutdown_timeout=FAREWELL_SECONDS,
            )
        except OSError as error:
            # The TLS library's own refusals are in the log already.
            if not isinstance(error, ssl.SSLError):
                _log.warning(events.TLS_REFUSED, reason=str(error))
            self._guests.leave(guest)
        except asyncio.CancelledError:
            self._guests.leave(guest)
            raise
