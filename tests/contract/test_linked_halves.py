"""A partial failover by two controllers: both halves or none, whoever dies and whatever is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from causeway_controller.api import halves
from causeway_controller.contract.requests import (
    FailBack,
    FailOver,
    FailOverSite,
    MakePermanent,
    StopServing,
    Undo,
)
from causeway_controller.contract.tenant import Hook, Hooks
from causeway_controller.failover.steps import Call, Ending
from causeway_controller.inventory.tenancy import ProviderHalf
from causeway_controller.peers import half
from causeway_controller.store.runs import Run
from causeway_controller.workflows import other_site
from causeway_wire import codec
from causeway_wire.problem import ProblemError, ProblemType
from tests import linked_sites, run_events
from tests.faulty_line import Fault
from tests.linked_sites import (
    HOST,
    NETWORK,
    ONES,
    VM,
    Linked,
    TimedAgent,
    agree,
    linked,
    there,
)
from tests.runs_bench import START
from tests.two_sites import NAME

pytestmark = pytest.mark.timeout(300)
BEGIN = FailOver(tenant="acme", vms=ONES)


@pytest.fixture
async def both(tmp_path: Path, unused_tcp_port: int) -> AsyncIterator[Linked]:
    async with linked(tmp_path, unused_tcp_port) as made:
        yield made
        assert made.faults == []


async def test_both_halves_and_back(both: Linked) -> None:
    run = await both.start(BEGIN)
    assert await both.ended(run) == "finished", both.tenant.last(run.id)
    agree(both, "finished")
    log = [line for line in both.provider.log if "waits" not in line]
    assert log[-1] == "acme-provider confirmed"
    back = await both.start(Undo(tenant="acme", vms=ONES))
    assert await both.ended(back) == "finished", both.tenant.last(back.id)
    agree(both, "failed")
    assert VM not in both.provider.running()


@pytest.mark.parametrize("kind", ["begin", "undo"])
async def test_a_half_waits_for_another_run_of_the_providers_host(both: Linked, kind: str) -> None:
    """The tenant's other network's, for one: a site of several networks fails over all of them at once."""
    if kind == "undo":
        assert await both.ended(await both.start(BEGIN)) == "finished"
    kept, at = both.provider.runs_kept, START
    words = codec.encode(StopServing(tenant="acme", vms=frozenset({"vm-0-1"}))).decode()
    another = Run(id="r-9", tenant="acme", host=HOST, request=words, actor="otto", at=at)
    if kind == "begin":
        kept.start(another)
    else:
        both.tenant.engine.at = occupied(both, another)
    run = await both.start(BEGIN if kind == "begin" else Undo(tenant="acme", vms=ONES))
    await asyncio.sleep(1.0)
    assert not both.tenant.engine.tasks[run.id].done()
    run_events.finish(kept, another.id, epoch=1, kind="finished", detail="{}", at=at)
    assert await both.ended(run) == "finished", both.tenant.last(run.id)
    agree(both, "finished" if kind == "begin" else "failed")


def occupied(both: Linked, another: Run) -> Callable[[str, str], Awaitable[None]]:
    """Once the tenant's appliance has stopped answering, another run begins at the provider's."""

    async def at(stage: str, moment: str) -> None:
        if (stage, moment) == ("stage 2", "after"):
            both.provider.runs_kept.start(another)

    return at


async def test_who_dies_while_it_takes_back_leaves_nothing(both: Linked) -> None:
    both.tenant.agents["acme-tenant-0"].connected = False
    both.tenant.engine.kill_at = ("undo stage 3", "after")
    run = await both.start(BEGIN)
    assert await both.ended(run) == "failed"
    assert both.tenant.engine.kills == [("undo stage 3", "after")]
    agree(both, "failed")


async def test_a_tenants_appliance_that_is_not_heard_keeps_the_providers_half(both: Linked) -> None:
    """SILENCE: what it may still answer for stays served until the appliance's own deadline is over."""
    appliance = both.tenant.agents["acme-tenant-0"]

    async def lose(stage: str, moment: str) -> None:
        if (stage, moment) == ("stage 3", "remembered"):
            appliance.lost = True

    both.tenant.engine.at = lose
    run = await both.start(BEGIN)
    await both.tenant.engine.tasks[run.id]
    kind, told = both.tenant.last(run.id)
    assert kind == "failed"
    assert any("has not been heard" in one for one in told["kept"])
    assert both.at_provider() == ONES, "it may be relied on"


async def test_stopped_by_the_providers_staff_it_waits_until_nothing_relies_on_it(both: Linked) -> None:
    async def stop(stage: str, moment: str) -> None:
        if (stage, moment) == ("stage 3", "remembered"):
            (open_,) = both.provider.runs_kept.open()
            await both.provider.runs.stop(open_.id, actor="otto")

    both.tenant.engine.at = stop
    run = await both.start(BEGIN)
    assert await both.ended(run) == "failed"
    agree(both, "failed")


async def test_stopped_by_the_tenants_staff_a_half_that_is_prepared_goes_no_further(
    both: Linked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(other_site, "_STOP_SECONDS", 0.1)

    async def slow(stage: str, moment: str) -> None:
        if (stage, moment) == ("stage 1", "before"):
            (theirs,), (ours,) = both.tenant.runs_kept.open(), both.provider.runs_kept.open()
            await both.tenant.runs.stop(theirs.id, actor="anna")
            for _ in range(100):
                if any(both.provider.runs_kept.to_stop([ours.id])):
                    break
                await asyncio.sleep(0.05)

    both.provider.engine.at = slow
    run = await both.start(BEGIN)
    assert await both.ended(run) == "failed"
    assert both.provider.log == []
    agree(both, "failed")


async def test_a_providers_appliance_that_is_slow_to_answer_is_waited_for(
    both: Linked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that a busy machine emulates takes longer than an order waits at the provider's controller."""
    monkeypatch.setattr(halves, "_GRANT_SECONDS", 0.3)
    slow = cast(TimedAgent, both.provider.agents["acme-provider"])
    slow.slow = [1.0]
    run = await both.start(BEGIN)
    assert await both.ended(run) == "finished", both.tenant.last(run.id)
    assert not slow.slow
    agree(both, "finished")


@pytest.mark.parametrize("fault", [Fault.REFUSED, Fault.REQUEST_LOST, Fault.ANSWER_LOST, Fault.REPEATED])
async def test_a_message_that_is_lost_or_comes_twice_changes_nothing(both: Linked, fault: Fault) -> None:
    """Each second message is met, from the first after the looks before the beginning."""
    both.line.faults = [Fault.NONE, Fault.NONE, *(fault, Fault.NONE) * 20]
    run = await both.start(BEGIN)
    assert await both.ended(run) == "finished", both.tenant.last(run.id)
    assert fault in both.line.struck
    agree(both, "finished")


async def test_an_order_of_a_controller_that_is_over_is_refused(both: Linked) -> None:
    run = await both.start(BEGIN)
    assert await both.ended(run) == "finished"
    late = both.tenant.halves(NAME, run.id)
    assert late is not None
    await late.fence(50)
    for order in (
        late.close("esx1", ONES, opened=True, ending=Ending.UNDO, epoch=7),
        late.confirm(run.id, epoch=7),
    ):
        with pytest.raises(ProblemError) as caught:
            await order
        assert caught.value.problem.type == ProblemType.STALE_EPOCH.urn
    agree(both, "finished")


async def test_the_providers_staff_neither_opens_a_half_nor_ends_one(both: Linked) -> None:
    run = await both.start(BEGIN)
    assert await both.ended(run) == "finished"
    with pytest.raises(ProblemError) as caught:
        await both.provider.runs.start(Undo(tenant="acme", vms=ONES), host="esx1", actor="otto")
    assert caught.value.problem.type == ProblemType.NOT_ALLOWED.urn
    agree(both, "finished")


@pytest.mark.parametrize("stage", ["stage 1", "stage 2", "stage 3"])
async def test_a_site_that_is_lost_while_its_half_is_only_held_fails_over_as_a_whole(
    both: Linked, stage: str
) -> None:
    """At once: nobody there is asked, no deadline is waited for. What comes back finds nothing to keep."""
    both.tenant.engine.kill_at, both.tenant.engine.rest = (stage, "after"), 6.0
    run = await both.start(BEGIN)
    await both.tenant.engine.died.wait()
    request = FailOverSite(tenant="acme", vms=ONES)
    assert (await both.provider.runs.plan(request, host="esx1")).stages
    async with asyncio.timeout(4):
        full = await both.provider.runs.start(request, host="esx1", actor="otto")
        await both.provider.engine.tasks[full.id]
    assert both.provider.last(full.id)[0] == "finished", both.provider.last(full.id)
    assert await both.ended(run) == "failed"
    assert both.at_tenant() == frozenset()
    assert both.tenant.standings.get("acme", NETWORK).mode.name == "idle"
    assert both.provider.standings.get("acme", "esx1").mode.name == "full"
    both.faults.clear()


async def test_the_provider_escalates_when_the_tenants_site_is_gone(both: Linked) -> None:
    run = await both.start(BEGIN)
    assert await both.ended(run) == "finished"
    request = FailOverSite(tenant="acme", vms=ONES, escalate=True)
    full = await both.provider.runs.start(request, host="esx1", actor="otto")
    await both.provider.engine.tasks[full.id]
    assert both.provider.last(full.id)[0] == "finished"
    assert both.provider.standings.get("acme", "esx1").mode.name == "full"
    back = await both.start(Undo(tenant="acme", vms=ONES))
    assert await both.ended(back) == "finished", "the full failover took the place of the half"
    assert both.at_tenant() == frozenset(), "it answers for nothing that is at the provider now"
    assert both.tenant.standings.get("acme", NETWORK).mode.name == "idle"
    assert both.provider.standings.get("acme", "esx1").mode.name == "full"
    both.faults.clear()


async def left_over(both: Linked) -> None:
    """A run that failed when its half was kept already, and could not have it ended over the line."""

    async def cut(stage: str, moment: str) -> None:
        if (stage, moment) == ("stage 6", "before"):
            cast(TimedAgent, both.tenant.agents["acme-tenant-0"])._expire()
            both.line.faults = [Fault.REFUSED] * 500

    usual, both.tenant.engine.at = both.tenant.engine.at, cut
    run = await both.start(BEGIN)
    assert await both.ended(run) == "failed"
    assert both.tenant.last(run.id)[1]["kept"], "it says what stands"
    both.line.faults, both.tenant.engine.at = [], usual
    assert (both.at_provider(), both.at_tenant()) == (ONES, frozenset())


async def test_what_a_run_left_at_the_provider_the_next_one_takes_up(both: Linked) -> None:
    await left_over(both)
    again = await both.start(BEGIN)
    assert await both.ended(again) == "finished", both.tenant.last(again.id)
    agree(both, "finished")


async def test_what_a_run_left_at_the_provider_is_undone(both: Linked) -> None:
    await left_over(both)
    site = both.tenant.tenancies.site
    serving = replace(cast(ProviderHalf, site.tenants["acme"].provider), serves=ONES)
    known = replace(site.tenants["acme"], provider=serving)
    both.tenant.tenancies.site = replace(site, tenants={"acme": known})
    back = await both.start(Undo(tenant="acme", vms=ONES))
    assert await both.ended(back) == "finished", both.tenant.last(back.id)
    agree(both, "failed")


async def test_what_a_replica_wrote_is_given_back_by_the_tenants_run(both: Linked) -> None:
    """By the provider's hook, which is told that production goes on with it."""
    both.provider.tenancies.hook(Hooks(release=Hook(name="release")))
    run = await both.start(BEGIN)
    assert await both.ended(run) == "finished"
    assert await there(both, MakePermanent(tenant="acme", vms=ONES)) == "finished"
    both.provider.hooks.calls.clear()
    back = await both.start(FailBack(tenant="acme"))
    assert await both.ended(back) == "finished", both.tenant.last(back.id)
    agree(both, "failed")
    ((call, _),) = both.provider.hooks.calls
    assert (call.hook, call.request, call.vms) == ("release", "fail-back", (VM,))


def slower_than_a_start(both: Linked, monkeypatch: pytest.MonkeyPatch, *, hook: float, start: float) -> None:
    """From now on the provider's hook takes so many seconds, and a start is waited for so many."""

    async def rest(_: Call) -> None:
        await asyncio.sleep(hook)

    both.provider.hooks.on_call = rest
    monkeypatch.setattr(linked_sites, "PATIENCE", replace(linked_sites.PATIENCE, open=start))
    monkeypatch.setattr(half, "_WAIT", 1)


async def test_a_hook_that_brings_production_up_to_date_has_longer_than_a_start(
    both: Linked, monkeypatch: pytest.MonkeyPatch
) -> None:
    both.provider.tenancies.hook(Hooks(release=Hook(name="release")))
    run = await both.start(BEGIN)
    assert await both.ended(run) == "finished"
    slower_than_a_start(both, monkeypatch, hook=3.0, start=0.5)
    back = await both.start(FailBack(tenant="acme"))
    assert await both.ended(back) == "finished", both.tenant.last(back.id)
    agree(both, "failed")


async def test_a_hook_that_holds_replication_may_take_longer_than_a_start(
    both: Linked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as the provider says that it prepares its half, nothing relies on it, and it is waited for."""
    both.provider.tenancies.hook(Hooks(hold=Hook(name="hold")))
    slower_than_a_start(both, monkeypatch, hook=5.0, start=1.5)
    run = await both.start(BEGIN)
    assert await both.ended(run) == "finished", both.tenant.last(run.id)
    agree(both, "finished")


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (FailBack(tenant="acme", vms=ONES), "no hook `release`"),
        (Undo(tenant="acme", vms=ONES), "its replica is production now"),
    ],
)
async def test_what_the_provider_would_refuse_is_refused_before_anything_is_done(
    both: Linked, request_: FailBack | Undo, words: str
) -> None:
    run = await both.start(BEGIN)
    assert await both.ended(run) == "finished"
    assert await there(both, MakePermanent(tenant="acme", vms=ONES)) == "finished"
    back = await both.start(request_)
    assert await both.ended(back) == "failed"
    assert words in both.tenant.last(back.id)[1]["why"]
    agree(both, "finished")
    synchronised = await both.start(FailBack(tenant="acme", synchronised=True))
    assert await both.ended(synchronised) == "finished"
    agree(both, "failed")
