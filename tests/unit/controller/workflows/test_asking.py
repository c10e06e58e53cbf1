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
from causeway_controller.errors import NotGranted
from causeway_controller.inventory import asked
from causeway_controller.store.counters import Epochs
from causeway_controller.store.database import Database
from causeway_controller.store.halves import Halves
from causeway_controller.store.inventories import Inventories
from causeway_controller.store.runs import Run, Runs
from causeway_controller.workflows.asking import Asking
from causeway_controller.workflows.chores import Done, Unit
from causeway_controller.workflows.run_record import FAILED, FINISHED, Record
from causeway_wire import codec
from causeway_wire.problem import ProblemError
from tests import joining
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
        sealing = joining.unlocked(self.database, now=now)
        self.asking = Asking(
            inventories=Inventories(self.database, now=now),
            members=joining.peering(self.database, sealing, now=now).members,
            halves=self.halves,
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
        return Asking(inventories=inventories, members=members, halves=self.halves, runs=self.runs, now=now)

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
        self.runs.finish(SERVING, epoch=1, kind=kind, detail=detail, at=now())

    def performing(self) -> asyncio.Task[Done]:
        record = Record(self.asked, runs=self.runs, epochs=Epochs(self.database), now=now)
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


async def test_two_networks_on_one_host_are_two_askings(world: World) -> None:
    """Of a tenant one run is open on a host: the second half would be refused."""
    vms = (vm("db1", 12), with_(vm("web1", 13), network="dmz"))
    asking = world.joined(Inventory(tenants=(tenant(vms=vms),)))
    assert [one.name for one in await asking.plan(world.asked)] == ["lan"]
    wanted = AskTenant(tenant="acme", host="esx1", vms=frozenset({"db1", "web1"}), reason="both")
    both = world.run("r-both", codec.encode(wanted).decode(), host="")
    with pytest.raises(ProblemError, match="one network's half at a time"):
        await asking.plan(both)
