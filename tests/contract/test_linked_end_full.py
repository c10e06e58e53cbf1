"""Some of a full failover kept in a partial one that the tenant's controller leads: both halves or none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import cast

import pytest
from msgspec import structs

from causeway_controller.contract.requests import FailOver, FailOverSite, Undo, UndoSite
from causeway_controller.contract.tenant import Hook, Hooks
from causeway_controller.failover.steps import Call
from causeway_controller.inventory.modes import Partial
from causeway_wire.problem import ProblemError
from tests.linked_sites import (
    DEADLINES,
    NETWORK,
    ONES,
    SHORT,
    VM,
    Linked,
    TimedAgent,
    agree,
    linked,
    there,
)
from tests.workflow_bench import PLAN

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
async def both(tmp_path: Path, unused_tcp_port: int) -> AsyncIterator[Linked]:
    async with linked(tmp_path, unused_tcp_port) as made:
        yield made
        assert made.faults == []


OTHER = "vm-0-1"
BOTH = FailOverSite(tenant="acme", vms=frozenset({VM, OTHER}))
KEEP = FailOver(tenant="acme", vms=ONES, end_full=True)


async def test_some_of_a_full_failover_stay_in_a_partial_one_that_the_tenant_leads(both: Linked) -> None:
    assert await there(both, BOTH) == "finished"
    with pytest.raises(ProblemError, match="own controller leads its partial failovers"):
        await both.provider.runs.plan(UndoSite(tenant="acme", keep_partial=ONES), host="esx1")
    run = await both.start(KEEP)
    assert await both.ended(run) == "finished", both.tenant.last(run.id)
    agree(both, "finished")


async def test_what_a_run_left_of_a_full_failover_that_it_ended_the_same_one_takes_up(both: Linked) -> None:
    """Its half was kept, and its appliance had gone back by then: it is asked for again in the same words."""
    assert await there(both, BOTH) == "finished"

    async def expire(stage: str, moment: str) -> None:
        if (stage, moment) == ("stage 6", "before"):
            cast(TimedAgent, both.tenant.agents["acme-tenant-0"])._expire()

    usual, both.tenant.engine.at = both.tenant.engine.at, expire
    run = await both.start(KEEP)
    assert await both.ended(run) == "failed"
    assert any("nobody here answers" in one for one in both.tenant.last(run.id)[1]["kept"])
    both.tenant.engine.at = usual
    again = await both.start(KEEP)
    assert await both.ended(again) == "finished", both.tenant.last(again.id)
    agree(both, "finished")


async def test_without_a_full_failover_there_is_none_to_end(both: Linked) -> None:
    run = await both.start(KEEP)
    assert await both.ended(run) == "failed"
    assert "not in full failover" in both.tenant.last(run.id)[1]["why"]
    agree(both, "failed")


@pytest.mark.parametrize("stage", [f"stage {n}" for n in range(2, 5)])
async def test_a_full_failover_goes_on_when_the_tenants_half_does_not_come(
    tmp_path: Path, unused_tcp_port: int, stage: str
) -> None:
    async with linked(tmp_path, unused_tcp_port, confirm=SHORT) as both:
        assert await there(both, BOTH) == "finished"
        both.tenant.engine.kill_at, both.tenant.engine.rest = (stage, "after"), DEADLINES
        run = await both.start(KEEP)
        assert await both.ended(run) == "failed"
        assert both.provider.standings.get("acme", "esx1").mode.name == "full"
        assert both.provider.agents["acme-provider"].mode.startswith("full")
        assert both.provider.running() == {VM, OTHER}
        assert both.at_tenant() == frozenset()
        both.faults.clear()


@pytest.mark.parametrize("side", ["provider", "tenant"])
async def test_whoever_is_killed_while_some_are_kept_another_one_goes_on(
    tmp_path: Path, unused_tcp_port_factory: Callable[[], int], side: str
) -> None:
    for number, at in enumerate((("stage 2", "before"), ("stage 2", "after"), ("stage 5", "after"))):
        place = tmp_path / str(number)
        place.mkdir()
        async with linked(place, unused_tcp_port_factory(), confirm=60) as both:
            assert await there(both, BOTH) == "finished"
            site = both.provider if side == "provider" else both.tenant
            site.engine.kill_at = at
            run = await both.start(KEEP)
            assert await both.ended(run) == "finished", both.tenant.last(run.id)
            assert both.faults == []
            agree(both, "finished")


async def slow_hook(both: Linked) -> None:
    """What replicates is released for longer than the tenant's appliance waits."""

    async def rest(_: Call) -> None:
        await asyncio.sleep(2.0 * SHORT)

    both.provider.hooks.on_call = rest


async def stuck(both: Linked) -> None:
    """The replica of the other one can not be powered off."""
    both.provider.hypervisor.broken = {f"acme/{OTHER}"}


async def stopped(both: Linked) -> None:
    """The provider's staff asks that its run stop, while there is only left to end the others."""

    async def stop(stage: str, moment: str) -> None:
        if stage == "stage 5" and moment == "remembered":
            (open_,) = both.provider.runs_kept.open()
            await both.provider.runs.stop(open_.id, actor="otto")

    both.provider.engine.at = stop


async def failing_hook(both: Linked) -> None:
    """What replicates is not released."""
    both.provider.hooks.failing = {"release"}


@pytest.mark.parametrize("trouble", [slow_hook, stuck, stopped, failing_hook])
async def test_what_is_left_of_a_full_failover_sends_no_half_back(
    tmp_path: Path, unused_tcp_port: int, trouble: Callable[[Linked], Awaitable[None]]
) -> None:
    """The tenant's appliance is confirmed once the provider's is; what comes later takes nothing back."""
    async with linked(tmp_path, unused_tcp_port, confirm=SHORT) as both:
        both.provider.tenancies.hook(Hooks(release=Hook(name="release")))
        assert await there(both, BOTH) == "finished"
        await trouble(both)
        run = await both.start(KEEP)
        assert await both.ended(run) == "finished", both.tenant.last(run.id)
        assert (both.at_provider(), both.at_tenant()) == (ONES, ONES)
        assert both.tenant.standings.get("acme", NETWORK).mode.vms == ONES
        assert both.provider.standings.get("acme", "esx1").mode == Partial(ONES)
        assert both.faults == []
        await asyncio.sleep(2.0 * SHORT)
        assert (both.at_provider(), both.at_tenant()) == (ONES, ONES), "nothing was left to be taken back"
        left_on = trouble in {stuck, stopped}
        assert both.provider.running() == (ONES | {OTHER} if left_on else ONES)
        released = [call.hook for call, _ in both.provider.hooks.calls]
        assert released == ([] if left_on else ["release"]), "never under a replica that runs"


async def test_who_takes_over_what_is_settled_and_is_to_stop_sends_no_half_back(both: Linked) -> None:
    """That it is settled was kept, and the controller was killed before it remembered the stage."""
    assert await there(both, BOTH) == "finished"
    both.provider.engine.kill_at = at = ("stage 5", "after")
    usual = both.provider.engine.at

    async def stop(stage: str, moment: str) -> None:
        if (stage, moment) == at:
            for one in both.provider.runs_kept.open():
                await both.provider.runs.stop(one.id, actor="otto")
        await usual(stage, moment)

    both.provider.engine.at = stop
    run = await both.start(KEEP)
    assert await both.ended(run) == "finished", both.tenant.last(run.id)
    assert both.provider.engine.kills == [at]
    (serving,) = (one for one in both.provider.engine.ended if one.startswith("h-"))
    assert both.provider.last(serving)[0] == "finished", both.provider.last(serving)
    assert (both.at_provider(), both.at_tenant()) == (ONES, ONES)
    assert both.provider.standings.get("acme", "esx1").mode == Partial(ONES)


async def test_an_undo_while_the_others_are_ended_still_is_refused_before_anything_is_done(
    both: Linked,
) -> None:
    """The provider can not end its half yet: this site must not stop answering for it before."""
    assert await there(both, BOTH) == "finished"
    ended = asyncio.Event()

    async def slow(stage: str, moment: str) -> None:
        if stage == "stage 6" and moment == "before":
            await ended.wait()

    both.provider.engine.at = slow
    run = await both.start(KEEP)
    await both.tenant.engine.tasks[run.id]
    assert both.tenant.last(run.id)[0] == "finished"
    back = await both.start(Undo(tenant="acme", vms=ONES))
    await both.tenant.engine.tasks[back.id]
    assert both.tenant.last(back.id)[0] == "failed"
    assert "is not over" in both.tenant.last(back.id)[1]["why"]
    assert both.at_tenant() == ONES
    ended.set()
    assert await both.ended(run) == "finished"
    again = await both.start(Undo(tenant="acme", vms=ONES))
    assert await both.ended(again) == "finished", both.tenant.last(again.id)
    agree(both, "failed")


@pytest.mark.parametrize("at", [("stage 5", "after"), ("stage 6", "before"), ("stage 8", "after")])
async def test_who_takes_over_what_is_left_follows_the_plan_of_the_full_failover(
    both: Linked, at: tuple[str, str]
) -> None:
    """The tenant's mode is a partial failover by then, which tells of no plan."""
    assert await there(both, structs.replace(BOTH, plan=PLAN)) == "finished"
    both.provider.engine.kill_at = at
    both.provider.hooks.calls.clear()
    run = await both.start(KEEP)
    assert await both.ended(run) == "finished", both.tenant.last(run.id)
    assert both.provider.engine.kills == [at]
    (serving,) = (one for one in both.provider.engine.ended if one.startswith("h-"))
    assert both.provider.last(serving)[0] == "finished", both.provider.last(serving)
    agree(both, "finished")
    assert {call.hook for call, _ in both.provider.hooks.calls} == {"release"}


async def test_an_escalation_is_heard_of_before_the_last_replica_has_started(both: Linked) -> None:
    run = await both.start(FailOver(tenant="acme", vms=ONES))
    assert await both.ended(run) == "finished"
    usual, heard = both.provider.engine.at, list[str]()

    async def meanwhile(stage: str, moment: str) -> None:
        await usual(stage, moment)
        if not heard and both.provider.standings.get("acme", "esx1").mode.name == "full":
            heard.append(f"with {len(both.provider.running())} on")
            back = await both.start(Undo(tenant="acme", vms=ONES))
            await both.tenant.engine.tasks[back.id]
            heard.append(both.tenant.last(back.id)[0])

    both.provider.engine.at = meanwhile
    request = FailOverSite(tenant="acme", vms=ONES | {OTHER}, escalate=True)
    assert await there(both, request) == "finished"
    assert heard == ["with 1 on", "finished"]
    assert both.at_tenant() == frozenset()
    assert both.provider.running() == ONES | {OTHER}
    both.faults.clear()  # until it hears of it, its appliance answers for what has no tunnel any more
