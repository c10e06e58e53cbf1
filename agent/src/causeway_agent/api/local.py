"""What the agent's own socket serves beyond the API: questions only an engineer on the machine asks."""

from __future__ import annotations

import msgspec

from causeway_agent.api import paths
from causeway_agent.api.application import Application
from causeway_agent.engine.service import Engine
from causeway_agent.web.message import Request, Response
from causeway_wire import codec


def mount(application: Application, engine: Engine) -> None:
    """Add the routes of the socket."""

    async def explain(request: Request) -> Response:
        found = await engine.explain(paths.packet(request.query), entry=request.query.get("entry"))
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
