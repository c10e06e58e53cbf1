"""Mounts the handlers from the route table: neither side can have what the other lacks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

import structlog

from causeway_agent.api import parameters, peers, problems
from causeway_agent.api.router import Router
from causeway_agent.api.turns import Turns
from causeway_agent.engine import calculation, events
from causeway_agent.errors import Bug
from causeway_agent.web import head
from causeway_agent.web.message import Request, Response, TooLargeError
from causeway_wire import codec, limits
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.routes import ROUTES, Permission, Route

BODY_BYTES = limits.BODY_BYTES
"""A gateway's document with as many tenants and tunnels as it may have fits."""
RULES_BODY_BYTES = 32 * 1024 * 1024
"""100,000 public rules with names and descriptions are about 25 MB."""
BODY_SECONDS = 20.0
"""For a body to arrive, from its headers on."""
RULES_BODY_SECONDS = 60.0
"""For a large one; the next waits so long."""

T = TypeVar("T")

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request that was let in, with its decoded body."""

    request: Request
    peer: peers.Peer
    body: object
    text: bytes = b""
    """The body as it came."""

    def document(self, kind: type[T]) -> T:
        """The body as this type."""
        if not isinstance(self.body, kind):
            raise Bug(f"the route's body is not a {kind.__name__}")
        return self.body


Operation = Callable[[Call], Awaitable[Response]]


class Application:
    """What a server serves: the routes of `router`, and problems for all else."""

    def __init__(self) -> None:
        self.router = Router()

    async def answer(self, request: Request) -> Response:
        """The answer, whatever goes wrong; raises ConnectionError when the client is gone."""
        return await problems.answer(request, self.router.answer)

    def garbled(self, error: Exception) -> Response:
        """The answer to what is no request."""
        _log.warning(events.API_NOT_HTTP, reason=type(error).__name__)
        detail = (
            "this is no HTTP/1.1 request (RFC 9112), or its first line or a header is longer than "
            f"{head.LINE_BYTES} octets, or it has more than {head.HEADERS} headers"
        )
        return problems.respond(problem(ProblemType.MALFORMED, detail))


def create(
    operations: Mapping[str, Operation],
    *,
    resolver: peers.Resolver,
    routes: Iterable[Route] = ROUTES,
) -> Application:
    """An application that serves exactly these routes; raises Bug when names do not match one to one."""
    routes = tuple(routes)
    names = {route.name for route in routes}
    if names != operations.keys():
        raise Bug(f"routes and handlers differ: {sorted(names ^ operations.keys())}")
    turn, turns = asyncio.Lock(), Turns()
    application = Application()
    for route in routes:
        endpoint = _endpoint(route, _decoding(route, operations[route.name], turns), resolver, turn)
        application.router.add(route.method, route.path, endpoint)
    return application


def _decoding(route: Route, operation: Operation, turns: Turns) -> Operation:
    """The operation with its body decoded, by a thread: the event loop has other things to do.

    What whoever may only observe can ask for takes its turn.
    """
    kind = route.request
    if kind is None:
        return operation

    async def decoded(call: Call) -> Response:
        body = await calculation.run(lambda: _decode(call.text, kind))
        return await operation(replace(call, body=body))

    async def in_turn(call: Call) -> Response:
        async with turns.one():
            return await decoded(call)

    return in_turn if route.permission is Permission.OBSERVE else decoded


def _decode(text: bytes, kind: type) -> object:
    body: object = codec.decode(text, kind)
    if len(text) <= BODY_BYTES:  # a table's members are too many to be held twice
        codec.refuse_repeated(text)
    return body


def _endpoint(
    route: Route, operation: Operation, resolver: peers.Resolver, turn: asyncio.Lock
) -> problems.Handler:
    """The handler of a route; large bodies wait for their turn, so that one of them at most is in memory."""

    async def endpoint(request: Request) -> Response:
        peer = resolver(request)
        peer.check(route.permission)
        parameters.only(request.query, route.query)
        if route.request is None:
            return await operation(Call(request=request, peer=peer, body=None))
        if not route.large:
            limit = ("body_bytes", BODY_BYTES)
            return await operation(await _read(request, peer, limit=limit, seconds=BODY_SECONDS))
        async with turn:
            limit = ("rules_body_bytes", RULES_BODY_BYTES)
            return await operation(await _read(request, peer, limit=limit, seconds=RULES_BODY_SECONDS))

    return endpoint


def expect(request: Request, media_type: str) -> None:
    """Raises ProblemError unless the body is announced as this type and as it is: nothing is inflated."""
    if request.content_type != media_type:
        detail = f"send {media_type}, not {request.content_type}"
        raise ProblemError(problem(ProblemType.UNSUPPORTED_MEDIA_TYPE, detail))
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        detail = "send the body as it is, without Content-Encoding"
        raise ProblemError(problem(ProblemType.UNSUPPORTED_MEDIA_TYPE, detail))


async def _read(request: Request, peer: peers.Peer, *, limit: tuple[str, int], seconds: float) -> Call:
    """The call with its body's text; `limit` has the limit's name and octets."""
    expect(request, "application/json")
    name, octets = limit
    too_large = ProblemError(problem(ProblemType.TOO_LARGE, f"the limit {name} is {octets} octets"))
    if request.content_length is not None and request.content_length > octets:
        raise too_large
    try:
        async with asyncio.timeout(seconds):
            text = await request.read(limit=octets)
    except TooLargeError as error:
        raise too_large from error
    except TimeoutError as error:
        detail = f"the body did not arrive within {seconds:g} seconds"
        raise ProblemError(problem(ProblemType.TOO_SLOW, detail)) from error
    return Call(request=request, peer=peer, body=None, text=text)
