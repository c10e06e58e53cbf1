"""Runs an application so that also what no handler gets to see is answered in our words (RFC 9457)."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Final

from aiohttp import http_exceptions, web

from causeway_controller.api import problems
from causeway_wire.problem import ProblemType, problem

_log = logging.getLogger(__name__)

_FIRST_LINE: Final = (
    "the first line is a method of HTTP in capitals, a path and HTTP/1.1; over TLS, the URL begins with https"
)
_TOO_LONG: Final = "the path or a header is longer than the 8190 octets that are read"
_ELSE: Final = (
    "this is no request of HTTP/1.1 that can be read: look at Host, Content-Length and Transfer-Encoding, "
    "that headers are one line each and no more than 128, and at the lengths of chunks"
)


class Runner(web.AppRunner):
    """Serves an application of `application.create` at any number of sites."""

    def __init__(self, served: web.Application, *, shutdown_timeout: float) -> None:
        """`shutdown_timeout` in seconds, for requests that are being answered when it stops."""
        # A body that is announced as compressed is refused by its handler; nothing here unpacks any.
        super().__init__(served, access_log=None, shutdown_timeout=shutdown_timeout, auto_decompress=False)

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return _Server(
            _outermost(made.request_handler),
            request_factory=made.request_factory,
            handler_cancellation=made.handler_cancellation,
            **made._kwargs,  # noqa: SLF001 - aiohttp has no other way to another protocol for an application
        )


def _outermost(handler: Callable[[Any], Awaitable[web.StreamResponse]]) -> Callable[[Any], Awaitable[Any]]:
    """Around the middlewares: expectations are looked at before them."""

    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPException as error:
            return problems.foreign(request, error)

    return handle


class _Server(web.Server):
    """Makes the protocol of each connection."""

    def __call__(self) -> web.RequestHandler:
        return _Protocol(self, loop=self._loop, **self._kwargs)


class _Protocol(web.RequestHandler):
    """HTTP/1.1 at one connection."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - aiohttp's
    ) -> web.StreamResponse:
        """Answer what cannot be read, or what failed outside of all handlers; the connection ends.

        Raises ConnectionError where an answer has begun: there can be no other.
        """
        if request.writer.output_size > 0 or isinstance(exc, ConnectionError):
            raise ConnectionError("the answer broke off") from exc
        if status == HTTPStatus.BAD_REQUEST:
            # Neither the parser's words nor a traceback: they quote headers, and so tokens.
            _log.info("request not readable", extra={"remote": request.remote, "reason": type(exc).__name__})
            response = problems.respond(problem(ProblemType.MALFORMED, _words(exc)))
        else:
            response = problems.defect(request.method, request.path, exc)
        problems.label(response)
        response.force_close()
        return response


def _words(error: BaseException | None) -> str:
    """What is wrong with what cannot be read, by the parser's error, whose words quote the request."""
    match error:
        case http_exceptions.BadStatusLine():
            return _FIRST_LINE
        case http_exceptions.LineTooLong():
            return _TOO_LONG
        case _:
            return _ELSE
