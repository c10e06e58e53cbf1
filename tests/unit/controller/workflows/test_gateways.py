"""A gateway gets a certificate, its document, and others when those are due; what is so already stays."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from cryptography import x509

from causeway_controller.contract.appliances import Condition
from causeway_controller.inventory import certificates
from causeway_controller.inventory.health import NOBODY, Deployed
from causeway_controller.inventory.tenancy import GatewayCredentials, Site
from causeway_controller.inventory.vnics import of_gateway
from causeway_controller.store.counters import Epochs, StoredGenerations
from causeway_controller.store.credentials import Credentials
from causeway_controller.store.inventories import Inventories
from causeway_controller.store.runs import Run
from causeway_controller.trust import pki
from causeway_controller.workflows.appliances import Wanted
from causeway_controller.workflows.certifying import Certifying
from causeway_controller.workflows.gateways import ByKind, GatewayProvisioning
from causeway_controller.workflows.provisioning import Under
from causeway_wire.desired import GatewayRole
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.types import Name, TenantId
from tests import sites
from tests.fakes.agent_server import ADDRESS, AgentServer
from tests.fakes.hypervisor import FakeHypervisor
from tests.provider_inventory import seed_example
from tests.watched import MANAGEMENT, SITE, Watched, watched

GATEWAY = "gw1"


@dataclass
class World:
    """A controller and a gateway whose machine runs and has enrolled."""

    one: Watched
    agent: AgentServer
    credentials: Credentials

    def __post_init__(self) -> None:
        self.tenants = True
        self.brought: list[Wanted] = []
        self.inventories = Inventories(self.one.database, now=self.one.time)
        self.inventories.replace(seed_example(), expected=0, actor="test")
        self.provisioning = GatewayProvisioning(
            inventories=self.inventories,
            tenancies=self,
            hosts=self._host,
            clients=self.one.pool.know,
            onboarding=self,  # type: ignore[arg-type] # it has brought it up already
            certifying=Certifying(
                authorities=self.one.kept, ledger=self.one.ledger, now=self.one.time, actor="ctl1"
            ),
            runs=self.one.runs,
            epochs=Epochs(self.one.database),
            generations=StoredGenerations(self.one.database),
            appliances=self.one.appliances,
            now=self.one.time,
        )

    async def bring_up(self, wanted: Wanted, *_: object, **__: object) -> None:
        self.brought.append(wanted)

    async def _host(self, _host: object) -> Any:
        return FakeHypervisor({})

    async def load(self, tenant: TenantId, host: Name, plan: Name = "") -> Site:
        if (tenant, host, plan) != (NOBODY, GATEWAY, ""):
            raise ProblemError(problem(ProblemType.NOT_FOUND, f"no gateway {host}"))
        (gateway,) = SITE.gateways[:1]
        management = replace(gateway.management, address=ip_address(ADDRESS), port=self.agent.port)
        own = replace(gateway, id=GATEWAY, management=management)
        found = self.credentials.of_gateways(gateway.name) or GatewayCredentials(ca="", certificates={})
        known = SITE.credentials if self.tenants else {}
        return replace(SITE, gateways=(own,), credentials=known, gateway_credentials=found)

    async def changed(self, tenant: TenantId, host: Name, site: Site) -> None:
        """No run ends here."""

    @property
    def documents(self) -> int:
        return sum(asked == ("PUT", "/v1/desired") for asked in self.agent.requests)

    def role(self) -> GatewayRole:
        assert self.agent.document is not None
        assert isinstance(self.agent.document.role, GatewayRole)
        return self.agent.document.role

    async def look(self) -> None:
        """What upkeep does after the gateway answered."""
        (one,) = (each for each in self.one.appliances.all() if each.gateway)
        await self.provisioning.look([replace(one, seen=self.one.now, asked=self.one.now)], lambda: None)


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with watched(tmp_path) as one:
        place = tmp_path / "gateway"
        place.mkdir()
        agent = AgentServer(appliance=GATEWAY, directory=place, controller_ca=one.pool.identity.authority)
        async with agent.serving():
            issuer = one.kept.issuer(MANAGEMENT, certificates.of_agent(GATEWAY), actor="test")
            names = [
                x509.UniformResourceIdentifier(pki.APPLIANCE_URN + GATEWAY),
                x509.IPAddress(ip_address(ADDRESS)),
            ]
            key = agent.key("agent").public_key()
            usage = pki.Usage.SERVER
            made = issuer.issue(key, common_name=GATEWAY, usage=usage, names=names, now=one.now)
            agent.install(pki.pem(made))
            sealing = one.kept._vault
            yield World(one, agent, Credentials(one.database, sealing, now=one.time))


async def test_a_gateway_is_brought_up_certified_and_has_every_tunnel(world: World) -> None:
    assert await world.provisioning.ensure(NOBODY, GATEWAY) == GATEWAY
    (wanted,) = world.brought
    entry = next(one for one in seed_example().gateways if one.id == GATEWAY)
    assert (wanted.role, wanted.vnics) == ("gateway", of_gateway(entry))
    (kept,) = (one for one in world.one.appliances.all() if one.gateway)
    assert (kept.id, kept.subject) == (GATEWAY, f"gateway {GATEWAY}")
    role = world.role()
    assert len(role.tunnels) == sum(len(tenant.networks) for tenant in SITE.tenants.values())
    assert x509.load_pem_x509_certificate(role.certificate.encode()).subject.rfc4514_string()


async def test_what_is_so_already_stays(world: World) -> None:
    await world.provisioning.ensure(NOBODY, GATEWAY)
    certificate = world.role().certificate
    await world.provisioning.ensure(NOBODY, GATEWAY)
    await world.look()
    assert (world.documents, world.role().certificate) == (1, certificate)


async def test_another_machine_in_its_place_gets_a_certificate_for_its_own_key(world: World) -> None:
    await world.provisioning.ensure(NOBODY, GATEWAY)
    before = world.role().certificate
    del world.agent.keys["gateway"]  # it went with the disk
    await world.provisioning.ensure(NOBODY, GATEWAY)
    now = x509.load_pem_x509_certificate(world.role().certificate.encode()).public_key()
    assert now == world.agent.key("gateway").public_key()
    assert world.role().certificate != before


async def test_a_tenant_that_leaves_its_pool_leaves_its_gateways_by_itself(world: World) -> None:
    await world.provisioning.ensure(NOBODY, GATEWAY)
    world.tenants = False
    await world.look()
    assert (world.documents, world.role().tunnels) == (2, ())


async def test_its_certificate_is_renewed_at_two_thirds_of_its_life(world: World) -> None:
    await world.provisioning.ensure(NOBODY, GATEWAY)
    before = world.role().certificate
    last = world.one.ledger.last(certificates.of_gateway(GATEWAY, SITE.gateways[0].name))
    assert last is not None
    world.one.now = certificates.renewal(last) - timedelta(seconds=1)
    await world.look()
    assert world.role().certificate == before
    world.one.now = certificates.renewal(last)
    await world.look()
    assert world.role().certificate != before


async def test_a_revoked_certificate_is_replaced_by_itself_for_another_key(world: World) -> None:
    await world.provisioning.ensure(NOBODY, GATEWAY)
    stolen, before = world.agent.key("gateway").public_key(), pki.serial(world.role().certificate)
    world.one.ledger.revoke(before, actor="anna", reason="a copy of its disk left the house")
    await world.look()
    now = x509.load_pem_x509_certificate(world.role().certificate.encode()).public_key()
    name = f"gateway-{world.one.ledger.get(before).number}"
    assert (world.role().key, now) == (name, world.agent.key(name).public_key())
    assert now != stolen
    await world.look()
    assert world.documents == 2
    world.one.now += timedelta(days=300)
    await world.look()
    assert (world.role().key, world.documents) == (name, 3), "a renewal keeps the key"


async def test_what_fails_is_tried_after_the_next_look_and_stops_nobody(world: World) -> None:
    await world.provisioning.ensure(NOBODY, GATEWAY)
    world.tenants = False
    world.agent.refuse = problem(ProblemType.UNSUPPORTED, "this machine cannot")
    await world.look()
    assert world.role().tunnels
    world.agent.refuse = None
    await world.look()
    assert world.role().tunnels == ()


async def test_what_the_inventory_has_not_is_refused_or_left_alone(world: World) -> None:
    with pytest.raises(ProblemError, match="no gateway other"):
        await world.provisioning.check(NOBODY, "other")
    left = Deployed(id="old", tenant=NOBODY, host="old", address=ip_address(ADDRESS), port=1)
    seen = replace(left, seen=world.one.now, asked=world.one.now)
    await world.provisioning.look([seen], lambda: None)
    assert world.agent.requests == []


async def test_a_trouble_that_was_seen_before_is_told_no_longer_once_it_is_brought_up(world: World) -> None:
    await world.provisioning.ensure(NOBODY, GATEWAY)
    (kept,) = (one for one in world.one.appliances.all() if one.gateway)
    world.one.appliances.saw([replace(kept, condition=Condition.OUTDATED, cause="overtaken")])
    await world.provisioning.ensure(NOBODY, GATEWAY)
    (kept,) = (one for one in world.one.appliances.all() if one.gateway)
    assert (kept.condition, kept.cause) == (Condition.UNKNOWN, "")


async def test_tenants_appliances_and_gateways_go_different_ways(world: World) -> None:
    class Other:
        async def check(self, tenant: TenantId, host: Name, **_: object) -> None:
            raise AssertionError(f"{tenant} {host}")

        async def ensure(self, tenant: TenantId, host: Name, **_: object) -> str:
            return f"{tenant}-{host}"

        async def conform(self, tenant: TenantId, host: Name) -> None:
            conformed.append(f"{tenant}-{host}")

    conformed: list[str] = []
    both = ByKind(Other(), world.provisioning)
    assert await both.ensure("acme", "esx1") == "acme-esx1"
    assert await both.ensure(NOBODY, GATEWAY) == GATEWAY
    await both.check(NOBODY, GATEWAY)
    await both.conform("acme", "esx1")
    world.tenants = False
    await both.conform(NOBODY, GATEWAY)
    assert (conformed, world.role().tunnels) == (["acme-esx1"], ())
    assert sites.site().gateways


async def test_a_run_that_brings_it_back_is_alone_with_it_and_fences_it(world: World) -> None:
    await world.provisioning.ensure(NOBODY, GATEWAY)
    run = Run(id="r1", tenant=NOBODY, host=GATEWAY, request="{}", actor="ctl1", at=world.one.now)
    world.one.runs.start(run)
    with pytest.raises(ProblemError, match="run r1 of gateway gw1 is not over"):
        await world.provisioning.check(NOBODY, GATEWAY)
    world.tenants = False
    await world.look()
    assert world.documents == 1, "upkeep leaves it to the run"
    await world.provisioning.ensure(NOBODY, GATEWAY, under=Under(run="r1", epoch=7))
    assert world.agent.document is not None
    assert (world.role().tunnels, world.agent.document.epoch) == ((), 7)
