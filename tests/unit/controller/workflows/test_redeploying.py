"""Another machine is in an appliance's place in the end, and one only, whoever dies in between."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from typing import Any

import pytest

from causeway_controller.contract.requests import Chore, FailOver, Redeploy, RedeployGateway
from causeway_controller.hypervisors.base import HypervisorError
from causeway_controller.inventory.health import NOBODY, Deployed
from causeway_controller.store.database import Database
from causeway_controller.workflows.provisioning import Under
from causeway_controller.workflows.redeploying import DEPLOY, REMOVE, Redeploying
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.types import ApplianceId, Name, TenantId
from tests.fakes.engine import Killed, killed_once
from tests.runs_bench import HOST, Died, RunsBench
from tests.workflow_bench import SITE

ME = "acme-esx1"


class World(RunsBench):
    """A machine that answers; the machines that were there are numbered."""

    def __init__(self, database: Database) -> None:
        self.machine: int | None = 1
        self.made = 1
        self.cleared: list[tuple[str, bool]] = []
        self.epochs_used: list[int] = []
        self.ahead: int | None = None
        self.broken = False
        self.unable = False
        super().__init__(database)

    def chores(self) -> dict[type[Chore], Any]:
        kind = Redeploying(life=self, in_charge=self._in_charge)
        return {Redeploy: kind, RedeployGateway: kind}

    async def deployed(self, tenant: TenantId, host: Name) -> Deployed:
        return Deployed(id=ME, tenant=tenant, host=host, address=ip_address("192.0.2.1"), port=8443)

    async def check(
        self, tenant: TenantId, host: Name, *, under: Under | None, in_place: bool = False
    ) -> None:
        if in_place and self.unable:
            raise HypervisorError("there is no network vlan-7")
        but = "" if under is None else under.run
        await asyncio.to_thread(self.runs_kept.refuse_open, tenant, host, but=but)

    async def bring(self, tenant: TenantId, host: Name, *, under: Under) -> ApplianceId:
        await self.check(tenant, host, under=under)
        if self.broken:
            raise HypervisorError("no host has enough memory")
        if self.ahead is not None and under.epoch <= self.ahead:
            raise ProblemError(problem(ProblemType.STALE_EPOCH, "a newer one was seen", epoch=self.ahead))
        if self.machine is None:
            self.made += 1
            self.machine = self.made
        self.epochs_used.append(under.epoch)
        return ME

    async def clear(
        self, one: Deployed, *, actor: str, reason: str, revoke: bool, unless: Callable[[], Awaitable[bool]]
    ) -> bool:
        assert not await unless(), "that it answers is no reason to leave it"
        self.machine = None
        self.cleared.append((f"{actor}: {reason}", revoke))
        return True

    async def begin(self, name: str = "r1", *, keep: bool = False) -> str:
        request = Redeploy(tenant="acme", keep_certificates=keep)
        run = await self.runs.start_chore(request, tenant="acme", host=HOST, actor="anna", identifier=name)
        return run.id


@pytest.mark.parametrize("keep", [False, True])
async def test_another_machine_is_deployed_under_the_runs_epoch(database: Database, *, keep: bool) -> None:
    world = World(database)
    await world.engine.carry_out(await world.begin(keep=keep))
    assert (world.last("r1")[0], world.machine) == ("finished", 2)
    assert world.cleared == [("anna: redeployed", not keep)]
    assert world.epochs_used == [world.epochs.current("acme", HOST)]


@pytest.mark.parametrize(("keep", "word"), [(False, "revoke"), (True, "keep")])
async def test_what_it_would_do_is_said_and_nothing_done(
    database: Database, *, keep: bool, word: str
) -> None:
    world = World(database)
    request = Redeploy(tenant="acme", keep_certificates=keep)
    (removal,), (deployment,) = await world.runs.plan_chore(request, tenant="acme", host=HOST)
    assert f"{word} its certificates" in removal
    assert "new certificates" in deployment, "its keys are born on the new machine, whatever is revoked"
    assert (world.machine, world.cleared) == (1, [])


async def test_a_machine_stays_when_its_host_could_make_no_other_one(database: Database) -> None:
    world = World(database)
    world.unable = True
    with pytest.raises(HypervisorError, match="there is no network"):
        await world.begin()
    world.unable = False
    run = await world.begin()
    world.unable = True
    await world.engine.carry_out(run)
    kind, told = world.last(run)
    assert (kind, told["why"]) == ("failed", "there is no network vlan-7")
    assert (world.machine, world.cleared) == (1, [])


async def test_who_takes_over_looks_at_the_host_before_the_machine_goes(database: Database) -> None:
    world = World(database)
    world.engine.at = killed_once(REMOVE, "before")
    run = await world.begin()
    with pytest.raises(Killed):
        await world.engine.carry_out(run)
    world.unable = True
    world.controller("two")
    await world.engine.carry_out(run)
    kind, told = world.last(run)
    assert (kind, told["why"]) == ("failed", "there is no network vlan-7")
    assert (world.machine, world.cleared) == (1, [])


@pytest.mark.parametrize("moment", ["before", "after", "remembered"])
@pytest.mark.parametrize("stage", [REMOVE, DEPLOY])
async def test_whoever_is_killed_the_next_one_ends_it(database: Database, stage: str, moment: str) -> None:
    world = World(database)
    world.engine.at = killed_once(stage, moment)
    run = await world.begin()
    with pytest.raises(Killed):
        await world.engine.carry_out(run)
    world.controller("two")
    await world.engine.carry_out(run)
    assert (world.last(run)[0], world.machine) == ("finished", 2), "one other machine, not two"
    assert world.kinds(run) == ["started", "taken-over", "finished"]
    if stage == DEPLOY or moment == "remembered":
        assert len(world.cleared) == 1, "what is remembered is not done again"


async def test_who_was_taken_over_removes_nothing_any_more(database: Database) -> None:
    world = World(database)

    async def overtaken(stage: str, moment: str) -> None:
        if (stage, moment) == (REMOVE, "before"):
            world.epochs.take("acme", HOST)

    world.engine.at = overtaken
    with pytest.raises(Died):
        await world.engine.carry_out(await world.begin())
    assert (world.machine, world.cleared) == (1, [])


async def test_an_appliance_ahead_of_a_restored_store_is_overtaken(database: Database) -> None:
    world = World(database)
    world.ahead = 50
    await world.engine.carry_out(await world.begin())
    assert world.last("r1")[0] == "finished"
    assert world.epochs_used[-1] > 50


async def test_it_is_refused_beside_a_failover_with_nothing_touched(database: Database) -> None:
    world = World(database)
    vm = next(iter(SITE.tenants["acme"].vms))
    await world.runs.start(
        FailOver(tenant="acme", vms=frozenset({vm})), host=HOST, actor="anna", identifier="f1"
    )
    with pytest.raises(ProblemError, match="run f1"):
        await world.begin()
    assert (world.machine, world.cleared) == (1, [])


async def test_what_failed_is_told_and_can_be_retried(database: Database) -> None:
    world = World(database)
    world.broken = True
    await world.engine.carry_out(await world.begin())
    kind, told = world.last("r1")
    assert (kind, told["why"]) == ("failed", "no host has enough memory")
    assert len(told["stand"]) == 1
    world.broken = False
    again = await world.runs.retry("r1", actor="bert")
    await world.engine.carry_out(again.id)
    assert (world.last(again.id)[0], world.machine) == ("finished", 2)


async def test_it_can_be_stopped_before_the_machine_is_removed(database: Database) -> None:
    world = World(database)
    run = await world.begin()
    await world.runs.stop(run, actor="anna")
    await world.engine.carry_out(run)
    assert (world.last(run)[0], world.machine) == ("failed", 1)


async def test_a_gateway_is_redeployed_in_its_own_place(database: Database) -> None:
    world = World(database)
    asked = RedeployGateway(gateway=ME)
    run = await world.runs.start_chore(asked, tenant=NOBODY, host=ME, actor="anna", identifier="r1")
    with pytest.raises(ProblemError, match=f"run r1 of gateway {ME}"):
        await world.runs.start_chore(asked, tenant=NOBODY, host=ME, actor="anna", identifier="r2")
    await world.engine.carry_out(run.id)
    assert (world.last("r1")[0], world.machine) == ("finished", 2)
    assert world.epochs_used == [world.epochs.current(NOBODY, ME)]
