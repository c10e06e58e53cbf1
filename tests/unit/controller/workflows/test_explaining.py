"""Everything on a packet's way is asked, in its order; what stops it is said first, with the next step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

import pytest
from msgspec import structs

from causeway_controller.contract.appliances import Condition
from causeway_controller.contract.explain import PathAnswer, Question
from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.production import OwnAppliance, OwnNetwork, Production
from causeway_controller.contract.tenant import Static
from causeway_controller.contract.tenant_view import NetworkView, ReplicaView, TenantResources
from causeway_controller.errors import AgentUnreachable
from causeway_controller.inventory import production, tenancy
from causeway_controller.inventory.health import Deployed
from causeway_controller.inventory.modes import Full, Idle, Mode, Partial
from causeway_controller.inventory.tenancy import GatewayCredentials, Site
from causeway_controller.inventory.views import Known
from causeway_controller.inventory.views import tenancy as view
from causeway_controller.store.appliances import Appliances
from causeway_controller.store.database import Database
from causeway_controller.store.inventories import Inventories
from causeway_controller.workflows.explaining import Explaining
from causeway_wire.explanation import PacketPath, PathStage
from causeway_wire.problem import ProblemError
from causeway_wire.types import Name, TenantId
from tests.fakes.hypervisor import FakeHypervisor
from tests.provider_inventory import seed_example
from tests.runs_bench import START

PASSES = PacketPath(
    stages=(PathStage(stage="filtered", text="allowed"),), verdict="it passes", passes=True, works=True
)
STOPS = PacketPath(
    stages=(
        PathStage(stage="enters", text="on vlan100"),
        PathStage(stage="filtered", text="not allowed", passes=False, advice="Include its VM in it."),
    ),
    verdict="Include its VM in it.",
    passes=False,
    works=False,
)


class World:
    """The seed's example; its appliance says what a test says, its host runs the replica of db1."""

    def __init__(self, database: Database) -> None:
        self.inventories = Inventories(database, now=lambda: START)
        self.inventories.replace(seed_example(), expected=0, actor="test")
        self.appliances = Appliances(database)
        self.mode: Mode = Partial(frozenset({"db1"}))
        self.says: PacketPath | Exception = PASSES
        self.asked: list[Mapping[str, str]] = []
        (vm,) = (one for one in self.site().tenants["acme"].vms.values() if one.name == "db1")
        self.vm = vm
        self.network = self.site().tenants["acme"].networks[vm.network]
        self.host = FakeHypervisor({})
        self.on: bool | None = True
        self.explaining = Explaining(
            inventories=self.inventories,
            tenancies=self,
            appliances=self.appliances,
            agents=lambda _: self,
            hypervisors=self._machine,
        )

    def site(self) -> Site:
        stored = self.inventories.load()
        known = Known(controllers=(), gateway_credentials=GatewayCredentials(ca="", certificates={}))
        site = view(stored.inventory, stored.allocation, "acme", "esx1", known=known)
        return tenancy.with_mode(site, "acme", self.mode)

    async def load(self, tenant: TenantId, host: Name, plan: Name = "") -> Site:
        assert (tenant, host, plan) == ("acme", "esx1", "")
        return self.site()

    async def changed(self, tenant: TenantId, host: Name, site: Site) -> None:
        """No run ends here."""

    async def explain(self, query: Mapping[str, str]) -> PacketPath:
        self.asked.append(query)
        if isinstance(self.says, Exception):
            raise self.says
        return self.says

    def _machine(self, reference: Any) -> FakeHypervisor:
        self.host.on = {} if self.on is None else {reference.owner_id: self.on}
        return self.host

    async def ask(self, source: object, destination: object, **more: str) -> PathAnswer:
        ends = ip_address(str(source)), ip_address(str(destination))
        return await self.explaining.explain(Question(source=ends[0], destination=ends[1], **more))

    async def named(self, source: object, destination: object, **more: str) -> PathAnswer:
        ends = [one if isinstance(one, str) else ip_address(str(one)) for one in (source, destination)]
        return await self.explaining.explain(Question(source=ends[0], destination=ends[1], **more))

    @property
    def router(self) -> object:
        return self.network.gateways[0]


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


async def test_the_legs_come_in_the_packets_order(world: World) -> None:
    there = await world.ask(world.router, world.vm.addresses[0], kind="tcp", port="5432")
    places = [leg.where for leg in there.legs]
    assert places[0].startswith("the tenant's appliance of network")
    assert places[-2:] == ["the provider's appliance acme-esx1 on esx1", "the replica of db1"]
    back = await world.ask(world.vm.addresses[0], world.router)
    assert [leg.where for leg in back.legs] == list(reversed(places))
    assert world.asked[0] == {
        "source": str(world.router),
        "destination": str(world.vm.addresses[0]),
        "kind": "tcp",
        "port": "5432",
    }


async def test_what_is_not_ours_is_unseen_and_who_can_be_asked_is_said(world: World) -> None:
    found = await world.ask(world.router, world.vm.addresses[0])
    assert found.works is None
    assert "unseen is the tenant's appliance of network" in found.verdict
    assert "`causeway explain" in found.advice


async def test_what_stops_it_is_said_first_with_the_next_step(world: World) -> None:
    world.says = STOPS
    found = await world.ask(world.router, world.vm.addresses[0])
    assert found.works is False
    assert "is stopped at the provider's appliance acme-esx1 on esx1" in found.verdict
    assert found.advice == "Include its VM in it."


@pytest.mark.parametrize(
    ("on", "words"), [(False, "is stopped at the replica of db1: it is powered off"), (None, "no such VM")]
)
async def test_a_replica_that_does_not_run_stops_it(world: World, on: bool | None, words: str) -> None:  # noqa: FBT001 - a parameter
    world.on = on
    found = await world.ask(world.router, world.vm.addresses[0])
    assert (found.works, words in found.verdict) == (False, True)


async def test_in_full_failover_all_of_the_way_is_ours(world: World) -> None:
    world.mode = Full(frozenset({"db1"}))
    found = await world.ask("203.0.113.99", world.vm.addresses[0])
    assert (found.works, found.mode) == (True, "full")
    assert "passes, and its answer comes back" in found.verdict


async def test_an_appliance_that_does_not_answer_decides_nothing(world: World) -> None:
    world.mode = Full(frozenset({"db1"}))
    world.says = AgentUnreachable("acme-esx1", "192.0.2.1", "no route to host")
    found = await world.ask("203.0.113.99", world.vm.addresses[0])
    assert (found.works, "no route to host" in found.advice) == (None, True)


async def test_gateways_that_are_all_dead_stop_it(world: World) -> None:
    gateways = world.site().gateways
    assert gateways
    for one in gateways:
        address = ip_address("192.0.2.9")
        seen = Deployed(id=one.id, tenant=f"g-{one.id}", host="esx1", address=address, port=8443)
        world.appliances.enter(seen, at=START)
        world.appliances.saw([replace(seen, entered=START, condition=Condition.SILENT, cause="no answer")])
    found = await world.ask(world.router, world.vm.addresses[0])
    assert (found.works, "is silent (no answer)" in found.verdict) == (False, True)


async def test_while_idle_nobody_is_asked(world: World) -> None:
    world.mode = Idle()
    found = await world.ask(world.router, world.vm.addresses[0])
    assert (world.asked, found.legs, found.mode) == ([], (), "idle")
    assert "production itself carries it" in found.verdict


async def test_addresses_of_nobody_are_refused(world: World) -> None:
    with pytest.raises(ProblemError, match="no tenant has"):
        await world.ask("203.0.113.98", "203.0.113.99")
    with pytest.raises(ProblemError, match="no tenant has"):
        await world.ask(world.router, world.vm.addresses[0], tenant="zeta")


async def test_vms_are_asked_about_by_name_and_what_that_meant_is_told(world: World) -> None:
    by_address = await world.ask(world.router, world.vm.addresses[0])
    for name in ("db1", "DB1", "acme/db1", "vm-db1"):
        found = await world.named(world.router, name)
        assert (found.verdict, found.legs) == (by_address.verdict, by_address.legs)
        (one,) = found.named
        assert (one.name, one.vm, one.tenant, one.address) == (name, "db1", "acme", world.vm.addresses[0])
    with pytest.raises(ProblemError, match="neither an IP address nor the name of a VM"):
        await world.named("db9", world.router)
    with pytest.raises(ProblemError, match="tenant zeta"):
        await world.named("db1", world.router, tenant="zeta")


class OwnSite(World):
    """A tenant's controller: one network with an appliance of its own, and what its provider told."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.entered = self.inventories.replace(own_inventory(), expected=1, actor="test")

    def site(self) -> Site:
        if not self.inventories.load().inventory.production:
            return super().site()
        (place,) = production.places(self.inventories.load().inventory)
        return production.site(place, told=told(), end=None, mode=self.mode, controllers=())

    async def load(self, tenant: TenantId, host: Name, plan: Name = "") -> Site:
        assert (tenant, host, plan) == ("acme", "net1", "")
        return self.site()


def own_inventory() -> Inventory:
    address = Static(addresses=(ip_interface("192.168.10.250/24"),))
    own = OwnNetwork(
        id="net1",
        prefixes=(ip_network("192.168.10.0/24"),),
        appliance=OwnAppliance(host="esx1", network="pg", address=address),
    )
    entry = Production(id="north", tenant="acme", networks=(own,))
    return Inventory(hosts=seed_example().hosts, production=(entry,))


def told(tenant: TenantId = "acme", network: Name = "net1", prefix: str = "192.168.10") -> TenantResources:
    names = ("web1", 11), ("db1", 12)
    return TenantResources(
        tenant=tenant,
        hosts=("sp1",),
        plans=(),
        full_failover_by=(),
        public_addresses=(),
        open_runs=(),
        networks=(NetworkView(id=network, prefixes=(ip_network(f"{prefix}.0/24"),), gateways=()),),
        replicas=tuple(
            ReplicaView(vm=name, network=network, host="sp1", addresses=(ip_address(f"{prefix}.{last}"),))
            for name, last in names
        ),
    )


@pytest.mark.parametrize("names", [True, False])
async def test_a_tenants_controller_asks_its_own_appliance(database: Database, *, names: bool) -> None:
    own = OwnSite(database)
    ends = ("web1", "db1") if names else (ip_address("192.168.10.11"), ip_address("192.168.10.12"))
    found = await own.named(*ends)
    assert (found.tenant, found.host, found.mode) == ("acme", "net1", "partial")
    assert [(leg.where, leg.passes) for leg in found.legs] == [
        ("the tenant's appliance acme-net1-tenant", True),
        ("the provider's appliance", None),
    ]
    assert "north's controller commands it" in found.legs[1].verdict
    assert "`causeway explain 192.168.10.11 192.168.10.12` there" in found.legs[1].verdict
    assert [one["source"] for one in own.asked] == ["192.168.10.11"]
    own.mode = Idle()
    assert "production itself carries it" in (await own.named(*ends)).verdict


class TwoProviders(OwnSite):
    """The same, which has joined another provider besides, as another tenant with VMs of the same names."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        (north,) = own_inventory().production
        address = Static(addresses=(ip_interface("192.168.20.250/24"),))
        appliance = OwnAppliance(host="esx1", network="pg2", address=address)
        other = OwnNetwork(id="net2", prefixes=(ip_network("192.168.20.0/24"),), appliance=appliance)
        south = Production(id="south", tenant="acme-south", networks=(other,))
        both = structs.replace(own_inventory(), production=(north, south))
        self.inventories.replace(both, expected=self.entered.revision, actor="test")

    async def load(self, tenant: TenantId, host: Name, plan: Name = "") -> Site:
        places = production.places(self.inventories.load().inventory)
        (place,) = (one for one in places if (one.tenant, one.network.id) == (tenant, host))
        said = told() if host == "net1" else told("acme-south", "net2", "192.168.20")
        return production.site(place, told=said, end=None, mode=self.mode, controllers=())


@pytest.mark.parametrize(("tenant", "host"), [("acme", "net1"), ("acme-south", "net2")])
async def test_of_a_tenant_that_was_said_only_its_own_vms_and_networks_are_meant(
    database: Database, tenant: TenantId, host: Name
) -> None:
    both = TwoProviders(database)
    with pytest.raises(ProblemError, match="web1 is a VM of acme, acme-south"):
        await both.named("web1", "db1")
    found = await both.named("web1", "db1", tenant=tenant)
    assert (found.tenant, found.host) == (tenant, host)
    elsewhere = {"acme": "192.168.20.11", "acme-south": "192.168.10.11"}[tenant]
    with pytest.raises(ProblemError, match="no tenant has"):
        await both.ask(elsewhere, "203.0.113.9", tenant=tenant)
