"""What a run settled is never taken back, and what it left on is told until somebody ends it."""

from __future__ import annotations

import pytest

from causeway_controller.contract.requests import FailOver, FailOverSite, UndoSite
from causeway_controller.contract.run_events import SETTLED
from causeway_controller.contract.tenant import Hook, Hooks
from causeway_controller.inventory.modes import Full, Partial
from causeway_controller.store import left_on
from causeway_controller.store.database import Database
from causeway_controller.store.left_on import LeftOn
from causeway_controller.workflows.run_record import FAILED, FINISHED
from causeway_wire.problem import ProblemError
from tests.runs_bench import HOST, RunsBench, killed_when, through
from tests.workflow_bench import SITE
from tests.workflows import ALL, BEGIN, SEQUENCES, VM

PROVIDER = SITE.tenants["acme"].provider.id
KEEP = UndoSite(tenant="acme", keep_partial=frozenset({VM}))


@pytest.fixture
def bench(database: Database) -> RunsBench:
    return RunsBench(database)


async def test_what_a_settled_run_leaves_on_is_told_until_the_same_request_ends_it(
    bench: RunsBench, database: Database
) -> None:
    stuck = min(ALL - {VM})
    await through(bench, FailOverSite(tenant="acme", vms=ALL))
    bench.hypervisor.broken.add(f"acme/{stuck}")
    run = await through(bench, KEEP)
    assert bench.last(run)[0] == FINISHED
    assert bench.standings.get("acme", HOST).mode == Partial(frozenset({VM}))
    told = LeftOn(run=run, tenant="acme", host=HOST, vms=(stuck,), kept=(VM,))
    assert left_on.find(database) == left_on.find(database, "acme") == (told,)
    assert left_on.find(database, "another") == ()
    assert bench.last(await through(bench, KEEP))[0] == FINISHED
    assert stuck in bench.running()
    assert left_on.find(database) == (told,), "asked for again, and powered off no more than before"
    bench.hypervisor.broken.clear()
    assert bench.last(await through(bench, KEEP))[0] == FINISHED
    assert bench.running() == {VM}
    assert left_on.find(database) == ()


async def test_what_keeps_all_of_an_ordinary_partial_failover_is_refused(
    bench: RunsBench, database: Database
) -> None:
    """It would power off what nobody powered on, and release what nobody held."""
    await through(bench, BEGIN)
    for ask in (bench.runs.plan(KEEP, host=HOST), bench.runs.start(KEEP, host=HOST, actor="anna")):
        with pytest.raises(ProblemError, match="ends the partial one") as caught:
            await ask
        assert caught.value.problem.pointer == "/keep_partial"
    assert bench.running() == {VM}
    bench.tenancies.hook(Hooks(release=Hook(name="release")))
    await through(bench, FailOverSite(tenant="acme", vms=ALL, escalate=True))
    await through(bench, KEEP)
    with pytest.raises(ProblemError, match="nothing of a full one is left on"):
        await bench.runs.plan(KEEP, host=HOST)


async def test_what_was_left_on_is_told_although_something_else_was_failed_over_meanwhile(
    bench: RunsBench, database: Database
) -> None:
    """What ends it is asked for with all that is failed over by then."""
    stuck, another = sorted(ALL - {VM})[:2]
    await through(bench, FailOverSite(tenant="acme", vms=ALL))
    bench.hypervisor.broken.add(f"acme/{stuck}")
    run = await through(bench, KEEP, FailOver(tenant="acme", vms=frozenset({another})))
    assert bench.last(run)[0] == FINISHED
    (left,) = left_on.find(database)
    assert (left.vms, left.kept) == ((stuck,), tuple(sorted({VM, another})))
    bench.hypervisor.broken.clear()
    both = UndoSite(tenant="acme", keep_partial=frozenset(left.kept))
    assert bench.last(await through(bench, both))[0] == FINISHED
    assert (bench.running(), left_on.find(database)) == ({VM, another}, ())


async def test_a_settled_run_whose_plan_has_become_another_one_leaves_nothing_untold(
    bench: RunsBench, database: Database
) -> None:
    """Nothing was begun of what was to be powered off, so no step tells of it."""
    await through(bench, FailOverSite(tenant="acme", vms=ALL))
    run = (await bench.runs.start(KEEP, host=HOST, actor="anna")).id

    def settled(_stage: str, moment: str) -> bool:
        return moment == "remembered" and SETTLED in bench.kinds(run)

    assert await killed_when(bench, run, settled)
    bench.tenancies.hook(Hooks(release=Hook(name="release")))
    bench.controller("two")
    await bench.engine.carry_out(run)
    kind, told = bench.last(run)
    assert (kind, bench.running()) == (FAILED, set(ALL)), told
    (left,) = left_on.find(database)
    assert (left.vms, left.kept) == (tuple(sorted(ALL - {VM})), (VM,))
    assert bench.last(await through(bench, KEEP))[0] == FINISHED
    assert (bench.running(), left_on.find(database)) == ({VM}, ())


async def test_an_escalation_is_kept_when_the_appliance_keeps_it_and_is_not_taken_back(
    bench: RunsBench, database: Database
) -> None:
    """The tenant's controller, which led the partial one, hears of it then, and ends its half."""
    await through(bench, BEGIN)
    run = (await bench.runs.start(SEQUENCES["escalate"][-1], host=HOST, actor="anna")).id

    def some_run(_stage: str, moment: str) -> bool:
        return moment == "remembered" and bench.running() > {VM}

    assert await killed_when(bench, run, some_run)
    assert bench.standings.get("acme", HOST).mode == Full(frozenset({VM}), frozenset({"net-0"}))
    bench.tenancies.hook(Hooks(after=Hook(name="after")))
    bench.controller("two")
    await bench.engine.carry_out(run)
    assert bench.last(run)[0] == FAILED
    assert bench.agents[PROVIDER].mode.startswith("full"), "nothing relies on the tunnel any more"
    (left,) = left_on.find(database)
    assert (set(left.vms), left.full) == (bench.running() - {VM}, True)
    again = FailOverSite(tenant="acme", vms=ALL)
    assert bench.last(await through(bench, again))[0] == FINISHED
    assert bench.standings.get("acme", HOST).mode.vms == ALL
    assert left_on.find(database) == ()
