"""The client and the route table agree: every route has its method, and the method makes that request."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio
from cryptography import x509

from causeway_controller.failover import documents
from causeway_controller.fleet import client
from causeway_controller.fleet.update_file import UpdateFile
from causeway_controller.trust import pki
from causeway_controller.trust.identity import ControllerIdentity
from causeway_wire import routes
from causeway_wire.change import ChangeState
from causeway_wire.identity import Certificate, CsrRequest, Purpose
from causeway_wire.public_rules import PublicRules, PublicRulesPatch
from causeway_wire.update import Activation, Manifest, Member, Members, Slot, SlotReport, SlotState
from tests import sites
from tests.fakes.agent_server import ADDRESS, AgentServer

ME = "acme-provider"
NOW = datetime.now(UTC)
AUTHORITY = pki.make_controller_authority(name="controllers", now=NOW)
DOCUMENT = documents.document(sites.site(), ME, generation=1, epoch=1)
REQUEST = CsrRequest(key="agent", purpose=Purpose.AGENT, common_name=ME, nonce="n" * 22)

ONE = Member(octets=1, sha256="0" * 64)

CALLS: dict[str, Callable[[client.AgentClient, AgentServer], Awaitable[object]]] = {
    "versions": lambda one, _: one.versions(),
    "get_desired": lambda one, _: one.get_desired(),
    "put_desired": lambda one, _: one.put_desired(
        documents.document(sites.site(), ME, generation=2, epoch=1)
    ),
    "plan": lambda one, _: one.plan(DOCUMENT),
    "observed": lambda one, _: one.observed(),
    "explain": lambda one, _: one.explain({"source": "192.0.2.1", "destination": "192.0.2.2"}),
    "change": lambda one, _: one.change("change-1", wait=0),
    "confirm": lambda one, agent: one.confirm(awaiting(agent), epoch=1),
    "cancel": lambda one, agent: one.cancel(awaiting(agent), epoch=1),
    "extend": lambda one, agent: one.extend(awaiting(agent), seconds=60, epoch=1),
    "fence": lambda one, _: one.fence(2),
    "get_rules": lambda one, _: one.get_rules(),
    "put_rules": lambda one, _: one.put_rules(PublicRules(revision=1, epoch=1, rules=())),
    "patch_rules": lambda one, _: one.patch_rules(PublicRulesPatch(base=0, revision=1, epoch=1)),
    "rule_counters": lambda one, _: one.rule_counters("web"),
    "csr": lambda one, _: one.csr(REQUEST),
    "put_certificate": lambda one, agent: one.put_certificate(
        Certificate(certificate=agent_certificate(agent), controller_ca=AUTHORITY.pem)
    ),
    "get_update": lambda one, _: one.get_update(),
    "put_update": lambda one, _: one.put_update(update()),
    "activate_update": lambda one, agent: one.activate_update(Activation(build=received(agent))),
    "abandon_update": lambda one, _: one.abandon_update(),
    "live": lambda one, _: one.live(),
    "ready": lambda one, _: one.ready(),
    "metrics": lambda one, _: one.metrics(),
}


def awaiting(agent: AgentServer) -> str:
    """Its only change, which has not been confirmed yet now."""
    agent.changes["change-1"] = msgspec.structs.replace(
        agent.changes["change-1"], state=ChangeState.AWAITING, deadline=NOW
    )
    return "change-1"


def update() -> UpdateFile:
    """A file; the fake takes any."""
    path = Path(__file__)
    content = path.read_bytes()
    manifest = Manifest(
        format=1,
        version="1",
        commit="1",
        architecture="x",
        options="",
        members=Members(linux=ONE, initrd=ONE, root=ONE),
    )
    return UpdateFile(
        path=path,
        octets=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        build="0" * 64,
        manifest=manifest,
    )


def received(agent: AgentServer) -> str:
    """The build in its other slot."""
    agent.slots.other = SlotReport(slot=Slot.B, state=SlotState.READY, build="b" * 64)
    return "b" * 64


def agent_certificate(agent: AgentServer) -> str:
    key = agent.key("agent").public_key()
    names = [x509.UniformResourceIdentifier(pki.APPLIANCE_URN + ME)]
    return pki.pem(AUTHORITY.issue(key, common_name=ME, usage=pki.Usage.SERVER, names=names, now=NOW))


@pytest_asyncio.fixture
async def agent(tmp_path: Path) -> AsyncIterator[AgentServer]:
    server = AgentServer(appliance=ME, directory=tmp_path, controller_ca=AUTHORITY.pem)
    server.install(agent_certificate(server))
    async with server.serving():
        yield server


@pytest_asyncio.fixture
async def opened(agent: AgentServer, tmp_path: Path) -> AsyncIterator[client.AgentClient]:
    key = pki.make_key()
    (tmp_path / "client.key").write_bytes(pki.private_pem(key))
    (tmp_path / "client.pem").write_text(
        pki.issue_controller(
            AUTHORITY,
            key.public_key(),
            name="c1",
            permissions=tuple(routes.Permission),
            now=NOW,
        )
    )
    identity = ControllerIdentity(
        certificate=tmp_path / "client.pem", key=tmp_path / "client.key", authority=AUTHORITY.pem
    )
    async with client.open_agent(
        appliance=ME, address=ip_address(ADDRESS), port=agent.port, identity=identity
    ) as one:
        await one.apply(DOCUMENT, timeout=5)
        agent.requests.clear()
        yield one


def test_every_route_is_exercised_here() -> None:
    assert set(CALLS) == {route.name for route in routes.ROUTES}


@pytest.mark.parametrize("route", routes.ROUTES, ids=lambda route: str(route.name))
def test_every_route_has_a_method_that_returns_its_answer(route: routes.Route) -> None:
    returns = inspect.signature(getattr(client.AgentClient, route.name)).return_annotation
    text = "str" if route.success == (200,) else "None"
    assert returns == (text if route.response is None else route.response.__name__)


@pytest.mark.parametrize("route", routes.ROUTES, ids=lambda route: str(route.name))
async def test_a_method_makes_the_request_of_its_route(
    route: routes.Route, agent: AgentServer, opened: client.AgentClient
) -> None:
    answer = await CALLS[route.name](opened, agent)
    method, path = agent.requests[-1]
    assert (method, path.partition("?")[0]) == (route.method, route.path.format(id="change-1"))
    assert isinstance(answer, route.response or str | None)
