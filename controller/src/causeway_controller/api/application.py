"""Mounts the handlers from the route table: neither side can have what the other lacks."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from aiohttp import web

from causeway_controller.api import problems
from causeway_controller.api.callers import Caller, Knows
from causeway_controller.api.exchange import Answer, Ask, Handler, malformed
from causeway_controller.contract.access import Permission, Role
from causeway_controller.contract.audiences import STAFF
from causeway_controller.contract.routes import SMALL_BODY_BYTES, Route
from causeway_wire import codec
from causeway_wire.problem import ProblemError, ProblemType, problem

BODY_SECONDS: Final = 60.0
"""For a body to arrive, from its headers on."""
LARGE_BODIES: Final = 2
"""Inventories that may be in memory at once; the next ones wait."""
_PLACE: Final = re.compile(r"{(\w+)}")
_NOBODY: Final = Caller(name="nobody", role=Role.AUDITOR, identity="nobody")
"""Who asks what anybody may ask."""
_IN_PATH: Final = r"[a-z0-9][a-z0-9.-]{0,63}"
"""Names, and identifiers of runs and tokens; all else is not found."""


def create(
    handlers: Mapping[str, Handler],
    *,
    resolver: Knows,
    count: problems.Counting,
    clock: Callable[[], float],
    routes: Iterable[Route] = STAFF.routes,
) -> web.Application:
    """An application that serves exactly these routes; raises ValueError when the names differ."""
    routes = tuple(routes)
    if differing := {route.name for route in routes} ^ handlers.keys():
        raise ValueError(f"routes and handlers differ: {sorted(differing)}")
    largest = max(route.body_bytes for route in routes)
    application = web.Application(middlewares=[problems.middleware(count, clock)], client_max_size=largest)
    application.on_response_prepare.append(_label)
    large = asyncio.Semaphore(LARGE_BODIES)
    for route in routes:
        path = _PLACE.sub(rf"{{\1:{_IN_PATH}}}", route.path)
        endpoint = _endpoint(route, handlers[route.name], resolver, large)
        resource = application.router.add_resource(path, name=route.name)
        for method in (route.method, "HEAD") if route.method == "GET" else (route.method,):
            resource.add_route(method, endpoint)  # HEAD is GET, told without a body (RFC 9110, 9.3.2)
    return application


async def _label(_: web.Request, response: web.StreamResponse) -> None:
    problems.label(response)


def _endpoint(
    route: Route, handler: Handler, resolver: Knows, large: asyncio.Semaphore
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def endpoint(request: web.Request) -> web.StreamResponse:
        caller = await _let_in(route, resolver, request)
        ask = Ask(
            route=route,
            caller=caller,
            places=dict(request.match_info),
            query=_query(route, request),
            headers=_headers(route, request),
            http=request,
        )
        if route.request is None:
            return _respond(await handler(ask))
        async with large if route.body_bytes > SMALL_BODY_BYTES else contextlib.nullcontext():
            return _respond(await handler(await _with_body(ask)))

    return endpoint


async def _let_in(route: Route, resolver: Knows, request: web.Request) -> Caller:
    if route.permission is None:
        return _NOBODY
    caller = await resolver.caller(request)
    caller.check(Permission(route.permission))
    return caller


def _query(route: Route, request: web.Request) -> dict[str, str]:
    """Raises ProblemError for a parameter that is unknown to the route, stands twice, or is no text."""
    for name in request.query:
        if name not in route.query:
            known = ", ".join(route.query) or "none"
            raise malformed(f"there is no parameter {name[:60]!r} here; known: {known}")
        if len(request.query.getall(name)) > 1:
            raise malformed(f"the parameter {name} stands twice; say it once")
        if not request.query[name].isprintable():
            raise malformed(f"the parameter {name} has a control character in it; leave it out")
    return dict(request.query)


def _headers(route: Route, request: web.Request) -> dict[str, str]:
    """A list in several lines is one (RFC 9110, 5.3)."""
    return {
        name: ", ".join(request.headers.getall(name)) for name in route.headers if name in request.headers
    }


async def _with_body(ask: Ask) -> Ask:
    text = await _read(ask.http, ask.route.body_bytes)
    body, digest = await asyncio.to_thread(_decode, text, ask.route.request)
    return replace(ask, body=body, digest=digest)


def _decode(text: bytes, kind: Any) -> tuple[object, str]:
    """The document and the hex SHA-256 of its text. Raises ProblemError."""
    body: object = codec.decode(text, kind)
    codec.refuse_repeated(text)
    return body, hashlib.sha256(text).hexdigest()


async def _read(request: web.Request, limit: int) -> bytes:
    """The body. Raises ProblemError unless it is JSON as it is, not too long, and in time."""
    if request.content_type != "application/json":
        detail = f"send application/json, not {request.content_type[:60]}"
        raise ProblemError(problem(ProblemType.UNSUPPORTED_MEDIA_TYPE, detail))
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        detail = "send the body as it is, without Content-Encoding"
        raise ProblemError(problem(ProblemType.UNSUPPORTED_MEDIA_TYPE, detail))
    too_large = ProblemError(problem(ProblemType.TOO_LARGE, f"the limit is {limit} octets"))
    if request.content_length is not None and request.content_length > limit:
        raise too_large
    read = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.content.iter_chunked(256 * 1024):
                read += chunk
                if len(read) > limit:
                    raise too_large
    except TimeoutError as error:
        detail = f"the body did not arrive within {BODY_SECONDS:g} seconds"
        raise ProblemError(problem(ProblemType.TOO_SLOW, detail)) from error
    return bytes(read)


def _respond(answer: Answer | web.StreamResponse) -> web.StreamResponse:
    if isinstance(answer, web.StreamResponse):
        return answer
    text = answer.text
    if text is None:
        text = b"" if answer.document is None else codec.encode_masked(answer.document)
    if not text:
        return web.Response(status=answer.status, headers=answer.headers)
    return web.Response(
        status=answer.status, body=text, content_type=answer.media_type, headers=answer.headers
    )
