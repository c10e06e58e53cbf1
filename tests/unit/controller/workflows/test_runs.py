"""Runs are refused or kept, go through whoever carries them on, and say what came of them."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete

from causeway_controller.contract.requests import FailOver, FailOverSite, Request
from causeway_controller.contract.run_events import SETTLED
from causeway_controller.inventory.modes import Full, Idle, Partial
from causeway_controller.store.database import Database
from causeway_controller.store.tables import run_stage
from causeway_controller.workflows.run_record import FAILED, FINISHED, STARTED, TAKEN_OVER
from causeway_wire.problem import Problem, ProblemError, ProblemType
from tests.fakes.engine import Killed
from tests.runs_bench import HOST, Died, RunsBench, detail, killed, made, through
from tests.workflow_bench import SITE
from tests.workflows import ALL, BEGIN, SEQUENCES, VM

PROVIDER = SITE.tenants["acme"].provider.id
TENANT = SITE.tenants["acme"].appliances["net-0"].id


@pytest.fixture
def bench(database: Database) -> RunsBench:
    return RunsBench(database)


async def refused(call: object, kind: ProblemType) -> Problem:
    with pytest.raises(ProblemError) as caught:
        await call  # type: ignore[misc]
    assert caught.value.problem.type == kind.urn
    return caught.value.problem


async def test_a_run_goes_through_tells_its_steps_and_leaves_its_mode(bench: RunsBench) -> None:
    run = await through(bench, BEGIN)
    events = bench.runs_kept.events(run)
    assert (events[0].kind, events[-1].kind) == ("started", "finished")
    assert detail(events[0])["mode"] == {"mode": "idle", "vms": []}
    planned = [sentence for stage in detail(events[0])["stages"] for sentence in stage]
    done = [detail(event)["step"] for event in events if event.kind == "step"]
    assert set(done) == set(planned)
    assert sum(event.kind == "stage" for event in events) == len(detail(events[0])["stages"])
    assert detail(events[-1])["mode"] == {"mode": "partial", "vms": [VM]}
    assert bench.standings.get("acme", HOST).mode == Partial(frozenset({VM}))
    assert bench.standings.get("acme", HOST).publications is None
    assert (bench.runs_kept.open(), bench.tenancies.told) == ((), ["partial"])


async def test_every_event_that_was_kept_is_logged_with_its_run_and_stage(
    bench: RunsBench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="causeway_controller.workflows.run_record")
    run = await through(bench, BEGIN)
    logged = [
        (record.getMessage().removeprefix("run "), record.__dict__["told"])
        for record in caplog.records
        if record.__dict__.get("run") == run
    ]
    assert logged == [(event.kind, detail(event)) for event in bench.runs_kept.events(run)]
    for record in caplog.records:
        fields = record.__dict__
        assert (fields["tenant"], fields["host"]) == ("acme", HOST)
        assert fields["stage"] == fields["told"].get("stage")
    assert {record.__dict__["stage"] for record in caplog.records} > {None}


async def test_what_cannot_be_meant_is_not_kept(bench: RunsBench) -> None:
    request = FailOver(tenant="acme", vms=frozenset({"nobody"}))
    with pytest.raises(ProblemError):
        await bench.runs.start(request, host=HOST, actor="anna", identifier="r1")
    assert (bench.runs_kept.find("r1"), bench.engine.submitted) == (None, {})


async def test_one_run_at_a_time(bench: RunsBench) -> None:
    await bench.runs.start(BEGIN, host=HOST, actor="anna", identifier="r1")
    again = bench.runs.start(BEGIN, host=HOST, actor="bert", identifier="r2")
    await refused(again, ProblemType.FAILOVER_IN_PROGRESS)
    assert (bench.runs_kept.find("r2"), bench.engine.submitted) == (None, {"r1": f"acme/{HOST}"})


async def test_the_same_asked_twice_is_one_run(bench: RunsBench) -> None:
    first = await bench.runs.start(BEGIN, host=HOST, actor="anna", identifier="r1")
    await bench.engine.carry_out("r1")
    assert await bench.runs.start(BEGIN, host=HOST, actor="anna", identifier="r1") == first
    other = bench.runs.start(SEQUENCES["rehearse"][0], host=HOST, actor="anna", identifier="r1")
    await refused(other, ProblemType.INVALID)


async def test_a_plan_changes_nothing(bench: RunsBench) -> None:
    planned = await bench.runs.plan(BEGIN, host=HOST)
    run = await through(bench, BEGIN)
    assert [list(stage) for stage in planned.stages] == detail(bench.runs_kept.events(run)[0])["stages"]


def world(bench: RunsBench) -> object:
    """What agents and hypervisor are, whatever they were in between."""
    agents = {name: (agent.mode, agent.awaiting, sorted(agent.table)) for name, agent in bench.agents.items()}
    return agents, bench.hypervisor.on, bench.standings.get("acme", HOST)


def forget(bench: RunsBench, database: Database) -> None:
    """The version before remembered stages elsewhere, and a backup that was restored has none."""
    with database.write() as connection:
        connection.execute(delete(run_stage))
    bench.engine.remembered.clear()


@pytest.mark.parametrize("moment", ["before", "after", "remembered", "forgotten"])
@pytest.mark.parametrize("workflow", SEQUENCES)
async def test_killed_at_any_boundary_another_controller_brings_it_to_the_same_end(
    tmp_path: Path, workflow: str, moment: str
) -> None:
    (tmp_path / "calm").mkdir()
    calm_database = made(tmp_path / "calm")
    calm = RunsBench(calm_database)
    stages = calm.engine.remembered[await through(calm, *SEQUENCES[workflow])]
    for number, stage in enumerate(stages):
        (tmp_path / str(number)).mkdir()
        database = made(tmp_path / str(number))
        bench = RunsBench(database)
        *before, last = SEQUENCES[workflow]
        if before:
            await through(bench, *before)
        run = (await bench.runs.start(last, host=HOST, actor="anna")).id
        at = "remembered" if moment == "forgotten" else moment
        assert await killed(bench, run, stage=stage, moment=at)
        epoch = bench.epochs.current("acme", HOST)
        if moment == "forgotten":
            forget(bench, database)
        bench.controller("two")
        assert not await killed(bench, run, stage="", moment="")
        told = [kind for kind in bench.kinds(run) if kind != SETTLED]
        assert told == [STARTED, TAKEN_OVER, FINISHED]
        assert world(bench) == world(calm)
        assert {bench.agents[PROVIDER].epoch, bench.epochs.current("acme", HOST)} == {epoch + 1}
        database.close()
    calm_database.close()


async def test_what_awaited_a_confirmation_is_confirmed_by_the_successor(bench: RunsBench) -> None:
    run = (await bench.runs.start(BEGIN, host=HOST, actor="anna")).id
    assert await killed(bench, run, stage="stage 4", moment="remembered")
    assert bench.agents[PROVIDER].awaiting is not None
    bench.controller("two")
    assert not await killed(bench, run, stage="", moment="")
    assert not [line for line in bench.log if "cancelled" in line]
    assert bench.log.count(f"{PROVIDER} confirmed") == 1


async def test_what_the_dead_one_left_unrecorded_is_cancelled_and_made_again(bench: RunsBench) -> None:
    run = (await bench.runs.start(BEGIN, host=HOST, actor="anna")).id
    assert await killed(bench, run, stage="stage 2", moment="after")
    bench.controller("two")
    assert not await killed(bench, run, stage="", moment="")
    assert bench.log.count(f"{PROVIDER} cancelled") == 1
    assert bench.agents[PROVIDER].awaiting is None
    assert bench.agents[PROVIDER].mode == VM


async def test_every_appliance_hears_of_the_newer_epoch_before_anything_is_done(bench: RunsBench) -> None:
    run = (await bench.runs.start(BEGIN, host=HOST, actor="anna")).id
    assert await killed(bench, run, stage="stage 3", moment="before")
    bench.controller("two")
    seen: list[set[int]] = []

    async def look(_stage: str, _moment: str) -> None:
        if not seen:
            ends = {SITE.tenants["acme"].provider.id, SITE.tenants["acme"].appliances["net-0"].id}
            seen.append({bench.agents[one].epoch for one in ends})

    bench.engine.at = look
    await bench.engine.carry_out(run)
    assert seen == [{bench.epochs.current("acme", HOST)}]


async def test_an_appliance_that_is_silent_holds_nothing_up_and_is_named(bench: RunsBench) -> None:
    run = (await bench.runs.start(FailOverSite(tenant="acme", vms=ALL), host=HOST, actor="anna")).id
    assert await killed(bench, run, stage="stage 5", moment="remembered")
    bench.controller("two")
    bench.agents[PROVIDER].lost = True
    assert not await killed(bench, run, stage="", moment="")
    over = next(event for event in bench.runs_kept.events(run) if event.kind == TAKEN_OVER)
    assert detail(over)["silent"] == [PROVIDER]


async def test_a_controller_that_was_taken_for_dead_does_nothing_more_and_ends_itself(
    bench: RunsBench,
) -> None:
    run = (await bench.runs.start(BEGIN, host=HOST, actor="anna")).id
    asleep, woken = asyncio.Event(), asyncio.Event()

    async def sleep(stage: str, moment: str) -> None:
        if (stage, moment) == ("stage 3", "before"):
            asleep.set()
            await woken.wait()

    bench.engine.at = sleep
    zombie = asyncio.create_task(bench.engine.carry_out(run))
    await asleep.wait()
    bench.controller("two")
    assert not await killed(bench, run, stage="", moment="")
    before = (list(bench.log), world(bench), len(bench.runs_kept.events(run)))
    woken.set()
    with pytest.raises(Died, match="another controller acts"):
        await zombie
    assert (bench.log, world(bench), len(bench.runs_kept.events(run))) == before


async def test_who_lost_its_lease_powers_nothing(bench: RunsBench) -> None:
    run = (await bench.runs.start(FailOverSite(tenant="acme", vms=ALL), host=HOST, actor="anna")).id

    def lost() -> None:
        raise Killed

    async def lose(stage: str, _moment: str) -> None:
        if stage == "stage 6":
            bench.in_charge = lost

    bench.engine.at = lose
    with pytest.raises(BaseExceptionGroup) as caught:
        await bench.engine.carry_out(run)
    assert caught.group_contains(Killed)
    assert bench.running() == set()


@pytest.mark.parametrize("request_", [BEGIN, SEQUENCES["fail-over-site"][0]], ids=["partial", "full"])
async def test_a_store_that_is_older_than_the_appliances_overtakes_them(
    bench: RunsBench, request_: Request
) -> None:
    for agent in bench.agents.values():
        agent.epoch = 41
    run = await through(bench, request_)
    assert bench.kinds(run) == [STARTED, FINISHED]
    assert bench.epochs.current("acme", HOST) == 42
    assert {agent.epoch for agent in bench.agents.values() if agent.epochs} == {42}
    assert bench.agents[PROVIDER].awaiting is None


async def test_an_appliance_that_another_run_fenced_meanwhile_is_overtaken_when_it_is_confirmed(
    bench: RunsBench,
) -> None:
    run = (await bench.runs.start(BEGIN, host=HOST, actor="anna")).id

    async def fence(stage: str, moment: str) -> None:
        if (stage, moment) == ("stage 5", "before"):
            bench.agents[PROVIDER].epoch = 41

    bench.engine.at = fence
    await bench.engine.carry_out(run)
    assert bench.last(run)[0] == FINISHED
    assert bench.agents[PROVIDER].epoch == 42


async def test_a_failure_takes_back_and_says_what_is_where(bench: RunsBench) -> None:
    bench.agents[PROVIDER].connected = False
    run = await through(bench, BEGIN)
    kind, told = bench.last(run)
    assert (kind, told["kept"]) == (FAILED, [])
    assert "tunnel" in told["why"]
    assert told["undone"]
    assert bench.running() == set()
    assert bench.standings.get("acme", HOST).mode == Idle()
    assert bench.runs_kept.open() == ()


async def test_killed_while_it_takes_back_the_successor_goes_on_taking_back(bench: RunsBench) -> None:
    bench.agents[PROVIDER].connected = False
    run = (await bench.runs.start(BEGIN, host=HOST, actor="anna")).id
    assert await killed(bench, run, stage="undo stage 3", moment="after")
    bench.controller("two")
    assert not await killed(bench, run, stage="", moment="")
    assert bench.kinds(run) == [STARTED, TAKEN_OVER, FAILED]
    assert (bench.running(), {agent.mode for agent in bench.agents.values()}) == (set(), {"idle"})


async def test_a_run_stops_before_its_next_stage_and_takes_back(bench: RunsBench) -> None:
    run = (await bench.runs.start(FailOverSite(tenant="acme", vms=ALL), host=HOST, actor="anna")).id

    async def stop(stage: str, moment: str) -> None:
        if (stage, moment) == ("stage 3", "after"):
            await bench.runs.stop(run, actor="bert")

    bench.engine.at = stop
    await bench.engine.carry_out(run)
    kind, told = bench.last(run)
    assert (kind, bench.runs_kept.to_stop([run])) == ("failed", (True,))
    assert told["why"].startswith("Stopped before The appliance holds the gateway")
    assert bench.agents[PROVIDER].mode == "idle"
    assert bench.running() == set()
    await refused(bench.runs.stop(run), ProblemType.NOT_FOUND)


async def test_a_stage_that_the_dead_one_had_begun_is_taken_back_too(bench: RunsBench) -> None:
    run = (await bench.runs.start(BEGIN, host=HOST, actor="anna")).id
    assert await killed(bench, run, stage="stage 3", moment="after")
    assert (bench.agents[TENANT].mode, bench.running()) == (VM, {VM})
    bench.controller("two")
    await bench.runs.stop(run, actor="bert")
    assert not await killed(bench, run, stage="", moment="")
    assert bench.last(run)[1]["kept"] == []
    assert (bench.running(), {agent.mode for agent in bench.agents.values()}) == (set(), {"idle"})
    back = [f"{TENANT} idle", f"off acme/{VM}", f"{PROVIDER} cancelled"]
    assert sorted(back, key=bench.log.index) == back


async def test_a_successor_takes_nothing_back_that_a_silent_appliance_may_rely_on(bench: RunsBench) -> None:
    run = (await bench.runs.start(BEGIN, host=HOST, actor="anna")).id
    assert await killed(bench, run, stage="stage 2", moment="remembered")
    bench.controller("two")
    bench.agents[TENANT].lost = True
    await bench.runs.stop(run, actor="bert")
    assert not await killed(bench, run, stage="", moment="")
    kind, told = bench.last(run)
    assert (kind, told["undone"]) == (FAILED, [])
    assert "has not been heard" in told["kept"][-1]
    assert bench.agents[PROVIDER].mode == VM
    assert bench.agents[PROVIDER].awaiting is not None


async def test_what_failed_is_tried_again_and_what_went_through_is_not(bench: RunsBench) -> None:
    bench.agents[PROVIDER].connected = False
    failed = await through(bench, BEGIN)
    bench.agents[PROVIDER].connected = True
    again = await bench.runs.retry(failed, actor="bert")
    await refused(bench.runs.retry(again.id), ProblemType.FAILOVER_IN_PROGRESS)
    await bench.engine.carry_out(again.id)
    assert (bench.last(again.id)[0], again.actor) == ("finished", "bert")
    await refused(bench.runs.retry(again.id), ProblemType.INVALID)
    await refused(bench.runs.retry("nothing"), ProblemType.NOT_FOUND)


async def test_what_was_published_counts_for_later_runs(bench: RunsBench) -> None:
    await through(bench, *SEQUENCES["publish"])
    assert bench.standings.get("acme", HOST).publications == SITE.tenants["acme"].publications[:1]
    await through(bench, FailOverSite(tenant="acme", vms=ALL))
    assert list(bench.agents[PROVIDER].table) == ["web-4"]
    assert bench.standings.get("acme", HOST).mode == Full(ALL)
    assert bench.standings.get("acme", HOST).publications == SITE.tenants["acme"].publications[:1]


async def test_an_open_run_that_the_engine_never_heard_of_is_submitted(bench: RunsBench) -> None:
    run = (await bench.runs.start(BEGIN, host=HOST, actor="anna")).id
    bench.engine.submitted.clear()
    await bench.runs.resubmit(after=3600)
    assert bench.engine.submitted == {}
    await bench.runs.resubmit(after=0)
    assert bench.engine.submitted == {run: f"acme/{HOST}"}


async def test_an_open_run_that_the_engine_gave_up_is_tried_again(bench: RunsBench) -> None:
    run = (await bench.runs.start(BEGIN, host=HOST, actor="anna")).id
    bench.engine.given_up.add(run)
    await bench.runs.resubmit(after=3600)
    assert bench.engine.given_up == {run}
    await bench.runs.resubmit(after=0)
    assert bench.engine.given_up == set()


async def test_a_run_that_the_engine_ended_without_a_word_has_failed(bench: RunsBench) -> None:
    run = (await bench.runs.start(BEGIN, host=HOST, actor="anna")).id
    bench.engine.ended.add(run)
    await bench.runs.resubmit(after=0)
    assert bench.last(run)[0] == "failed"
    assert bench.runs_kept.open() == ()


async def test_the_engine_forgets_what_is_over_and_the_history_does_not(bench: RunsBench) -> None:
    over = await through(bench, BEGIN)
    opened = (await bench.runs.start(SEQUENCES["undo"][-1], host=HOST, actor="anna")).id
    bench.engine.ended.add(opened)
    bench.engine.ended_at[opened] = datetime(2020, 1, 1, tzinfo=UTC)
    assert await bench.runs.forget(datetime.now(UTC) - timedelta(days=1)) == 0
    assert await bench.runs.forget(datetime.now(UTC) + timedelta(days=1)) == 1
    assert set(bench.engine.submitted) == {opened}, "what is open stays, whatever the engine says"
    assert bench.last(over)[0] == "finished"
    assert await bench.runs.start(BEGIN, host=HOST, actor="anna", identifier=over) == bench.runs_kept.get(
        over
    )
    assert over not in bench.engine.submitted, "what is over is not carried out again"
