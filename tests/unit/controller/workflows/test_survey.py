"""What is found before a run begins: a replica that somebody else powered on stops it."""

from __future__ import annotations

import pytest

from causeway_controller.contract.requests import (
    Chore,
    FailOver,
    FailOverSite,
    Publish,
    Rebuild,
    Rehearse,
    Request,
    Undo,
    UndoSite,
)
from causeway_controller.inventory.modes import Full, Partial
from causeway_controller.store.database import Database
from causeway_controller.workflows.run_record import FAILED, FINISHED
from tests.runs_bench import HOST, START, RunsBench

VM, OTHER = "vm-0-0", "vm-0-1"
ONE, BOTH = frozenset({VM}), frozenset({VM, OTHER})


@pytest.fixture
def bench(database: Database) -> RunsBench:
    return RunsBench(database)


async def through(bench: RunsBench, request: Request) -> str:
    run = (await bench.runs.start(request, host=HOST, actor="anna")).id
    await bench.engine.carry_out(run)
    return run


@pytest.mark.parametrize(
    "request_",
    [
        FailOver(tenant="acme", vms=ONE),
        FailOverSite(tenant="acme", vms=BOTH),
        Rehearse(tenant="acme", vms=BOTH),
    ],
    ids=["partial", "full", "rehearsal"],
)
async def test_a_replica_that_runs_already_is_refused_with_the_remedy(
    bench: RunsBench, request_: Request
) -> None:
    bench.hypervisor.on[f"acme/{VM}"] = True
    run = await through(bench, request_)
    kind, told = bench.last(run)
    assert kind == FAILED
    assert f"the replica of {VM} runs already" in told["why"]
    assert f"power acme/{VM} off" in told["why"]
    assert (bench.log, told["undone"], told["stand"]) == ([], [], [])


async def test_what_a_failover_has_on_is_no_obstacle_to_the_next_one(bench: RunsBench) -> None:
    await through(bench, FailOver(tenant="acme", vms=ONE))
    run = await through(bench, FailOver(tenant="acme", vms=frozenset({OTHER})))
    assert bench.last(run)[0] == FINISHED
    run = await through(bench, FailOverSite(tenant="acme", vms=BOTH, escalate=True))
    assert bench.last(run)[0] == FINISHED
    assert isinstance(bench.standings.get("acme", HOST).mode, Full)


async def failed(bench: RunsBench) -> None:
    """A run that powered the replica on, and could not power it off again."""

    async def stuck(stage: str, moment: str) -> None:
        if moment == "before" and stage.startswith("stage") and bench.running():
            bench.hypervisor.broken.add(f"acme/{VM}")
            bench.agents["acme-provider"].lost = True

    bench.engine.at = stuck
    run = await through(bench, FailOver(tenant="acme", vms=ONE))
    assert bench.last(run)[0] == FAILED
    assert bench.running() == {VM}
    bench.hypervisor.broken.clear()
    bench.agents["acme-provider"].lost = False
    bench.engine.at = nothing


async def nothing(_stage: str, _moment: str) -> None:
    """Nothing happens."""


def passed(bench: RunsBench, name: str, asked: Request | Chore) -> None:
    """A run that went through meanwhile and touched no replica."""
    run = bench.runs._asked(asked, "acme", HOST, actor="anna", identifier=name)
    bench.runs_kept.start(run)
    bench.runs_kept.finish(name, epoch=1, kind=FINISHED, detail='{"failures":{}}', at=START)


@pytest.mark.parametrize("between", [0, 3, 200])
async def test_what_an_own_run_left_on_is_no_obstacle_whatever_came_between(
    bench: RunsBench, between: int
) -> None:
    await failed(bench)
    for number in range(between):
        passed(bench, f"c{number}", Rebuild(tenant="acme", cause="no answer"))
        passed(bench, f"p{number}", Publish(tenant="acme", rules=()))
    run = await through(bench, FailOver(tenant="acme", vms=ONE))
    assert bench.last(run)[0] == FINISHED, bench.last(run)[1]
    assert bench.standings.get("acme", HOST).mode == Partial(ONE)


async def test_what_an_own_run_could_not_power_off_is_no_obstacle(bench: RunsBench) -> None:
    await through(bench, FailOverSite(tenant="acme", vms=ONE))
    bench.hypervisor.broken.add(f"acme/{VM}")
    ended = bench.last(await through(bench, UndoSite(tenant="acme")))
    bench.hypervisor.broken.clear()
    assert bench.running() == {VM}, ended
    run = await through(bench, FailOverSite(tenant="acme", vms=ONE))
    assert bench.last(run)[0] == FINISHED, bench.last(run)[1]


async def test_what_is_over_and_off_is_refused_when_somebody_powers_it_on(bench: RunsBench) -> None:
    await through(bench, FailOver(tenant="acme", vms=ONE))
    await through(bench, Undo(tenant="acme", vms=ONE))
    bench.hypervisor.on[f"acme/{VM}"] = True
    assert bench.last(await through(bench, FailOver(tenant="acme", vms=ONE)))[0] == FAILED
