"""The way from a listening socket to the application: few connections, and a deadline for every step.

    handshake   HANDSHAKE_SECONDS from the connection's acceptance on
    request     IDLE_SECONDS for a request's first line and headers, from acceptance or from the answer before
    body        see `application.BODY_SECONDS`
    answer      ANSWER_SECONDS until the client has taken it
    farewell    FAREWELL_SECONDS for TLS's closing words

aiohttp's own runner knows only the second of them.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Final

import structlog
from aiohttp import web

from causeway_agent.api import problems
from causeway_agent.api.guests import Guest, Guests
from causeway_agent.engine import events
from causeway_wire.problem import ProblemType, problem

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


class Conversation(web.RequestHandler):
    """One connection. What is not HTTP gets a problem too, and a client that does not read is left."""

    __slots__ = ("_guest", "_guests")

    def __init__(
        self, server: web.Server, *, guests: Guests | None = None, guest: Guest | None = None
    ) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]
            keepalive_timeout=IDLE_SECONDS,
            lingering_time=LINGER_SECONDS,
            auto_decompress=False,
        )
        self._guests, self._guest = guests, guest

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self._guest is not None:
            self._guest.handshake = None
            if isinstance(transport, asyncio.Transport):
                self._guest.transport = transport
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._guests is not None and self._guest is not None:
            self._guests.leave(self._guest)
        super().connection_lost(exc)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await super().finish_response(request, resp, start_time)
        except TimeoutError:
            if isinstance(self.transport, asyncio.Transport):
                self.transport.abort()
            return resp, True

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - the signature is aiohttp's
    ) -> web.StreamResponse:
        """The answer to what does not parse as a request, and to a defect that no handler saw."""
        if request.writer.output_size > 0:
            raise ConnectionError("part of an answer is on its way already")
        if status >= ProblemType.INTERNAL.status:
            response = problems.incident(request.method, request.path, exc)
        else:
            _log.warning(events.API_NOT_HTTP, reason=type(exc).__name__)
            detail = (
                "this is no HTTP/1.1 request (RFC 9112), or its first line or a header is longer than "
                f"{self.max_line_size} octets, or it has more than {self.max_headers} headers"
            )
            response = problems.respond(problem(ProblemType.MALFORMED, detail))
        response.force_close()
        return response


class Door:
    """Accepts connections from one listening socket until closed; those accepted stay."""

    def __init__(
        self, opened: socket.socket, *, server: web.Server, context: ssl.SSLContext, guests: Guests
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
                lambda: Conversation(self._server, guests=self._guests, guest=guest),
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
