"""A tenant's site that returns finds that its provider has failed it over as a whole, and goes to idle."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address, ip_interface

import pytest

from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.production import OwnAppliance, OwnNetwork, Production
from causeway_controller.contract.requests import Undo
from causeway_controller.contract.tenant import Static
from causeway_controller.contract.tenant_view import FailoverView, TenantResources
from causeway_controller.inventory import certificates, modes
from causeway_controller.inventory.health import Deployed
from causeway_controller.store.database import Database
from causeway_controller.store.inventories import Inventories
from causeway_controller.store.runs import Run
from causeway_controller.store.tenancies import Standing, Standings
from causeway_controller.store.told import Told
from causeway_controller.workflows.returning import PAUSE, Returning
from causeway_wire.problem import ProblemError, ProblemType, problem
from tests import joining
from tests.provider_inventory import host, network

PROVIDER, TENANT, NETWORK = "north", "acme", "lan"
PLACE = certificates.end_name(TENANT, NETWORK, "tenant")


def now() -> datetime:
    return datetime.now(UTC)


class World:
    """A tenant's store, and who is asked for runs."""

    def __init__(self, database: Database) -> None:
        self.seconds = 0.0
        self.refusing = False
        self.started: list[tuple[Undo, str]] = []
        self.now: TenantResources | None = None
        """What the provider says when it is asked anew; None: what it told last."""
        self.told = Told(database, joining.unlocked(database, now=now), now=now)
        self.standings = Standings(database)
        address = Static(addresses=(ip_interface("192.168.10.250/24"),))
        own = OwnNetwork(
            id=NETWORK,
            prefixes=network().prefixes,
            gateways=network().gateways,
            appliance=OwnAppliance(host="esx1", network="pg", address=address),
        )
        production = Production(id=PROVIDER, tenant=TENANT, networks=(own,))
        inventories = Inventories(database, now=now)
        inventories.replace(Inventory(hosts=(host(),), production=(production,)), expected=0, actor="anna")
        self.returning = Returning(
            inventories=inventories,
            standings=self.standings,
            told=self.told,
            resources=self.resources,
            runs=self,
            actor="acme-1",
            interval=30.0,
            clock=lambda: self.seconds,
        )

    async def start(self, request: Undo, *, host: str, actor: str) -> Run:
        if self.refusing:
            raise ProblemError(problem(ProblemType.FAILOVER_IN_PROGRESS, "a run is open"))
        self.started.append((request, host))
        return Run(id="r1", tenant=request.tenant, host=host, request="", actor=actor, at=now())

    async def resources(self, provider: str) -> TenantResources:
        found = self.now or self.told.resources(provider)
        assert found is not None
        return found

    def says(self, mode: str, *, at: str = "theirs") -> None:
        """The provider tells of a failover on this host."""
        self.told.keep(PROVIDER, self.view(mode, at=at))

    def view(self, mode: str, *, at: str = "theirs") -> TenantResources:
        return joining.resources(failovers=(FailoverView(host=at, mode=mode, vms=("db1",)),))

    def stands(self, *vms: str) -> None:
        self.standings.put(TENANT, NETWORK, Standing(mode=modes.partial(frozenset(vms))))

    async def look(self, *, after: float = 30.0, seen: tuple[Deployed, ...] = ()) -> None:
        self.seconds += after
        await self.returning.look(seen, lambda: None)


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


async def test_what_the_provider_took_over_is_ended_here(world: World) -> None:
    await world.look()
    world.stands("db1")
    await world.look()
    world.says("partial")
    await world.look()
    world.says("full", at="another")
    await world.look()
    assert world.started == []
    world.says("full")
    await world.look()
    assert world.started == [(Undo(tenant=TENANT, vms=frozenset({"db1"})), NETWORK)]
    world.stands()
    await world.look(after=PAUSE)
    assert len(world.started) == 1


async def test_it_is_tried_again_but_not_all_the_time(world: World) -> None:
    world.stands("db1")
    world.says("full")
    world.refusing = True
    await world.look()
    world.refusing = False
    await world.look(after=PAUSE - 20)
    assert world.started == []
    await world.look()
    await world.look(after=1.0)
    assert len(world.started) == 1


async def test_what_was_told_before_the_failover_ended_there_ends_nothing_here(world: World) -> None:
    world.stands("db1")
    world.says("full")
    world.now = world.view("partial")
    await world.look()
    assert world.started == []
    world.now = None
    await world.look(after=PAUSE)
    assert len(world.started) == 1


async def test_what_fails_again_and_again_is_tried_less_and_less(world: World) -> None:
    world.stands("db1")
    world.says("full")
    for _ in range(36):
        await world.look(after=600.0)
    assert 6 <= len(world.started) <= 12, "six hours of runs that changed nothing"
    world.says("partial")
    await world.look()
    world.says("full")
    before = len(world.started)
    await world.look()
    assert len(world.started) == before + 1, "another time it begins at once"


async def test_an_appliance_that_answers_again_is_not_waited_for(world: World) -> None:
    """What it answers for ends there: it came up long after its controller, and attempts have become rare."""
    silent = Deployed(
        id=PLACE, tenant=TENANT, host=NETWORK, address=ip_address("192.168.10.250"), port=8443, asked=now()
    )
    answers = replace(silent, seen=silent.asked)
    world.stands("db1")
    world.says("full")
    for _ in range(6):
        await world.look(after=600.0, seen=(silent,))
    before = len(world.started)
    await world.look(seen=(silent,))
    assert len(world.started) == before
    await world.look(seen=(answers,))
    assert len(world.started) == before + 1
    await world.look(seen=(answers,))
    assert len(world.started) == before + 1
