"""Upkeep begins a rebuild where that is safe, writes down that it does, and stops after three."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_interface

import msgspec
import pytest

from causeway_controller.api.appliance_reports import AppliancesTold
from causeway_controller.contract.appliances import Condition
from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.production import OwnAppliance, OwnNetwork, Production
from causeway_controller.contract.provider import Rebuild as Policy
from causeway_controller.contract.requests import Rebuild, RebuildGateway, Retire
from causeway_controller.contract.tenant import Static
from causeway_controller.inventory.health import NOBODY, Deployed, Power
from causeway_controller.store.appliances import Appliances
from causeway_controller.store.audit import Audit
from causeway_controller.store.database import Database
from causeway_controller.store.inventories import Inventories
from causeway_controller.store.rebuilds import Rebuilds
from causeway_controller.store.runs import Run, Runs
from causeway_controller.workflows.bringing_back import BringingBack
from causeway_wire import codec
from causeway_wire.types import Name, TenantId
from tests import run_events
from tests.provider_inventory import host, network, seed_example

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
GONE = Deployed(
    id="acme-esx1",
    tenant="acme",
    host="esx1",
    address=ip_address("192.0.2.1"),
    port=8443,
    condition=Condition.MISSING,
    since=START - timedelta(minutes=20),
    asked=START,
    intended="partial",
)

EDGE = replace(GONE, id="gw1", tenant=NOBODY, host="gw1", address=ip_address("192.0.2.9"), intended="idle")


def with_second_gateway(before: Inventory) -> Inventory:
    """`gw2` beside `gw1`, on the same host."""
    (first,), (pool,) = before.gateways, before.gateway_pools
    second = msgspec.structs.replace(
        first, id="gw2", public=(ip_interface("198.51.100.12/24"),), inside=(ip_interface("192.0.2.12/24"),)
    )
    pools = (msgspec.structs.replace(pool, gateways=("gw1", "gw2")),)
    return msgspec.structs.replace(before, gateways=(first, second), gateway_pools=pools)


def with_production(world: World, *names: str) -> list[Deployed]:
    """A tenant's own site instead, with dead appliances of these networks, on one host."""
    own = [network(name, number) for number, name in enumerate(names or ("lan",), 10)]
    networks = tuple(
        OwnNetwork(
            id=one.id,
            prefixes=one.prefixes,
            gateways=one.gateways,
            appliance=OwnAppliance(
                host="esx9",
                network=one.id,
                address=Static(addresses=(ip_interface(f"192.168.{number}.250/24"),)),
            ),
        )
        for number, one in enumerate(own, 10)
    )
    production = Production(id="north", tenant="acme", networks=networks)
    site = Inventory(hosts=(host("esx9"),), production=(production,))
    world.inventories.replace(site, expected=1, actor="test")
    dead = [replace(GONE, id=f"acme-{one.id}-tenant", host=one.id) for one in own]
    for one in dead:
        world.appliances.enter(one, at=START)
    return dead


class World:
    """The seed's example with an appliance that its host does not have any more."""

    def __init__(self, database: Database) -> None:
        self.now = START
        self.power = Power.MISSING
        self.runs = Runs(database)
        self.audit = Audit(database)
        self.appliances = Appliances(database)
        self.inventories = Inventories(database, now=lambda: self.now)
        self.inventories.replace(with_second_gateway(seed_example()), expected=0, actor="test")
        self.appliances.enter(GONE, at=START)
        self.appliances.saw([replace(GONE, entered=START)])
        self.told = AppliancesTold(
            self.appliances, Rebuilds(database), self.inventories, now=lambda: self.now, interval=1e6
        )
        self._rebuilds = Rebuilds(database)
        self.bringing = self.controller()

    def controller(self, *, patience: float = 1.0) -> BringingBack:
        return BringingBack(
            runs=self,
            rebuilds=self._rebuilds,
            inventories=self.inventories,
            audit=self.audit,
            power=self._power,
            now=lambda: self.now,
            interval=30.0,
            actor="ctl1",
            patience=patience,
        )

    async def start_chore(
        self, request: Rebuild | RebuildGateway, *, tenant: TenantId | None, host: Name | None, actor: str
    ) -> Run:
        run = Run(
            id=f"r{self.begun + 1}",
            tenant=tenant or "",
            host=host or "",
            request=codec.encode(request).decode(),
            actor=actor,
            at=self.now,
        )
        self.runs.start(run)
        return run

    async def _power(self, _one: Deployed) -> Power:
        return self.power

    @property
    def begun(self) -> int:
        return sum(act.act.action == "appliance.rebuild" for act in self.audit.records())

    async def look(self, one: Deployed = GONE) -> int:
        """How many were begun after this look."""
        seen = replace(one, asked=self.now)
        await self.bringing.look([seen], {seen.id: seen})
        return self.begun

    def end(self, run: str) -> None:
        run_events.finish(self.runs, run, epoch=1, kind="failed", detail="{}", at=self.now)


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


async def test_it_is_begun_written_down_and_told(world: World) -> None:
    assert await world.look() == 1
    (run,) = world.runs.open()
    assert (run.tenant, run.host, run.actor) == ("acme", "esx1", "ctl1")
    assert codec.decode(run.request.encode(), Rebuild).cause == "its host has no such machine"
    (act,) = (one.act for one in world.audit.records() if one.act.action == "appliance.rebuild")
    assert (act.actor, act.subject, act.detail) == ("ctl1", "acme on esx1", "its host has no such machine")
    (trouble,) = world.told.troubles(world.told.all(None))
    assert trouble.detail.endswith("it is being brought back: `causeway run watch r1`")
    assert "run watch r1" in world.told.reports(None)[0].trouble
    assert await world.look() == 1, "while it goes on there is no other"


async def test_what_its_host_says_otherwise_a_moment_later_is_left_alone(world: World) -> None:
    world.power = Power.UNKNOWN
    assert await world.look() == 0


@pytest.mark.parametrize(("policy", "begun"), [(Policy.NEVER, 0), (Policy.SAFE, 1)])
async def test_the_host_says_whether_it_is_wanted(world: World, policy: Policy, begun: int) -> None:
    before = world.inventories.load()
    hosts = tuple(msgspec.structs.replace(one, rebuild=policy) for one in before.inventory.hosts)
    changed = msgspec.structs.replace(before.inventory, hosts=hosts)
    world.inventories.replace(changed, expected=before.revision, actor="test")
    assert await world.look() == begun


async def test_what_the_inventory_needs_no_longer_stays_dead(world: World) -> None:
    assert await world.look(replace(GONE, tenant="former")) == 0


async def test_while_a_failover_is_open_nothing_is_begun(world: World) -> None:
    world.runs.start(Run(id="f1", tenant="acme", host="esx1", request="{}", actor="anna", at=START))
    assert await world.look() == 0


def retire(world: World, *, stopped: bool = False) -> None:
    """Which fails after the machine is gone, or once somebody has stopped it."""
    request = codec.encode(Retire(tenant="acme")).decode()
    asked = Run(id="e1", tenant="acme", host="esx1", request=request, actor="anna", at=world.now)
    world.runs.start(asked)
    if stopped:
        world.runs.ask_to_stop("e1", actor="anna", at=world.now)
    world.end("e1")


async def test_what_somebody_wanted_away_does_not_come_back_by_itself(world: World) -> None:
    """Its machine was gone, the retirement had failed, and a minute later it was deployed again."""
    retire(world)
    assert await world.look() == 0
    (trouble,) = world.told.troubles(world.told.all(None))
    assert "`causeway run retry e1` goes on with that" in trouble.detail
    assert "`causeway appliance redeploy acme esx1` has it back" in world.told.reports(None)[0].trouble


async def test_what_answered_after_it_was_to_be_retired_is_brought_back_again(world: World) -> None:
    retire(world)
    answered = replace(GONE, entered=START, seen=world.now + timedelta(minutes=1))
    world.appliances.saw([answered])
    world.now += timedelta(minutes=30)
    assert await world.look() == 1


async def test_what_somebody_stopped_retiring_is_brought_back(world: World) -> None:
    retire(world, stopped=True)
    assert await world.look() == 1


async def test_three_times_and_then_a_person_is_needed(world: World) -> None:
    for number in range(1, 4):
        assert await world.look() == number
        world.end(f"r{number}")
        world.now += timedelta(minutes=6)
    assert await world.look() == 3
    (trouble,) = world.told.troubles(world.told.all(None))
    assert "3 were brought back on esx1 within an hour, so it stops until 04:04 UTC" in trouble.detail
    world.now = START + timedelta(hours=1)
    assert await world.look() == 4


async def test_a_gateway_comes_back_like_an_appliance(world: World) -> None:
    world.appliances.enter(EDGE, at=START)
    world.appliances.saw([replace(EDGE, entered=START)])
    assert await world.look(EDGE) == 1
    (run,) = world.runs.open()
    assert (run.tenant, run.host) == (NOBODY, "gw1")
    asked = codec.decode(run.request.encode(), RebuildGateway)
    assert (asked.gateway, asked.host, asked.cause) == ("gw1", "esx1", "its host has no such machine")
    (act,) = (one.act for one in world.audit.records() if one.act.action == "appliance.rebuild")
    assert act.subject == "gateway gw1"
    (trouble,) = world.told.troubles([EDGE])
    assert trouble.detail.endswith("it is being brought back: `causeway run watch r1`")
    assert await world.look(EDGE) == 1, "while it goes on there is no other"


async def test_an_appliance_of_production_comes_back_like_one_of_a_provider(world: World) -> None:
    """At the tenant's controller a network stands where a host does at the provider's."""
    (own,) = with_production(world)
    assert await world.look(own) == 1
    (run,) = world.runs.open()
    assert (run.tenant, run.host) == ("acme", "lan")
    assert codec.decode(run.request.encode(), Rebuild).on == "esx9"
    (trouble,) = world.told.troubles([own])
    assert trouble.detail.endswith("it is being brought back: `causeway run watch r1`")


async def test_those_of_production_are_counted_by_the_host_that_they_are_on(world: World) -> None:
    networks = with_production(world, "lan", "dmz", "lab", "dev")
    for number, one in enumerate(networks[:3], 1):
        assert await world.look(one) == number
        world.end(f"r{number}")
        world.now += timedelta(minutes=6)
    assert await world.look(networks[3]) == 3
    (trouble,) = world.told.troubles([networks[3]])
    assert "3 were brought back on esx9 within an hour" in trouble.detail


async def test_a_gateway_that_the_inventory_has_no_more_stays_dead(world: World) -> None:
    assert await world.look(replace(EDGE, id="former", host="former")) == 0


async def test_gateways_and_appliances_of_one_host_are_counted_together(world: World) -> None:
    for number, one in enumerate((EDGE, GONE, replace(EDGE, id="gw2", host="gw2")), 1):
        world.appliances.enter(one, at=START)
        assert await world.look(one) == number
        world.end(f"r{number}")
        world.now += timedelta(minutes=6)
    assert await world.look(EDGE) == 3
    (trouble,) = world.told.troubles([EDGE])
    assert "3 were brought back on esx1 within an hour" in trouble.detail


async def test_a_silent_gateway_is_brought_back_only_where_the_host_says_always(world: World) -> None:
    silent = replace(EDGE, condition=Condition.SILENT)
    near = replace(silent, id="gw2", host="gw2", condition=Condition.HEALTHY, seen=START)
    world.power = Power.ON
    slow = world.controller(patience=20.0)
    for policy, begun in ((Policy.SAFE, 0), (Policy.ALWAYS, 1)):
        before = world.inventories.load()
        hosts = tuple(msgspec.structs.replace(one, rebuild=policy) for one in before.inventory.hosts)
        changed = msgspec.structs.replace(before.inventory, hosts=hosts)
        world.inventories.replace(changed, expected=before.revision, actor="test")
        await slow.look([silent], {silent.id: silent, near.id: near})
        assert world.begun == 0, "a slow one may take longer to start"
        await world.bringing.look([silent], {silent.id: silent, near.id: near})
        assert world.begun == begun
