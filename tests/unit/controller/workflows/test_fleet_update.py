"""All appliances get one system, one after the other, whoever dies; none after the first that fails."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from causeway_controller.contract.requests import UpdateFleet
from causeway_controller.contract.run_events import WAITING
from causeway_controller.fleet import update_file, updates
from causeway_controller.fleet.update_file import UpdateFile
from causeway_controller.inventory.health import Deployed
from causeway_controller.inventory.modes import Full, Mode, Partial
from causeway_controller.store.appliances import Appliances
from causeway_controller.store.database import Database
from causeway_controller.store.runs import Run
from causeway_controller.store.tenancies import Standing
from causeway_controller.workflows.fleet_update import FleetUpdate
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.types import Name, TenantId
from tests.fakes.engine import Killed, killed_once
from tests.fakes.two_slots import TwoSlots
from tests.runs_bench import START, Died, RunsBench, detail
from tests.update_files import make

ONES = frozenset({"vm-0-0"})


class World(RunsBench):
    """Three appliances, one of which serves a failover; a controller with an update file."""

    def __init__(self, database: Database, place: Path) -> None:
        make(place, version="2")
        self.file = update_file.read(place / "causeway-2.update")
        self.here = True
        """Whether this controller has the file."""
        self.trial = updates.USUAL
        self.patience = 1.0
        self.acts: list[str] = []
        self.kept = Appliances(database)
        self.machines = {f"{tenant}-esx1": TwoSlots(tenant, self.acts) for tenant in ("acme", "beta", "zeta")}
        for tenant in ("acme", "beta", "zeta"):
            address = ip_address("192.0.2.1")
            one = Deployed(id=f"{tenant}-esx1", tenant=tenant, host="esx1", address=address, port=8443)
            self.kept.enter(one, at=START)
        super().__init__(database)
        self.failed_over("acme", Full(ONES))

    def failed_over(self, tenant: TenantId, mode: Mode) -> None:
        """The end of a run; the watch sees the appliance later."""
        self.standings.put(tenant, "esx1", Standing(mode=mode))

    def chores(self) -> dict[type[Any], Any]:
        kind = FleetUpdate(
            appliances=self.kept,
            standings=self.standings,
            runs=self.runs_kept,
            files=self._file,
            clients=self._client,
            in_charge=self._in_charge,
            patience=self.patience,
            poll=0.01,
            trial=self.trial,
        )
        return {UpdateFleet: kind}

    async def _file(self, _build: str) -> UpdateFile:
        if not self.here:
            raise ProblemError(problem(ProblemType.NOT_FOUND, "the update file is not at this controller"))
        return self.file

    async def _client(self, appliance: str, _access: object) -> Any:
        return self.machines[appliance]

    def restarts(self, appliance: str) -> None:
        """It does not answer the next questions."""
        self.machines[appliance].away = 3

    async def begin(self, *, interrupt: bool = False, tenant: TenantId | None = None) -> str:
        host: Name | None = None
        request = UpdateFleet(build=self.file.build, interrupt=interrupt)
        start = self.runs.start_chore
        return (await start(request, tenant=tenant, host=host, actor="anna", identifier="r1")).id

    async def through(self, *, interrupt: bool = False) -> tuple[str, dict[str, Any]]:
        await self.engine.carry_out(await self.begin(interrupt=interrupt))
        return self.last("r1")


@pytest.fixture
def world(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(updates, "POLL_SECONDS", 0.01)
    return World(database, tmp_path)


async def test_one_after_the_other_what_serves_a_failover_last(world: World) -> None:
    kind, told = await world.through(interrupt=True)
    order = [f"{act} {name}" for name in ("beta", "zeta", "acme") for act in ("send", "restart")]
    assert (kind, world.acts) == ("finished", order)
    assert told["outcome"]["zeta/esx1"] == "it runs 2 in slot b"


async def test_what_serves_a_failover_is_left_out_unless_it_may_be_interrupted(world: World) -> None:
    assert (await world.through())[0] == "finished"
    assert not any("acme" in line for line in world.acts)


async def test_what_began_to_serve_one_meanwhile_is_left_out_too(world: World) -> None:
    run = await world.begin()

    async def failed_over(stage: str, moment: str) -> None:
        if (stage, moment) == ("beta/esx1", "remembered"):
            world.failed_over("zeta", Partial(ONES))

    world.engine.at = failed_over
    await world.engine.carry_out(run)
    kind, told = world.last(run)
    assert (kind, told["outcome"]["zeta/esx1"]) == ("finished", "left out: it serves a failover (partial)")


async def test_what_is_failed_over_while_the_file_is_sent_does_not_restart(world: World) -> None:
    world.machines["beta-esx1"].sent = lambda: world.failed_over("beta", Full(ONES))
    kind, told = await world.through()
    assert (kind, world.acts) == ("finished", ["send beta", "send zeta", "restart zeta"])
    assert told["outcome"]["beta/esx1"] == "left out: it serves a failover (full)"


async def test_nor_by_a_controller_that_is_no_more_in_charge_when_the_file_is_there(world: World) -> None:
    def lost() -> None:
        raise Died

    world.machines["beta-esx1"].sent = lambda: setattr(world, "in_charge", lost)
    assert (await world.through())[0] == "failed", "where `die` ends no process"
    assert world.acts == ["send beta"]


async def test_nor_while_a_run_is_open_that_was_begun_meanwhile(world: World) -> None:
    failover = Run(id="f1", tenant="beta", host="esx1", request="{}", actor="anna", at=START)
    world.machines["beta-esx1"].sent = lambda: world.runs_kept.start(failover)
    kind, told = await world.through(interrupt=True)
    assert (kind, world.acts) == ("failed", ["send beta"])
    assert "run f1" in told["why"]


async def test_who_asks_that_it_stop_ends_it_before_the_next_appliance(world: World) -> None:
    run = await world.begin()

    async def stop(stage: str, moment: str) -> None:
        if (stage, moment) == ("beta/esx1", "after"):
            await world.runs.stop(run, actor="otto")

    world.engine.at = stop
    await world.engine.carry_out(run)
    kind, told = world.last(run)
    assert (kind, world.acts) == ("failed", ["send beta", "restart beta"])
    assert "Stopped before Update appliance zeta-esx1" in told["why"]
    assert told["stand"] == ["Update appliance beta-esx1 to 2"]


async def test_so_does_who_asks_while_it_waits_for_another_run_which_it_tells(world: World) -> None:
    failover = Run(id="f1", tenant="beta", host="esx1", request="{}", actor="anna", at=START)
    world.runs_kept.start(failover)
    world.patience = 60.0
    world.controller("two")
    run = await world.begin()
    task = asyncio.create_task(world.engine.carry_out(run))
    while WAITING not in world.kinds(run):  # noqa: ASYNC110 - the store tells nobody
        await asyncio.sleep(0.01)
    (waiting,) = (detail(each) for each in world.runs_kept.events(run) if each.kind == WAITING)
    assert "run f1" in waiting["why"]
    assert datetime.fromisoformat(waiting["until"]) > START
    await world.runs.stop(run, actor="otto")
    await task
    assert (world.last(run)[0], world.acts) == ("failed", [])
    assert "somebody asked for it" in world.last(run)[1]["why"]


async def test_after_the_first_that_falls_back_none_is_begun_and_a_retry_goes_on(world: World) -> None:
    world.machines["beta-esx1"].falls_back = True
    kind, told = await world.through()
    assert (kind, world.acts) == ("failed", ["send beta", "restart beta"])
    assert "slot a runs again" in told["why"]
    world.machines["beta-esx1"].falls_back = False
    again = await world.runs.retry("r1")
    await world.engine.carry_out(again.id)
    assert (world.last(again.id)[0], world.acts[2:]) == (
        "finished",
        ["restart beta", "send zeta", "restart zeta"],
    )


@pytest.mark.parametrize("moment", ["before", "after", "remembered"])
@pytest.mark.parametrize("stage", ["beta/esx1", "zeta/esx1"])
async def test_whoever_is_killed_the_next_one_goes_on(world: World, stage: str, moment: str) -> None:
    world.engine.at = killed_once(stage, moment, with_it=lambda: world.restarts("zeta-esx1"))
    run = await world.begin()
    with pytest.raises(Killed):
        await world.engine.carry_out(run)
    world.controller("two")
    await world.engine.carry_out(run)
    assert world.last(run)[0] == "finished"
    assert world.acts == ["send beta", "restart beta", "send zeta", "restart zeta"], "nothing is done twice"


async def test_the_next_one_waits_for_a_slow_appliance_that_restarts_as_long_as_it_has_patience(
    world: World,
) -> None:
    world.trial = replace(updates.USUAL, silence=0.0)

    world.engine.at = killed_once("beta/esx1", "after", with_it=lambda: world.restarts("beta-esx1"))
    run = await world.begin()
    with pytest.raises(Killed):
        await world.engine.carry_out(run)
    world.controller("two")
    await world.engine.carry_out(run)
    assert (world.last(run)[0], world.machines["beta-esx1"].away) == ("failed", 2)


async def test_a_run_that_changes_the_appliance_is_waited_for(world: World) -> None:
    failover = Run(id="f1", tenant="beta", host="esx1", request="{}", actor="anna", at=START)
    world.runs_kept.start(failover)
    kind, told = await world.through()
    assert (kind, world.acts) == ("failed", [])
    assert "run f1" in told["why"]


async def test_without_the_file_or_any_appliance_nothing_is_begun(world: World) -> None:
    world.here = False
    with pytest.raises(ProblemError, match="not at this controller"):
        await world.begin()
    world.here = True
    for name in world.machines:
        world.kept.forget(name)
    with pytest.raises(ProblemError, match="no appliance is deployed"):
        await world.begin()
    assert world.runs_kept.find("r1") is None


async def test_a_successor_without_the_file_says_so(world: World) -> None:
    async def moved(stage: str, moment: str) -> None:
        if (stage, moment) == ("zeta/esx1", "before"):
            world.here = False

    world.engine.at = moved
    kind, told = await world.through()
    assert (kind, told["why"].partition(":")[2].strip()) == (
        "failed",
        "the update file is not at this controller",
    )
    assert told["stand"] == ["Update appliance beta-esx1 to 2"]


async def test_a_dry_run_tells_the_order(world: World) -> None:
    request = UpdateFleet(build=world.file.build)
    stages = await world.runs.plan_chore(request, tenant=None, host=None)
    assert stages == (("Update appliance beta-esx1 to 2",), ("Update appliance zeta-esx1 to 2",))
    assert (world.acts, world.runs_kept.open()) == ([], ())


async def test_its_plan_is_kept_and_only_one_goes_on_at_a_time(world: World) -> None:
    run = await world.begin()
    request = UpdateFleet(build=world.file.build)
    with pytest.raises(ProblemError, match="all appliances"):
        await world.runs.start_chore(request, tenant=None, host=None, actor="bert")
    await world.engine.carry_out(run)
    units = detail(world.runs_kept.events(run)[0])["units"]
    assert [unit["name"] for unit in units] == ["beta/esx1", "zeta/esx1"]
