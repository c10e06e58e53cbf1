"""A dead appliance comes back, whoever dies in between; what answers meanwhile is left alone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

import pytest

from causeway_controller.contract.requests import Chore, FailOver, Rebuild, RebuildGateway
from causeway_controller.errors import AgentUnreachable, MachineMissing
from causeway_controller.hypervisors.base import HypervisorError, MachineSpec, Provider, unwatched
from causeway_controller.inventory.health import NOBODY, Deployed
from causeway_controller.store.database import Database
from causeway_controller.workflows.provisioning import Under
from causeway_controller.workflows.rebuilding import START, Rebuilding
from causeway_controller.workflows.redeploying import DEPLOY, REMOVE
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.types import ApplianceId, Name, TenantId
from tests.fakes.engine import Killed, killed_once
from tests.fakes.hypervisor import FakeHypervisor
from tests.runs_bench import HOST, Died, RunsBench, detail
from tests.workflow_bench import SITE

ME = "acme-esx1"
ONE = Deployed(id=ME, tenant="acme", host=HOST, address=ip_address("192.0.2.1"), port=8443)
REQUEST = Rebuild(tenant="acme", cause="no answer")


class World(RunsBench):
    """An appliance on a host, and a controller that brings it back."""

    def __init__(self, database: Database, *, there: bool | None, hopeless: bool = False) -> None:
        self.host = FakeHypervisor({} if there is None else {ME: there})
        self.hopeless = hopeless
        """Whether starting it anew does not help."""
        self.well = False
        self.cleared: list[str] = []
        self.epochs_used: list[int] = []
        self.ahead: int | None = None
        super().__init__(database)

    def chores(self) -> dict[type[Chore], Any]:
        kind = Rebuilding(life=self, hosts=self._provider, clients=self._client, in_charge=self._in_charge)
        return {Rebuild: kind, RebuildGateway: kind}

    async def _provider(self, _tenant: TenantId, _host: Name) -> Provider:
        return self.host

    async def _client(self, *_: object) -> Any:
        return self

    async def observed(self) -> None:
        if not self.well:
            raise AgentUnreachable(ME, "192.0.2.1", "no answer")

    async def deployed(self, _tenant: TenantId, _host: Name) -> Deployed:
        return ONE

    async def check(
        self, tenant: TenantId, host: Name, *, under: Under | None, in_place: bool = False
    ) -> None:
        if in_place and self.host.reasons:
            raise HypervisorError(self.host.reasons[0])
        but = "" if under is None else under.run
        await asyncio.to_thread(self.runs_kept.refuse_open, tenant, host, but=but)

    async def bring(self, tenant: TenantId, host: Name, *, under: Under) -> ApplianceId:
        await self.check(tenant, host, under=under)
        if self.ahead is not None and under.epoch <= self.ahead:
            detail = "a newer one was seen"
            raise ProblemError(problem(ProblemType.STALE_EPOCH, detail, epoch=self.ahead))
        fresh = ME not in self.host.on
        spec = MachineSpec(owner_id=ME, name=ME, nics=(), seed=b"")
        await self.host.deploy(spec, unwatched)
        await self.host.power(ME, on=True, grace=0.0)
        if self.hopeless and not fresh:
            raise AgentUnreachable(ME, "192.0.2.1", "no answer")
        self.hopeless, self.well = False, True
        self.epochs_used.append(under.epoch)
        return ME

    async def clear(
        self, one: Deployed, *, actor: str, reason: str, revoke: bool, unless: Callable[[], Awaitable[bool]]
    ) -> bool:
        if await unless():
            return False
        assert revoke, "nobody knows who has the old disk"
        await self.host.destroy(one.id)
        self.cleared.append(f"{actor}: {reason}")
        return True

    async def begin(self, name: str = "r1") -> str:
        run = await self.runs.start_chore(REQUEST, tenant="acme", host=HOST, actor="ctl1", identifier=name)
        return run.id

    async def through(self) -> tuple[str, dict[str, Any]]:
        """Begin and carry it out; its last event."""
        await self.engine.carry_out(await self.begin())
        return self.last("r1")

    @property
    def steps(self) -> list[str]:
        """The units that were done, by number and outcome."""
        told = [detail(each) for each in self.runs_kept.events("r1") if each.kind == "step"]
        return [f"{each['stage']} {each['state']}" for each in told]


async def test_what_hangs_is_started_anew_and_keeps_its_machine(database: Database) -> None:
    world = World(database, there=True)
    kind, told = await world.through()
    assert (kind, world.cleared, world.host.on) == ("finished", [], {ME: True})
    assert told["outcome"] == {START: "it was started anew and answers"}
    assert world.steps == ["1 started", "1 done"]


async def test_what_is_gone_is_made_anew_under_the_runs_epoch(database: Database) -> None:
    world = World(database, there=None)
    kind, told = await world.through()
    assert (kind, world.host.on) == ("finished", {ME: True})
    assert set(told["outcome"]) == {START, REMOVE, DEPLOY}
    assert world.cleared == ["ctl1: rebuilt"], "what the old machine held opens nothing"
    assert world.epochs_used == [world.epochs.current("acme", HOST)]


async def test_what_does_not_come_back_is_replaced(database: Database) -> None:
    world = World(database, there=True, hopeless=True)
    assert (await world.through())[0] == "finished"
    assert (world.cleared, world.host.on, world.well) == (["ctl1: rebuilt"], {ME: True}, True)


async def test_what_does_not_come_back_stays_while_its_host_could_make_no_other_one(
    database: Database,
) -> None:
    world = World(database, there=True, hopeless=True)
    world.host.reasons = ("there is no network vlan-7",)
    kind, told = await world.through()
    assert (kind, told["why"]) == ("failed", "there is no network vlan-7")
    assert (world.cleared, world.host.on) == ([], {ME: True})


async def test_what_the_host_does_not_start_is_replaced(database: Database) -> None:
    world = World(database, there=False)
    world.host.broken.add(ME)

    async def healed(stage: str, moment: str) -> None:
        if (stage, moment) == (REMOVE, "after"):
            world.host.broken.clear()

    world.engine.at = healed
    assert (await world.through())[0] == "finished"
    assert world.host.on == {ME: True}


async def test_what_answers_again_is_left_alone(database: Database) -> None:
    world = World(database, there=True)
    world.well = True
    kind, told = await world.through()
    assert (kind, world.cleared) == ("finished", [])
    assert told["outcome"] == {START: "it answers again"}


async def test_what_answers_before_its_machine_is_removed_is_left_alone(database: Database) -> None:
    world = World(database, there=True, hopeless=True)

    async def slow(stage: str, moment: str) -> None:
        if (stage, moment) == (REMOVE, "before"):
            world.hopeless, world.well = False, True

    world.engine.at = slow
    kind, told = await world.through()
    assert (kind, world.cleared, world.host.on) == ("finished", [], {ME: True})
    assert told["outcome"][REMOVE] == "it answers again"


@pytest.mark.parametrize("moment", ["before", "after", "remembered"])
@pytest.mark.parametrize("stage", [START, REMOVE, DEPLOY])
async def test_whoever_is_killed_the_next_one_ends_it(database: Database, stage: str, moment: str) -> None:
    world = World(database, there=True, hopeless=True)
    world.engine.at = killed_once(stage, moment)
    run = await world.begin()
    with pytest.raises(Killed):
        await world.engine.carry_out(run)
    world.controller("two")
    await world.engine.carry_out(run)
    assert world.last(run)[0] == "finished"
    assert (world.host.on, world.well) == ({ME: True}, True)
    if (stage, moment) != (DEPLOY, "remembered"):
        assert world.epochs_used[-1] == world.epochs.current("acme", HOST)
    assert world.kinds(run) == ["started", "taken-over", "finished"]
    if moment == "remembered" and stage == REMOVE:
        assert world.cleared == ["ctl1: rebuilt"], "what is remembered is not done again"


async def test_who_was_taken_over_changes_nothing_more(database: Database) -> None:
    world = World(database, there=None)

    async def overtaken(stage: str, moment: str) -> None:
        if (stage, moment) == (REMOVE, "after"):
            world.epochs.take("acme", HOST)

    world.engine.at = overtaken
    run = await world.begin()
    with pytest.raises(Died):
        await world.engine.carry_out(run)
    assert world.epochs_used == []


async def test_an_appliance_ahead_of_a_restored_store_is_overtaken(database: Database) -> None:
    world = World(database, there=None)
    world.ahead = 50
    assert (await world.through())[0] == "finished"
    assert world.epochs_used[-1] > 50


async def test_no_failover_goes_on_beside_it_and_it_not_beside_a_failover(database: Database) -> None:
    world = World(database, there=None)
    first, second = (
        FailOver(tenant="acme", vms=frozenset({vm})) for vm in list(SITE.tenants["acme"].vms)[:2]
    )
    await world.runs.start(first, host=HOST, actor="anna", identifier="f1")
    with pytest.raises(ProblemError, match="run f1"):
        await world.begin()
    await world.engine.carry_out("f1")
    await world.begin("r2")
    with pytest.raises(ProblemError, match="run r2"):
        await world.runs.start(second, host=HOST, actor="anna")


async def test_what_cannot_be_done_fails_is_told_and_can_be_retried(database: Database) -> None:
    world = World(database, there=None)

    async def broken(stage: str, moment: str) -> None:
        if (stage, moment) == (DEPLOY, "before"):
            raise HypervisorError("no host has enough memory")

    world.engine.at = broken
    kind, told = await world.through()
    assert (kind, told["why"]) == ("failed", "no host has enough memory")
    assert len(told["stand"]) == 2
    again = await world.runs.retry("r1", actor="bert")

    async def mended(_stage: str, _moment: str) -> None:
        """Nothing happens."""

    world.engine.at = mended
    await world.engine.carry_out(again.id)
    assert (world.last(again.id)[0], again.actor) == ("finished", "bert")


async def test_it_can_be_stopped_between_its_units(database: Database) -> None:
    world = World(database, there=None)

    async def asked(stage: str, moment: str) -> None:
        if (stage, moment) == (START, "remembered"):
            await world.runs.stop("r1", actor="anna")

    world.engine.at = asked
    kind, told = await world.through()
    assert kind == "failed"
    assert "Stopped before Remove the machine" in told["why"]
    assert world.cleared == []


async def test_off_again_while_it_boots_is_dead(database: Database) -> None:
    world = World(database, there=False)
    calls = iter([MachineMissing(ME)])
    real = world.bring

    async def off_again(tenant: TenantId, host: Name, *, under: Under) -> ApplianceId:
        for error in calls:
            raise error
        return await real(tenant, host, under=under)

    world.bring = off_again  # type: ignore[method-assign] # the next time it is well
    assert (await world.through())[0] == "finished"
    assert world.cleared == ["ctl1: rebuilt"]
    assert datetime.now(UTC) > world.runs_kept.get("r1").at


async def test_a_gateway_is_brought_back_by_a_run_in_its_own_place(database: Database) -> None:
    world = World(database, there=None)
    asked = RebuildGateway(gateway=ME, host=HOST, cause="its host has no such machine")
    run = await world.runs.start_chore(asked, tenant=NOBODY, host=ME, actor="ctl1", identifier="r1")
    with pytest.raises(ProblemError, match=f"run r1 of gateway {ME}"):
        await world.runs.start_chore(asked, tenant=NOBODY, host=ME, actor="ctl1", identifier="r2")
    await world.engine.carry_out(run.id)
    assert (world.last("r1")[0], world.host.on) == ("finished", {ME: True})
    assert world.epochs_used == [world.epochs.current(NOBODY, ME)]
