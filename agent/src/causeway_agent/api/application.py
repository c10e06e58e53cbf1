"""Mounts the handlers from the route table: neither side can have what the other lacks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from aiohttp import web

from causeway_agent.api import peers, problems
from causeway_agent.errors import Bug
from causeway_wire import codec
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.routes import ROUTES, Route

BODY_BYTES = 1024 * 1024
RULES_BODY_BYTES = 32 * 1024 * 1024
"""100,000 public rules with names and descriptions are about 25 MB."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request that was let in, with its decoded body."""

    request: web.Request
    peer: peers.Peer
    body: object

    def document(self, kind: type[T]) -> T:
        """The body as this type."""
        if not isinstance(self.body, kind):
            raise Bug(f"the route's body is not a {kind.__name__}")
        return self.body


Operation = Callable[[Call], Awaitable[web.Response]]


def create(
    operations: Mapping[str, Operation],
    *,
    resolver: peers.Resolver,
    routes: Iterable[Route] = ROUTES,
) -> web.Application:
    """An application that serves exactly these routes; raises Bug when names do not match one to one."""
    routes = tuple(routes)
    names = {route.name for route in routes}
    if names != operations.keys():
        raise Bug(f"routes and handlers differ: {sorted(names ^ operations.keys())}")
    application = web.Application(middlewares=[problems.middleware], client_max_size=BODY_BYTES)
    for route in routes:
        endpoint = _endpoint(route, operations[route.name], resolver)
        application.router.add_route(route.method, route.path, endpoint)
        if route.method == "GET":
            application.router.add_route("HEAD", route.path, endpoint)
    return application


def _endpoint(route: Route, operation: Operation, resolver: peers.Resolver) -> problems.Handler:
    async def endpoint(request: web.Request) -> web.StreamResponse:
        peer = resolver(request)
        peer.check(route.permission)
        body = await _read(request, route.request) if route.request is not None else None
        return await operation(Call(request=request, peer=peer, body=body))

    return endpoint


async def _read(request: web.Request, kind: type) -> object:
    if request.content_type != "application/json":
        detail = f"send application/json, not {request.content_type}"
        raise ProblemError(problem(ProblemType.UNSUPPORTED_MEDIA_TYPE, detail))
    document: object = codec.decode(await request.read(), kind)
    return document
