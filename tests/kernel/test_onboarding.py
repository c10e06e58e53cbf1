"""A controller that is a stranger to the lab deploys an appliance there, through the host's socket alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio

from causeway_controller.failover import documents
from causeway_controller.fleet import client
from causeway_controller.hypervisors import hosts
from causeway_controller.hypervisors.base import HypervisorError, Provider, unwatched
from causeway_controller.inventory import appliances, tenancy
from causeway_controller.inventory.entry import enter
from causeway_controller.inventory.tenancy import GatewayCredentials
from causeway_controller.inventory.views import Known
from causeway_controller.inventory.views import tenancy as view
from causeway_controller.inventory.vnics import InVlan, of_provider_appliance
from causeway_controller.trust.identity import Office, make_office
from causeway_controller.workflows.appliances import Onboarding, Wanted
from causeway_lab.assembly import inventory
from causeway_lab.assembly.lab import Lab
from causeway_lab.assembly.replicas import Replicas
from causeway_lab.service.host_server import HostServer
from causeway_lab.world import namespaces, topology
from causeway_lab.world.topology import SP_CONTROLLER, Topology
from causeway_wire.observed import ApplianceState
from causeway_wire.seed import RoleName
from tests.fakes.tokens import FakeTokens

pytestmark = pytest.mark.kernel

TENANT = "acme"


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The provider's site, its host reached by the socket, and what a controller knows."""

    provider: Provider
    site: tenancy.Site
    wanted: Wanted
    office: Office
    tokens: FakeTokens

    def onboarding(self) -> Onboarding:
        return Onboarding(
            identity=lambda: self.office.identity,
            issuer=lambda _: self.office.authority,
            tokens=self.tokens,
            now=lambda: datetime.now(tz=UTC),
            socket_factory=namespaces.socket_in(SP_CONTROLLER),
        )


@pytest_asyncio.fixture(loop_scope="session")
async def world(lab: Lab, tmp_path: Path) -> AsyncIterator[World]:
    """Beside the appliances of the lab, another of the same tenant, as on a second host."""
    async with HostServer(lab.hypervisor, Replicas(lab.machines), tmp_path / "host") as server:
        made = _world(lab.topology, server.url, tmp_path)
        yield made
        await made.provider.destroy(made.wanted.id)


def _world(made: Topology, url: str, place: Path) -> World:
    told = inventory.second_host(made, url, TENANT)
    given = enter(told)
    known = Known(
        controllers=made.tenants[TENANT].server.management.sources,
        gateway_credentials=GatewayCredentials(ca="", certificates={}),
    )
    site = view(told, given, TENANT, inventory.SECOND_HOST, known=known)
    provider = site.tenants[TENANT].server
    needed = next(each for each in appliances.needed(told) if each.tenant == TENANT)
    wanted = Wanted(
        id=provider.id,
        role=RoleName.PROVIDER,
        management=provider.management,
        adapters=(provider.uplink, *provider.vlans.values()),
        vnics=of_provider_appliance(needed, given),
    )
    return World(
        provider=hosts.provider(told.hosts[0], image=place / "none"),
        site=site,
        wanted=wanted,
        office=make_office("controller", place, now=datetime.now(tz=UTC)),
        tokens=FakeTokens(),
    )


async def test_an_appliance_is_deployed_enrolled_and_takes_its_document(world: World) -> None:
    told: list[str] = []
    await world.onboarding().bring_up(world.wanted, world.provider, lambda phrase, _: told.append(phrase))
    assert world.tokens.held == {}
    assert told[-1] == "acme-sp2 is enrolled"
    async with _agent(world) as agent:
        document = documents.document(world.site, "acme-sp2", generation=1, epoch=1)
        await agent.apply(document, timeout=30)
        observed = await agent.observed()
    assert observed.state is ApplianceState.READY
    assert {nic.name for nic in observed.nics} >= {"uplink", "vlan100", "vlan150"}


def _agent(world: World) -> client.AgentClient:
    access = world.wanted.management
    return client.open_agent(
        appliance=world.wanted.id,
        address=access.address,
        port=access.port,
        identity=world.office.identity,
        socket_factory=namespaces.socket_in(SP_CONTROLLER),
    )


@pytest.mark.parametrize("done", ["deployed", "on", "enrolled"])
async def test_a_controller_that_died_is_followed_by_one_that_goes_on(world: World, done: str) -> None:
    """What the first did is found at the host and at the appliance; nothing is done twice."""
    first, wanted, provider = world.onboarding(), world.wanted, world.provider
    await first.deploy(wanted, provider, unwatched)
    if done != "deployed":
        await provider.power(wanted.id, on=True, grace=0.0)
    if done == "enrolled":
        token = await world.tokens.get(wanted.id)
        await first.enrol(wanted, provider)
        world.tokens.held[wanted.id] = token
    await world.onboarding().bring_up(wanted, provider, unwatched)
    assert world.tokens.held == {}
    async with _agent(world) as agent:
        assert (await agent.versions()).appliance == wanted.id


async def test_nothing_is_deployed_where_a_vlan_is_not(world: World) -> None:
    vnic = replace(world.wanted.vnics[-1], place=InVlan(switch=topology.SWITCH, vlan=7))
    elsewhere = replace(world.wanted, vnics=(vnic,))
    with pytest.raises(HypervisorError, match="no VLAN 7 on switch lab-switch"):
        await world.onboarding().bring_up(elsewhere, world.provider, unwatched)
    assert await world.provider.find("acme-sp2") is None


async def test_the_host_powers_replicas_and_says_so(world: World) -> None:
    replica = f"{TENANT}/web1"
    await world.provider.power(replica, on=True, grace=0.0)
    try:
        machine = await world.provider.find(replica)
        assert machine is not None
        assert machine.powered_on
    finally:
        # Left running, it would answer other replicas in place of the VM, which is in production.
        await world.provider.power(replica, on=False, grace=0.0)
    machine = await world.provider.find(replica)
    assert machine is not None
    assert not machine.powered_on
    assert await world.provider.find(f"{TENANT}/nobody") is None
    with pytest.raises(HypervisorError, match="nobody"):
        await asyncio.wait_for(world.provider.power(f"{TENANT}/nobody", on=True, grace=0.0), 10)
