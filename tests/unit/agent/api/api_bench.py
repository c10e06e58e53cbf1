"""The API over an engine on fakes, in process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import ClientResponse, ClientSession

from causeway_agent.api import application, door, handlers, local
from causeway_agent.api.peers import Peer
from causeway_agent.engine import service
from causeway_agent.engine.service import Engine
from causeway_agent.web.server import Server
from causeway_wire import codec
from causeway_wire.change import Change
from causeway_wire.desired import Desired
from causeway_wire.observed import Capabilities, Versions
from causeway_wire.problem import MEDIA_TYPE, Problem, ProblemType
from causeway_wire.routes import Permission
from tests.agents import APPLIANCE, Bench
from tests.fakes.identity import FakeIdentity

VERSIONS = Versions(
    appliance=APPLIANCE,
    agent="0.0.0",
    api=("v1",),
    capabilities=Capabilities(
        kernel="6", vlan_8021q=False, wireguard=False, openvpn_dco=False, vrf=False, unprivileged_vpn=True
    ),
    limits=handlers.told_limits(),
)


async def versions() -> Versions:
    """What `GET /v1` says."""
    return VERSIONS


JSON = {"Content-Type": "application/json"}
FIRST = {**JSON, "If-None-Match": "*"}


@dataclass
class Api:
    """A client of the API, and what stands behind it."""

    bench: Bench
    engine: Engine
    identity: FakeIdentity
    client: ClientSession
    permission: Permission = Permission.APPLY

    async def put(self, document: Desired, headers: dict[str, str] | None = None) -> ClientResponse:
        """PUT the document; by default as the first one."""
        return await self.client.put("/v1/desired", data=codec.encode(document), headers=headers or FIRST)

    async def applied(self, document: Desired, headers: dict[str, str] | None = None) -> Change:
        """PUT the document and wait for the end of its change."""
        answer = await self.put(document, headers)
        assert answer.status in (200, 202), await answer.text()
        final = await self.client.get(answer.headers["Location"], params={"wait": "10s"})
        return codec.decode(await final.read(), Change)

    async def etag(self) -> str:
        """The tag of the document in force."""
        return (await self.client.get("/v1/desired")).headers["ETag"]


@asynccontextmanager
async def serving(bench: Bench | None = None, *, on_socket: bool = False) -> AsyncIterator[Api]:
    """An engine with its API; `on_socket` adds what only the agent's own socket serves."""
    bench, identity = bench or Bench(), FakeIdentity()
    async with service.running(bench.engine()) as engine:
        operations = handlers.Handlers(engine=engine, identity=identity, versions=versions).operations()
        holder: list[Api] = []
        app = application.create(operations, resolver=lambda _: Peer("tests", holder[0].permission))
        if on_socket:
            local.mount(app, engine)
        async with served(app) as url, ClientSession(url) as client:
            holder.append(Api(bench, engine, identity, client))
            yield holder[0]


@asynccontextmanager
async def served(app: application.Application) -> AsyncIterator[str]:
    """An application on a port of loopback, without TLS; gives its URL."""
    server = Server(app)
    accepting = await asyncio.get_running_loop().create_server(
        lambda: server.line(door.deadlines()), "127.0.0.1", 0
    )
    try:
        yield f"http://127.0.0.1:{accepting.sockets[0].getsockname()[1]}"
    finally:
        accepting.close()
        await server.shutdown(1.0)


async def refused(answer: ClientResponse, kind: ProblemType) -> Problem:
    """The problem in this answer, which must be of this kind in every respect."""
    body = await answer.read()
    assert (answer.status, answer.content_type) == (kind.status, MEDIA_TYPE), body
    found = codec.decode(body, Problem)
    assert (found.type, found.title, found.status) == (kind.urn, kind.title, kind.status)
    assert b"Traceback" not in body
    return found
