"""A run that asks a tenant's controller waits for the half: until it has ended, or somebody says stop."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from causeway_controller.contract.halves import HalfOrder, Open
from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.requests import AskTenant, Serve
from causeway_controller.contract.run_events import FAILED, FINISHED
from causeway_controller.errors import NotGranted
from causeway_controller.inventory import asked
from causeway_controller.inventory.modes import Full, Partial
from causeway_controller.store.counters import Epochs
from causeway_controller.store.database import Database
from causeway_controller.store.halves import Halves
from causeway_controller.store.inventories import Inventories
from causeway_controller.store.runs import Run, Runs
from causeway_controller.store.tenancies import Standing, Standings
from causeway_controller.workflows.asking import Asking
from causeway_controller.workflows.chores import Done, Unit
from causeway_controller.workflows.run_record import Keeping, Record
from causeway_wire import codec
from causeway_wire.problem import ProblemError
from tests import joining, run_events
from tests.provider_inventory import tenant, vm, with_

VMS = frozenset({"db1"})
ASKING, SERVING = "r-asking", "h-1"
HALF = asked.half(ASKING, "lan", end=False)


def now() -> datetime:
    return datetime.now(UTC)


@dataclass
class World:
    """A provider's store, in which a run asks acme's controller."""

    database: Database

    def __post_init__(self) -> None:
        self.runs = Runs(self.database)
        self.halves = Halves(self.database)
        self.standings = Standings(self.database)
        sealing = joining.unlocked(self.database, now=now)
        self.asking = Asking(
            inventories=Inventories(self.database, now=now),
            members=joining.peering(self.database, sealing, now=now).members,
            halves=self.halves,
            standings=self.standings,
            runs=self.runs,
            now=now,
            look=0.01,
        )
        wanted = AskTenant(tenant="acme", host="esx1", vms=VMS, reason="its disk is dying")
        self.asked = self.run(ASKING, codec.encode(wanted).decode(), host="")
        self.runs.start(self.asked)

    def joined(self, inventory: Inventory) -> Asking:
        """As `asking`, with this inventory, of which acme's controller has joined."""
        inventories: Any = SimpleNamespace(of_tenant=lambda _: SimpleNamespace(inventory=inventory))
        members: Any = SimpleNamespace(list=lambda *, next_key: (SimpleNamespace(tenant="acme"),))  # noqa: ARG005
        return Asking(
            inventories=inventories,
            members=members,
            halves=self.halves,
            standings=self.standings,
            runs=self.runs,
            now=now,
        )

    def run(self, name: str, request: str, *, host: str) -> Run:
        return Run(id=name, tenant="acme", host=host, request=request, actor="otto", at=now())

    def ordered(self) -> None:
        """The tenant's controller has the half opened; whether it can be is looked at still."""
        order = HalfOrder(epoch=1, open=Open(host="esx1", vms=VMS))
        self.halves.order("acme", HALF, order, run=SERVING, at=now())

    def serves(self) -> None:
        text = codec.encode(Serve(tenant="acme", vms=VMS)).decode()
        self.runs.start(self.run(SERVING, text, host="esx1"))

    def ends(self, kind: str, detail: str = "{}") -> None:
        run_events.finish(self.runs, SERVING, epoch=1, kind=kind, detail=detail, at=now())

    def performing(self) -> asyncio.Task[Done]:
        record = Record(
            self.asked, runs=self.runs, keeping=Keeping(self.runs), epochs=Epochs(self.database), now=now
        )
        return asyncio.create_task(self.asking.perform(record, Unit(name="lan", sentence="")))


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


async def still_waits(waiting: asyncio.Task[Done]) -> None:
    await asyncio.sleep(0.1)
    assert not waiting.done(), waiting.exception()


async def test_a_half_that_was_ordered_is_waited_for_until_it_has_ended(world: World) -> None:
    waiting = world.performing()
    world.ordered()
    await still_waits(waiting)
    world.serves()
    await still_waits(waiting)
    world.ends(FINISHED)
    assert (await waiting).detail == f"run {SERVING}"


async def test_one_that_failed_says_why(world: World) -> None:
    world.ordered()
    world.serves()
    world.ends(FAILED, '{"why": "no room"}')
    with pytest.raises(NotGranted, match="no room"):
        await world.performing()


async def test_it_is_asked_no_more_when_somebody_says_stop(world: World) -> None:
    waiting = world.performing()
    await still_waits(waiting)
    world.runs.ask_to_stop(ASKING, actor="otto", at=now())
    with pytest.raises(NotGranted, match="its staff stops that"):
        async with asyncio.timeout(5):
            await waiting


def ending(world: World) -> Run:
    """The run that asks for the end, of VMs that are served."""
    world.standings.put("acme", "esx1", Standing(mode=Partial(VMS)))
    wanted = AskTenant(tenant="acme", host="esx1", vms=VMS, reason="it is mended", end=True)
    return world.run("r-ending", codec.encode(wanted).decode(), host="")


async def test_the_end_of_what_is_not_failed_over_is_refused_before_anybody_is_asked(world: World) -> None:
    asking, run = world.joined(Inventory(tenants=(tenant(vms=(vm("db1", 12),)),))), ending(world)
    assert [one.name for one in await asking.plan(run)] == ["lan"]
    world.standings.put("acme", "esx1", Standing())
    with pytest.raises(ProblemError, match="db1: not in partial failover on esx1") as caught:
        await asking.plan(run)
    assert caught.value.problem.pointer == "/vms"


async def test_what_is_served_no_more_is_not_waited_for(world: World) -> None:
    """A full failover took its place, or the tenant's controller found nothing to be ended."""
    world.asked = ending(world)
    waiting = world.performing()
    await still_waits(waiting)
    world.standings.put("acme", "esx1", Standing(mode=Full(VMS)))
    async with asyncio.timeout(5):
        assert (await waiting).detail == "nothing of them is served any more"


async def test_who_was_refused_to_end_it_is_not_waited_for(world: World) -> None:
    world.asked = ending(world)
    half = asked.half(world.asked.id, "lan", end=True)
    world.halves.order("acme", half, HalfOrder(epoch=1), run="h-2", at=now())
    with pytest.raises(NotGranted, match="was refused to end it"):
        async with asyncio.timeout(5):
            await world.performing()


async def test_two_networks_on_one_host_are_two_askings(world: World) -> None:
    """Of a tenant one run is open on a host: the second half would be refused."""
    vms = (vm("db1", 12), with_(vm("web1", 13), network="dmz"))
    asking = world.joined(Inventory(tenants=(tenant(vms=vms),)))
    assert [one.name for one in await asking.plan(world.asked)] == ["lan"]
    wanted = AskTenant(tenant="acme", host="esx1", vms=frozenset({"db1", "web1"}), reason="both")
    both = world.run("r-both", codec.encode(wanted).decode(), host="")
    with pytest.raises(ProblemError, match="one network's half at a time"):
        await asking.plan(both)
