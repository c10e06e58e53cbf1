"""What is found before a run begins: a replica that somebody else powered on stops it."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import structs

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
from causeway_controller.inventory.tenancy import Site
from causeway_controller.store.database import Database
from causeway_controller.workflows.run_record import FAILED, FINISHED
from causeway_wire.problem import ProblemError, ProblemType, problem
from tests import run_events
from tests.fakes.engine import Killed
from tests.runs_bench import HOST, START, RunsBench, made, through

VM, OTHER = "vm-0-0", "vm-0-1"
ONE, BOTH = frozenset({VM}), frozenset({VM, OTHER})


@pytest.fixture
def bench(database: Database) -> RunsBench:
    return RunsBench(database)


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


async def out_of_the_inventory(*_: object) -> Site:
    raise ProblemError(problem(ProblemType.NOT_FOUND, "tenant acme needs nothing on esx1"))


def passed(bench: RunsBench, name: str, asked: Request | Chore) -> None:
    """A run that went through meanwhile and touched no replica."""
    run = bench.runs._asked(asked, "acme", HOST, actor="anna", identifier=name)
    bench.runs_kept.start(run)
    run_events.finish(bench.runs_kept, name, epoch=1, kind=FINISHED, detail='{"failures":{}}', at=START)


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


async def test_what_came_on_late_is_no_obstacle_also_after_a_run_that_was_refused(bench: RunsBench) -> None:
    bench.hypervisor.broken.add(f"acme/{VM}")
    assert bench.last(await through(bench, FailOverSite(tenant="acme", vms=BOTH)))[0] == FINISHED
    bench.hypervisor.broken.clear()
    bench.hypervisor.on[f"acme/{VM}"] = True  # its host had it in its queue
    for _ in range(2):
        bench.agents["acme-provider"].refuse = problem(ProblemType.UNSUPPORTED, "the original answers")
        assert bench.last(await through(bench, FailOverSite(tenant="acme", vms=BOTH)))[0] == FAILED
        bench.agents["acme-provider"].refuse = None
    run = await through(bench, FailOverSite(tenant="acme", vms=BOTH))
    assert bench.last(run)[0] == FINISHED, bench.last(run)[1]


async def test_what_a_controller_that_died_powered_on_is_no_obstacle(
    bench: RunsBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def die(stage: str, moment: str) -> None:
        if moment == "remembered" and bench.running():
            raise Killed

    bench.engine.at = die
    run = (await bench.runs.start(FailOver(tenant="acme", vms=ONE), host=HOST, actor="anna")).id
    with pytest.raises(Killed):
        await bench.engine.carry_out(run)
    bench.engine.at = nothing
    monkeypatch.setattr(bench.tenancies, "load", out_of_the_inventory)
    await bench.engine.carry_out(run)
    kind, told = bench.last(run)
    assert (kind, bench.running()) == (FAILED, {VM})
    assert f"Power on the replica of {VM}" in told["stand"]
    monkeypatch.undo()
    again = await through(bench, FailOver(tenant="acme", vms=ONE))
    assert bench.last(again)[0] == FINISHED, bench.last(again)[1]


@pytest.mark.parametrize(
    "request_",
    [FailOver(tenant="acme", vms=ONE), FailOverSite(tenant="acme", vms=ONE)],
    ids=["partial", "full"],
)
async def test_what_runs_since_a_backup_was_made_is_taken_up_after_its_restore(
    bench: RunsBench, tmp_path: Path, request_: Request
) -> None:
    """The appliance itself says that it serves a failover, which nobody but a run of this tenant's began."""
    await through(bench, request_)
    (tmp_path / "restored").mkdir()
    database = made(tmp_path / "restored")
    restored = RunsBench(database)
    restored.agents, restored.hypervisor = bench.agents, bench.hypervisor
    run = await through(restored, request_)
    assert restored.last(run)[0] == FINISHED, restored.last(run)[1]
    assert restored.standings.get("acme", HOST).mode.vms == ONE
    restored.hypervisor.on[f"acme/{OTHER}"] = True
    run = await through(restored, structs.replace(request_, vms=frozenset({OTHER})))
    assert f"the replica of {OTHER} runs already" in restored.last(run)[1]["why"]
    database.close()


async def test_what_a_later_run_has_off_is_refused_when_somebody_powers_it_on(bench: RunsBench) -> None:
    bench.hypervisor.broken.add(f"acme/{VM}")
    await through(bench, FailOverSite(tenant="acme", vms=BOTH))
    bench.hypervisor.broken.clear()
    await through(bench, FailOverSite(tenant="acme", vms=BOTH))
    await through(bench, UndoSite(tenant="acme"))
    assert not bench.running()
    bench.hypervisor.on[f"acme/{VM}"] = True
    assert bench.last(await through(bench, FailOverSite(tenant="acme", vms=BOTH)))[0] == FAILED


async def test_what_is_over_and_off_is_refused_when_somebody_powers_it_on(bench: RunsBench) -> None:
    await through(bench, FailOver(tenant="acme", vms=ONE))
    await through(bench, Undo(tenant="acme", vms=ONE))
    bench.hypervisor.on[f"acme/{VM}"] = True
    assert bench.last(await through(bench, FailOver(tenant="acme", vms=ONE)))[0] == FAILED


async def test_a_dry_run_finds_what_stands_in_the_way_of_the_run(bench: RunsBench) -> None:
    request = FailOverSite(tenant="acme", vms=BOTH)
    assert (await bench.runs.check(request, host=HOST)).notes == ()
    for name in BOTH:
        del bench.hypervisor.on[f"acme/{name}"]
    with pytest.raises(ProblemError) as caught:
        await bench.runs.check(request, host=HOST)
    found = caught.value.problem
    assert (found.type, len(found.each)) == (ProblemType.UNAVAILABLE.urn, 2)
    assert (bench.log, bench.runs_kept.open()) == ([], ())


async def test_a_dry_run_says_that_another_run_is_open_there(bench: RunsBench) -> None:
    run = await bench.runs.start(FailOver(tenant="acme", vms=ONE), host=HOST, actor="anna")
    (note,) = (await bench.runs.check(FailOver(tenant="acme", vms=ONE), host=HOST)).notes
    assert run.id in note


async def test_to_a_dry_run_what_an_own_run_left_on_is_no_obstacle_either(bench: RunsBench) -> None:
    await failed(bench)
    assert (await bench.runs.check(FailOver(tenant="acme", vms=ONE), host=HOST)).notes == ()


async def test_an_appliance_in_production_that_is_off_and_has_never_enrolled_is_refused(
    bench: RunsBench,
) -> None:
    tenant = bench.tenancies.site.tenants["acme"]
    end = tenant.appliances[tenant.vms[VM].network].id
    bench.hypervisor.on[end] = False
    kind, _ = bench.last(await through(bench, FailOver(tenant="acme", vms=ONE)))
    assert kind == FINISHED, "it is powered on"
    await through(bench, Undo(tenant="acme", vms=ONE))
    bench.hypervisor.on[end] = False
    bench.unenrolled[end] = "appliance deploy acme net0"
    kind, told = bench.last(await through(bench, FailOver(tenant="acme", vms=ONE)))
    assert (kind, told["undone"], told["stand"]) == (FAILED, [], [])
    assert f"appliance {end} is off" in told["why"]
    assert "`causeway appliance deploy acme net0`" in told["why"]
