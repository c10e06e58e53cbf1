"""An appliance is brought about only where it can be; what cannot be is told before anything is touched."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace

from causeway_controller.contract.provider import Host
from causeway_controller.contract.tenant import Adapters
from causeway_controller.failover import documents
from causeway_controller.fleet.client import AgentClient
from causeway_controller.hypervisors.base import HypervisorError, Provider, unwatched
from causeway_controller.inventory import appliances, book, modes
from causeway_controller.inventory.tenancy import (
    GatewayCredentials,
    Holder,
    ManagementAccess,
    Revocation,
    Site,
    with_mode,
)
from causeway_controller.inventory.views import Known, tenancy
from causeway_controller.inventory.vnics import of_provider_appliance
from causeway_controller.store.appliances import Appliances
from causeway_controller.store.authorities import Authorities
from causeway_controller.store.counters import Epochs
from causeway_controller.store.database import Database
from causeway_controller.store.generations import MemoryBook
from causeway_controller.store.inventories import Inventories
from causeway_controller.store.ledger import Ledger
from causeway_controller.store.links import Links
from causeway_controller.store.runs import Run, Runs
from causeway_controller.store.told import Told
from causeway_controller.trust import pki
from causeway_controller.trust.identity import make_office
from causeway_controller.workflows import provisioning
from causeway_controller.workflows.appliances import Onboarding, Wanted
from causeway_controller.workflows.certifying import Certifying
from causeway_controller.workflows.provisioning import Provisioning
from causeway_controller.workflows.tunnels import ClientCertificates, ServerCertificates
from causeway_wire import seed
from causeway_wire.desired import Desired
from causeway_wire.observed import RevokedCertificate
from causeway_wire.problem import ProblemError, ProblemType
from causeway_wire.seed import RoleName
from causeway_wire.types import ApplianceId, IPNetwork, Name, Secret, TenantId
from tests import sites
from tests.fakes.hypervisor import FakeHypervisor
from tests.joining import unlocked
from tests.provider_inventory import seed_example

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDummyDummyDummy anna"
CONTROLLERS = (ip_network("203.0.113.200/32"),)


class World:
    """A store with the seed's example, a host without machines, and no agents at all."""

    def __init__(self, place: Path, database: Database) -> None:
        self.inventories = Inventories(database, now=lambda: AT)
        self.inventories.replace(seed_example(), expected=0, actor="test")
        self.host = FakeHypervisor({})
        self.runs = Runs(database)
        self.controllers: tuple[IPNetwork, ...] = CONTROLLERS
        office = make_office("controller", place, now=AT)
        self.onboarding = Onboarding(
            identity=lambda: office.identity,
            issuer=lambda _: office.authority,
            tokens=self,
            now=lambda: AT,
            ssh_keys=(KEY,),
            time_servers=(ip_address("192.0.2.123"),),
        )
        self.revoked: tuple[Revocation, ...] = ()
        self.refuses: tuple[str, ...] | None = None
        """What the appliance says that it refuses; None where nobody is to ask it."""
        self.agent = Serving(None)
        self.provisioning = Provisioning(
            inventories=self.inventories,
            tenancies=self,
            hosts=self._host,
            clients=self._client,
            onboarding=self.onboarding,
            runs=self.runs,
            epochs=Epochs(database),
            generations=MemoryBook(),
            appliances=Appliances(database),
            ends=ClientCertificates(
                links=Links(database, unlocked(database, now=lambda: AT), now=lambda: AT),
                told=Told(database, unlocked(database, now=lambda: AT), now=lambda: AT),
                now=lambda: AT,
            ),
            servers=ServerCertificates(
                Certifying(
                    authorities=Authorities(database, unlocked(database, now=lambda: AT), now=lambda: AT),
                    ledger=Ledger(database, now=lambda: AT),
                    now=lambda: AT,
                    actor="test",
                )
            ),
            now=lambda: AT,
        )

    def enter(self, *, adapters: Adapters) -> None:
        """Have the tenant's appliances with these adapters."""
        (acme,) = seed_example().tenants
        subscriptions = tuple(replace(one, adapters=adapters) for one in acme.subscriptions)
        changed = seed_example(tenants=(replace(acme, subscriptions=subscriptions),))
        self.inventories.replace(changed, expected=self.inventories.load().revision, actor="test")

    async def load(self, tenant: TenantId, host: Name, plan: Name = "") -> Site:
        known = Known(
            controllers=self.controllers, gateway_credentials=GatewayCredentials(ca="", certificates={})
        )
        stored = self.inventories.load()
        site = tenancy(stored.inventory, stored.allocation, tenant, host, known=known)
        return dataclasses.replace(site, revoked=self.revoked)

    async def changed(self, tenant: TenantId, host: Name, site: Site) -> None:
        """No run ends here."""

    async def get(self, appliance: ApplianceId) -> Secret:
        return Secret(f"a-long-token-of-{appliance}")

    async def drop(self, appliance: ApplianceId) -> None:
        """It is not kept."""

    async def _host(self, _host: Host) -> Provider:
        return self.host

    async def _client(self, appliance: ApplianceId, _access: ManagementAccess) -> AgentClient:
        if self.refuses is None:
            raise AssertionError(f"nobody asks {appliance}")
        self.agent.refuses = self.refuses
        return self.agent  # type: ignore[return-value] # no more of it is asked

    async def refused(self, tenant: str = "acme", host: str = "esx1") -> str:
        """Why it is refused; no machine is there afterwards."""
        with pytest.raises(ProblemError) as caught:
            await self.provisioning.ensure(tenant, host)
        assert self.host.on == {}
        return caught.value.problem.detail


@pytest.fixture
def world(tmp_path: Path, database: Database) -> World:
    return World(tmp_path, database)


async def test_where_nothing_is_subscribed_nothing_is_deployed(world: World) -> None:
    assert "no subscription on host esx2" in await world.refused(host="esx2")
    assert "tenant zeta has no subscription" in await world.refused(tenant="zeta")


async def test_an_appliance_that_takes_what_was_revoked_for_good_is_to_get_its_document(world: World) -> None:
    assert not await world.provisioning.due("acme", "esx1"), "nobody is asked where nothing is revoked"
    world.revoked = (Revocation(serial="1f", holder=Holder.CONTROLLER),)
    for refuses, due in (((), True), (("2f",), True), (("1f", "2f"), False)):
        world.refuses = refuses
        assert await world.provisioning.due("acme", "esx1") is due


@pytest.mark.parametrize("tenants", [True, False])
async def test_an_appliance_that_shows_what_was_revoked_is_to_get_its_document(
    world: World, *, tenants: bool
) -> None:
    """The next certificate was made, and nobody remembers that it was not sent."""
    site, real = sites.site(), pki.make_vpn_authority("acme", now=AT).pem
    site = with_mode(site, "acme", modes.Partial(frozenset(site.tenants["acme"].vms)))
    tenant, known = site.tenants["acme"], site.credentials["acme"]
    tunnels = {
        name: dataclasses.replace(one, server_certificate=real, client_certificate=real)
        for name, one in known.tunnels.items()
    }
    site = dataclasses.replace(site, credentials={"acme": dataclasses.replace(known, tunnels=tunnels)})
    ends = [one.id for one in tenant.appliances.values()]
    document = documents.document(site, ends[0] if tenants else tenant.server.id, generation=1, epoch=1)
    world.refuses, world.agent.document = (), document
    for serial, due in (("1f", False), (pki.serial(real), True)):
        world.revoked = (Revocation(serial=serial, holder=Holder.SERVER, tenant="acme", tunnel="t1"),)
        assert await world.provisioning.due("acme", "esx1") is due


async def test_while_a_run_is_open_the_appliance_is_the_runs(world: World) -> None:
    world.runs.start(Run(id="r1", tenant="acme", host="esx1", request="{}", actor="anna", at=AT))
    assert "run r1" in await world.refused()


async def test_an_appliance_that_would_listen_to_nobody_is_not_deployed(world: World) -> None:
    world.controllers = ()
    assert "`sources`" in await world.refused()


class WithoutTrunks:
    """A host whose machines have one VLAN for each adapter."""

    def __init__(self, host: FakeHypervisor) -> None:
        self.find, self.segment, self.preflight, self.deploy = (
            host.find,
            host.segment,
            host.preflight,
            host.deploy,
        )


async def deployed(
    world: World, provider: Provider, *, in_place: bool = False
) -> tuple[tuple[str, str], ...]:
    """MAC address and segment of each adapter of the appliance, deployed on this host."""
    stored = world.inventories.load()
    needed = appliances.of_tenant_on(book.index(stored.inventory), "acme", "esx1")
    appliance = (await world.load("acme", "esx1")).tenants["acme"].server
    wanted = Wanted(
        id=appliance.id,
        role=RoleName.PROVIDER,
        management=appliance.management,
        adapters=(appliance.uplink,),
        vnics=of_provider_appliance(needed, stored.allocation),
    )
    await world.onboarding.deploy(wanted, provider, unwatched, in_place=in_place)
    return tuple((nic.mac, nic.segment) for nic in world.host.specs[appliance.id].nics)


async def test_the_seed_says_who_may_log_in_and_where_the_time_is(world: World) -> None:
    await deployed(world, world.host)
    (spec,) = world.host.specs.values()
    found = seed.decode(spec.seed[spec.seed.index(b'{"') :].partition(b"\0")[0])
    assert (found.ssh_authorized_keys, found.time_servers) == ((KEY,), (ip_address("192.0.2.123"),))


async def test_a_trunk_is_one_adapter_that_carries_the_tenants_vlans_and_no_other(world: World) -> None:
    world.enter(adapters=Adapters.TRUNK)
    (uplink, trunk) = await deployed(world, world.host)
    leases = world.inventories.load().allocation
    (switch,) = {lease.switch for lease in leases.vlans}
    tags = sorted(lease.vlan for lease in leases.vlans)
    assert trunk == (leases.macs_on("acme", "esx1")["trunk"], f"{switch}-trunk-{'-'.join(map(str, tags))}")
    assert uplink[0] == leases.macs_on("acme", "esx1")["uplink"]


async def test_where_no_host_gives_a_trunk_nothing_is_made(world: World) -> None:
    world.enter(adapters=Adapters.TRUNK)
    with pytest.raises(HypervisorError, match="adapters: access"):
        await deployed(world, WithoutTrunks(world.host))  # type: ignore[arg-type] # it has no more
    assert world.host.on == {}


class WithoutImage(FakeHypervisor):
    """A host that networks are made on, and whose image is none."""

    def __init__(self) -> None:
        super().__init__({})
        self.made: list[int] = []

    async def image(self) -> Path:
        raise HypervisorError("/images/appliance.ova is no OVA of an appliance")

    async def segment(self, switch: str, vlan: int) -> str:
        self.made.append(vlan)
        return await super().segment(switch, vlan)


async def test_a_wrong_image_is_told_before_a_network_is_made_for_the_appliance(world: World) -> None:
    host = WithoutImage()
    with pytest.raises(HypervisorError, match=r"acme-esx1 cannot be deployed: .* is no OVA"):
        await deployed(world, host)
    assert (host.made, host.on) == ([], {})


class Serving:
    """An appliance that runs a document, or none."""

    def __init__(self, document: Desired | None) -> None:
        self.document = document
        self.refuses: tuple[str, ...] = ()

    async def observed(self) -> Any:
        found = tuple(RevokedCertificate(serial=each, at="api") for each in self.refuses)
        return SimpleNamespace(revoked=found)

    async def etag(self) -> str | None:
        return None if self.document is None else '"1-f"'

    async def get_desired(self) -> Desired:
        assert self.document is not None
        return self.document


async def test_what_serves_more_than_is_remembered_is_left_as_it_is() -> None:
    def document(mode: modes.Mode) -> Desired:
        site = with_mode(sites.site(), "acme", mode)
        return documents.document(site, site.tenants["acme"].provider.id, generation=1, epoch=1)

    full, idle = document(modes.Full(frozenset(sites.site().tenants["acme"].vms))), document(modes.Idle())
    for runs, wanted in ((None, idle), (idle, full), (full, full)):
        agent: Any = Serving(runs)
        await provisioning._refuse_loss(agent, wanted, "acme esx1")
    agent = Serving(full)
    with pytest.raises(ProblemError, match="deploy acme esx1 --overrule") as caught:
        await provisioning._refuse_loss(agent, idle, "acme esx1")
    assert caught.value.problem.type == ProblemType.FAILOVER_IN_PROGRESS.urn
    assert "full failover of network" in caught.value.problem.detail


async def test_before_a_machine_is_removed_its_host_says_whether_it_could_make_another_one(
    world: World,
) -> None:
    """What the machine itself takes is not counted: it is gone by then."""
    await deployed(world, world.host)
    world.host.full = True
    await world.provisioning.check("acme", "esx1", in_place=True)
    world.host.reasons = ("there is no network vlan-7",)
    await world.provisioning.check("acme", "esx1")
    with pytest.raises(HypervisorError, match="cannot be deployed: there is no network vlan-7"):
        await world.provisioning.check("acme", "esx1", in_place=True)


async def test_where_a_machine_was_removed_another_one_is_made_whatever_room_its_disk_left(
    world: World,
) -> None:
    """A disk takes what was written to it, and may grow to more: what comes free is not what is counted."""
    await deployed(world, world.host)
    world.host.on.clear()
    world.host.full = True
    with pytest.raises(HypervisorError, match="make room"):
        await deployed(world, world.host)
    await deployed(world, world.host, in_place=True)
    assert world.host.on
