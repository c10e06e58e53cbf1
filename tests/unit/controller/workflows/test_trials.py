"""A failover waits for an appliance whose new system is on trial, and says so when that does not end."""

from __future__ import annotations

from datetime import datetime

import pytest

from causeway_controller.contract.requests import FailOverSite
from causeway_controller.contract.run_events import FINISHED, STARTED, WAITING
from causeway_controller.errors import AgentUnreachable, StepFailed
from causeway_controller.inventory.modes import Full, Idle
from causeway_controller.inventory.tenancy import mode
from causeway_controller.store.database import Database
from causeway_controller.workflows import trials
from causeway_wire.problem import ProblemError, ProblemType, problem
from tests.runs_bench import HOST, START, RunsBench, detail
from tests.workflow_bench import SITE, TIMING, Bench

ALL = frozenset(SITE.tenants["acme"].vms)
EVER = 10**6
REFUSED = ProblemError(problem(ProblemType.UPDATE_IN_PROGRESS, "this system is on trial"))
SILENT = AgentUnreachable("acme-provider", "192.0.2.1", "it restarts")


async def never() -> bool:
    return False


class Appliance:
    """Answers these, one after the other."""

    def __init__(self, *answers: Exception | str) -> None:
        self.answers = list(answers)
        self.told: list[tuple[str, float]] = []

    def waits(self, why: str, seconds: float) -> None:
        self.told.append((why, seconds))

    async def act(self) -> str:
        answer = self.answers.pop(0)
        if isinstance(answer, str):
            return answer
        raise answer


async def test_a_full_failover_waits_until_the_new_system_has_proven_good() -> None:
    bench = Bench()
    bench.agents["acme-provider"].trial = 3
    begun = await bench.begin_full(SITE, ALL, epoch=1)
    assert mode(begun.site, "acme") == Full(ALL)
    assert bench.running() == ALL


async def test_so_does_its_end_with_its_replicas_off_already() -> None:
    bench = Bench()
    begun = await bench.begin_full(SITE, ALL, epoch=1)
    bench.agents["acme-provider"].trial = 3
    ended = await bench.undo_full(begun.site, epoch=2)
    assert bench.log[-2:] == ["acme-provider idle", "acme-provider 0 rules"]
    assert mode(ended.site, "acme") == Idle()


async def test_a_trial_that_does_not_end_is_told_with_what_to_do_and_the_end_can_be_asked_for_again() -> None:
    bench = Bench()
    begun = await bench.begin_full(SITE, ALL, epoch=1)
    bench.agents["acme-provider"].trial = EVER
    with pytest.raises(StepFailed, match=r"on trial; that was waited for.* or redeploy the appliance"):
        await bench.undo_full(begun.site, epoch=2)
    bench.agents["acme-provider"].trial = 0
    ended = await bench.undo_full(begun.site, epoch=3)
    assert mode(ended.site, "acme") == Idle()


async def test_nobody_waits_for_one_whose_success_nothing_waits_for() -> None:
    bench = Bench()
    partially = await bench.begin_partial(SITE, {"vm-0-0"}, epoch=1)
    tenant = bench.agents[SITE.tenants["acme"].appliances["net-0"].id]
    tenant.trial = EVER
    outcome = await bench.begin_full(partially, ALL, epoch=2, escalate=True)
    (failure,) = outcome.failures.values()
    assert "on trial" in str(failure)
    assert EVER - tenant.trial == 1


async def test_who_asks_that_the_run_stop_does_not_wait() -> None:
    async def asked() -> bool:
        return True

    one = Appliance(REFUSED, "taken")
    with pytest.raises(ProblemError, match="on trial"):
        await trials.outlast(one.act, timing=TIMING, stop_requested=asked, waits=one.waits)
    assert one.answers == ["taken"]


async def test_the_restart_into_the_system_before_is_waited_out_too() -> None:
    one = Appliance(REFUSED, SILENT, SILENT, REFUSED, "taken")
    assert await trials.outlast(one.act, timing=TIMING, stop_requested=never, waits=one.waits) == "taken"
    assert one.told == [("this system is on trial", TIMING.trial)], "once"


@pytest.mark.parametrize(
    "other", [SILENT, ProblemError(problem(ProblemType.STALE_EPOCH, "too late", epoch=7))]
)
async def test_what_is_no_trial_is_raised_at_once(other: Exception) -> None:
    one = Appliance(other, "taken")
    with pytest.raises(type(other)):
        await trials.outlast(one.act, timing=TIMING, stop_requested=never, waits=one.waits)
    assert one.answers == ["taken"]


async def test_a_run_tells_what_it_waits_for_and_until_when(database: Database) -> None:
    bench = RunsBench(database)
    bench.agents["acme-provider"].trial = 3
    request = FailOverSite(tenant="acme", vms=ALL)
    run = (await bench.runs.start(request, host=HOST, actor="anna")).id
    await bench.engine.carry_out(run)
    assert bench.kinds(run) == [STARTED, WAITING, FINISHED]
    (waiting,) = (detail(one) for one in bench.runs_kept.events(run) if one.kind == WAITING)
    assert waiting["why"].endswith("this system is on trial")
    assert datetime.fromisoformat(waiting["until"]) > START
