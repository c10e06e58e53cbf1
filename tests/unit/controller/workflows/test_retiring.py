"""An appliance is gone in the end, whoever dies in between, and nothing else begins for it meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

import pytest

from causeway_controller.contract.requests import Chore, FailOver, Retire, RetireGateway
from causeway_controller.hypervisors.base import HypervisorError
from causeway_controller.inventory.health import NOBODY, Deployed
from causeway_controller.store.database import Database
from causeway_controller.workflows.redeploying import REMOVE
from causeway_controller.workflows.retiring import FORGET, Retiring
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.types import Name, TenantId
from tests.fakes.engine import Killed, killed_once
from tests.runs_bench import HOST, Died, RunsBench
from tests.workflow_bench import SITE

ME = "acme-esx1"


class World(RunsBench):
    """A machine, and an appliance that is known."""

    def __init__(self, database: Database) -> None:
        self.machine = True
        self.known = True
        self.broken = False
        self.named = True
        self.done: list[str] = []
        super().__init__(database)

    def chores(self) -> dict[type[Chore], Any]:
        kind = Retiring(life=self, in_charge=self._in_charge)
        return {Retire: kind, RetireGateway: kind}

    async def deployed(self, tenant: TenantId, host: Name) -> Deployed:
        if not self.known:
            raise ProblemError(problem(ProblemType.NOT_FOUND, "there is none"))
        return Deployed(id=ME, tenant=tenant, host=host, address=ip_address("192.0.2.1"), port=8443)

    async def check_host(self, _tenant: TenantId, _host: Name) -> None:
        if not self.named:
            raise ProblemError(problem(ProblemType.NOT_FOUND, "say that it is gone (--gone)"))

    async def refuse_in_use(self, one: Deployed, *, but: str) -> None:
        await asyncio.to_thread(self.runs_kept.refuse_open, one.tenant, one.host, but=but)

    async def remove(self, tenant: TenantId, host: Name, *, run: str, in_charge: Callable[[], None]) -> None:
        await self.refuse_in_use(await self.deployed(tenant, host), but=run)
        if self.broken:
            raise HypervisorError("the host is away")
        in_charge()
        self.machine = False
        self.done.append(REMOVE)

    async def forget(self, tenant: TenantId, host: Name, *, actor: str) -> None:
        self.known = False
        self.done.append(FORGET)

    async def begin(self, name: str = "r1", *, gone: bool = False) -> str:
        request = Retire(tenant="acme", gone=gone)
        run = await self.runs.start_chore(request, tenant="acme", host=HOST, actor="anna", identifier=name)
        return run.id


async def test_what_is_retired_is_removed_and_forgotten_last(database: Database) -> None:
    world = World(database)
    await world.engine.carry_out(await world.begin())
    assert (world.last("r1")[0], world.done) == ("finished", [REMOVE, FORGET])


async def test_nobody_asks_the_host_of_what_is_said_to_be_gone(database: Database) -> None:
    world = World(database)
    world.broken = True
    await world.engine.carry_out(await world.begin(gone=True))
    assert (world.last("r1")[0], world.done) == ("finished", [FORGET])


async def test_no_run_begins_for_a_host_that_the_inventory_does_not_name(database: Database) -> None:
    """A dry run told that its machine would be deleted, and the run failed."""
    world = World(database)
    world.named = False
    with pytest.raises(ProblemError, match="--gone"):
        await world.runs.plan_chore(Retire(tenant="acme"), tenant="acme", host=HOST)
    with pytest.raises(ProblemError, match="--gone"):
        await world.begin()
    await world.engine.carry_out(await world.begin("r2", gone=True))
    assert (world.last("r2")[0], world.done) == ("finished", [FORGET])


async def test_nothing_else_begins_until_nothing_is_left_of_it(database: Database) -> None:
    """A failover that began between its look and its effects lost the appliance that it ran on."""
    world = World(database)
    await world.begin()
    vms = frozenset({next(iter(SITE.tenants["acme"].vms))})
    with pytest.raises(ProblemError, match="run r1"):
        await world.runs.start(FailOver(tenant="acme", vms=vms), host=HOST, actor="bert")
    with pytest.raises(ProblemError, match="run r1"):
        await world.begin("r2")


async def test_it_is_refused_beside_a_failover_with_nothing_touched(database: Database) -> None:
    world = World(database)
    vms = frozenset({next(iter(SITE.tenants["acme"].vms))})
    await world.runs.start(FailOver(tenant="acme", vms=vms), host=HOST, actor="anna", identifier="f1")
    with pytest.raises(ProblemError, match="run f1"):
        await world.begin()
    assert world.done == []


@pytest.mark.parametrize("moment", ["before", "after", "remembered"])
@pytest.mark.parametrize("stage", [REMOVE, FORGET])
async def test_whoever_is_killed_the_next_one_ends_it(database: Database, stage: str, moment: str) -> None:
    world = World(database)
    world.engine.at = killed_once(stage, moment)
    run = await world.begin()
    with pytest.raises(Killed):
        await world.engine.carry_out(run)
    world.controller("two")
    await world.engine.carry_out(run)
    assert (world.last(run)[0], world.machine, world.known) == ("finished", False, False)


async def test_who_was_taken_over_removes_nothing_any_more(database: Database) -> None:
    world = World(database)

    async def overtaken(stage: str, moment: str) -> None:
        if (stage, moment) == (REMOVE, "before"):
            world.epochs.take("acme", HOST)

    world.engine.at = overtaken
    with pytest.raises(Died):
        await world.engine.carry_out(await world.begin())
    assert world.done == []


async def test_one_whose_host_is_away_stays_known_and_can_be_retried(database: Database) -> None:
    world = World(database)
    world.broken = True
    await world.engine.carry_out(await world.begin())
    kind, told = world.last("r1")
    assert (kind, told["why"], world.known) == ("failed", "the host is away", True)
    world.broken = False
    again = await world.runs.retry("r1", actor="bert")
    await world.engine.carry_out(again.id)
    assert (world.last(again.id)[0], world.done) == ("finished", [REMOVE, FORGET])


async def test_a_gateway_is_retired_in_its_own_place(database: Database) -> None:
    world = World(database)
    asked = RetireGateway(gateway=ME)
    run = await world.runs.start_chore(asked, tenant=NOBODY, host=ME, actor="anna", identifier="r1")
    with pytest.raises(ProblemError, match=f"run r1 of gateway {ME}"):
        await world.runs.start_chore(asked, tenant=NOBODY, host=ME, actor="anna", identifier="r2")
    await world.engine.carry_out(run.id)
    assert (world.last("r1")[0], world.done) == ("finished", [REMOVE, FORGET])
