"""What the agent's own socket serves beyond the API: questions only an engineer on the machine asks."""

from __future__ import annotations

from ipaddress import ip_address

import msgspec
from aiohttp import web

from causeway_agent.engine.service import Engine
from causeway_wire import codec
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.types import IPAddress


def mount(application: web.Application, engine: Engine) -> None:
    """Add the routes of the socket."""

    async def explain(request: web.Request) -> web.Response:
        found = await engine.explain(_address(request, "source"), _address(request, "destination"))
        body = msgspec.json.encode({"passes": found.passes, "lines": found.lines()})
        return web.Response(body=body, content_type="application/json")

    async def cancel(request: web.Request) -> web.Response:
        change = await engine.changes.decisions.cancel(request.match_info["id"])
        return web.Response(body=codec.encode_masked(change), content_type="application/json")

    application.router.add_get("/local/explain", explain)
    application.router.add_post("/local/changes/{id}/cancel", cancel)


def _address(request: web.Request, name: str) -> IPAddress:
    try:
        return ip_address(request.query.get(name, ""))
    except ValueError as error:
        raise ProblemError(problem(ProblemType.INVALID, f"{name}: {error}")) from error
