"""What the agent's own socket serves beyond the API: questions only an engineer on the machine asks."""

from __future__ import annotations

from ipaddress import ip_address

import msgspec

from causeway_agent.api.application import Application
from causeway_agent.engine.service import Engine
from causeway_agent.plan.explain.packet import Kind, Packet
from causeway_agent.web.message import Request, Response
from causeway_wire import codec
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.types import IPAddress


def mount(application: Application, engine: Engine) -> None:
    """Add the routes of the socket."""

    async def explain(request: Request) -> Response:
        found = await engine.explain(_packet(request), entry=request.query.get("entry"))
        counters = {one.name: (one.packets, one.bytes) for one in await engine.counters()}
        body = msgspec.json.encode(found.told(counters))
        return Response(body=body, content_type="application/json")

    async def cancel(request: Request) -> Response:
        change = await engine.changes.decisions.cancel(request.match_info["id"], epoch=None)
        return Response(body=codec.encode_masked(change), content_type="application/json")

    async def asked(_request: Request) -> Response:
        body = msgspec.json.encode({"asked": engine.updates.asked})
        return Response(body=body, content_type="application/json")

    application.router.add("GET", "/local/explain", explain)
    application.router.add("GET", "/local/update/asked", asked)
    application.router.add("POST", "/local/changes/{id}/cancel", cancel)


def _packet(request: Request) -> Packet:
    kind, port, size = (request.query.get(name) for name in ("kind", "port", "size"))
    try:
        return Packet(
            _address(request, "source"),
            _address(request, "destination"),
            None if kind is None else Kind(kind),
            None if port is None else int(port),
            None if size is None else int(size),
        )
    except ValueError as error:
        raise ProblemError(problem(ProblemType.INVALID, str(error))) from error


def _address(request: Request, name: str) -> IPAddress:
    try:
        return ip_address(request.query.get(name, ""))
    except ValueError as error:
        raise ProblemError(problem(ProblemType.INVALID, f"{name}: {error}")) from error
