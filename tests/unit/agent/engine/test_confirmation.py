"""Changes that are taken back unless confirmed (RFC 6241, 8.4), on fakes and a clock that tests move."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta

import pytest

from causeway_agent.engine import confirmation, service
from causeway_agent.errors import BackendError
from causeway_agent.plan.model.objects import Tun
from causeway_wire.change import ChangeState
from causeway_wire.observed import ApplianceState
from causeway_wire.problem import Problem, ProblemType
from tests.agents import REPLICA, Bench, partial, provider, tenant
from tests.unit.agent.engine.confirming import FIRST, LATER, final, forwards, machine, put, refused


@pytest.fixture(autouse=True)
def _short_naps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confirmation, "LONGEST_SLEEP", 0.01)


async def test_an_applied_change_awaits_and_is_in_force_once_confirmed() -> None:
    bench = Bench()
    async with service.running(bench.engine()) as engine:
        await put(engine, tenant(1))
        awaiting = await put(engine, tenant(2, failover=partial(REPLICA)), confirm=60)
        assert awaiting.state is ChangeState.AWAITING
        assert awaiting.deadline == bench.clock.now() + timedelta(seconds=60)
        assert engine.state.in_force is not None
        assert engine.state.in_force.document == tenant(1)
        assert (await engine.observed()).failover == "partial"
        assert engine.appliance_state() is ApplianceState.APPLYING
        applied = machine(bench)
        done = await engine.changes.decisions.confirm(awaiting.id, connected=LATER, epoch=1)
        assert (done.state, machine(bench)) == (ChangeState.DONE, applied)
        assert engine.state.in_force.document == tenant(2, failover=partial(REPLICA))
        assert await engine.changes.decisions.confirm(awaiting.id, connected=LATER, epoch=1) == done
        assert bench.dead_man.armed == {}
    async with service.running(bench.engine()) as engine:
        assert engine.state.conforming == 2


async def test_who_watches_from_outside_is_armed_before_the_first_effect_and_again_at_the_deadline() -> None:
    bench = Bench()
    order: list[str] = []
    enter = bench.fuse.enter

    def noted(doing: str) -> None:
        order.append(doing.partition(" ")[0])
        enter(doing)

    async with service.running(bench.engine()) as engine:
        await put(engine, tenant(1))
        bench.fuse.enter = noted  # type: ignore[method-assign]
        await put(engine, tenant(2, failover=partial(REPLICA)), confirm=60)
        effects = [word for word in order if word not in ("write", "delete")]
        assert (effects[0], effects[-1]) == ("arm", "arm")
        assert [seconds for _, seconds in bench.dead_man.history] == [60, 60]


@pytest.mark.parametrize("first", [True, False])
async def test_what_is_not_confirmed_in_time_is_taken_back(*, first: bool) -> None:
    bench = Bench()
    async with service.running(bench.engine()) as engine:
        if not first:
            await put(engine, tenant(1))
        before = machine(bench)
        change = await put(engine, tenant(2, failover=partial(REPLICA)), confirm=60)
        assert machine(bench) != before
        bench.clock.advance(59.9)
        await asyncio.sleep(0.05)
        assert engine.records.get(change.id) == change
        bench.clock.advance(0.2)
        ended = await final(engine, change)
        assert ended.state is ChangeState.ROLLED_BACK
        assert isinstance(ended.problem, Problem)
        assert "not confirmed before its deadline" in ended.problem.detail
        assert machine(bench) == before
        assert engine.health().healthy
        assert (engine.state.in_force is None) == first
        assert bench.dead_man.armed == {}
        await refused(
            ProblemType.NOT_AWAITING, engine.changes.decisions.confirm(change.id, connected=LATER, epoch=1)
        )


async def test_a_cancelled_change_is_taken_back_at_once_and_cancelling_again_is_free() -> None:
    bench = Bench()
    async with service.running(bench.engine()) as engine:
        await put(engine, tenant(1))
        before = machine(bench)
        change = await put(engine, tenant(2, failover=partial(REPLICA)), confirm=60)
        ended = await engine.changes.decisions.cancel(change.id, epoch=1)
        assert (ended.state, machine(bench)) == (ChangeState.ROLLED_BACK, before)
        assert await engine.changes.decisions.cancel(change.id, epoch=1) == ended
        assert (await put(engine, tenant(3, failover=partial(REPLICA)))).state is ChangeState.DONE


@pytest.mark.parametrize("restarted", [True, False])
@pytest.mark.parametrize("late", [True, False])
@pytest.mark.parametrize("first", [True, False])
async def test_a_second_copy_that_comes_after_its_change_was_taken_back_changes_nothing(
    *, first: bool, late: bool, restarted: bool
) -> None:
    """Whoever took it back, or heard of it, has gone on: what it would claim nobody serves any more."""
    bench, document = Bench(), tenant(2, failover=partial(REPLICA))
    async with contextlib.AsyncExitStack() as lives:
        engine = await lives.enter_async_context(service.running(bench.engine()))
        if not first:
            await put(engine, tenant(1))
        change = await put(engine, document, confirm=60)
        if late:
            bench.clock.advance(61)
            await final(engine, change)
        else:
            await engine.changes.decisions.cancel(change.id, epoch=1)
        if restarted:
            await lives.aclose()
            engine = await lives.enter_async_context(service.running(bench.engine()))
        before = machine(bench)
        found = await refused(ProblemType.STALE_GENERATION, put(engine, document, confirm=60))
        assert (found.generation, found.change) == (2, change.id)
        assert machine(bench) == before
        assert engine.changes.in_flight is None


async def test_an_agent_that_died_takes_what_awaited_a_confirmation_under_another_generation() -> None:
    bench = Bench()
    async with service.running(bench.engine()) as engine:
        await put(engine, tenant(2, failover=partial(REPLICA)), confirm=60)
    async with service.running(bench.engine()) as engine:
        await refused(ProblemType.STALE_GENERATION, put(engine, tenant(2, failover=partial(REPLICA))))
        assert (await put(engine, tenant(3, failover=partial(REPLICA)))).state is ChangeState.DONE


async def test_an_extended_deadline_counts_from_now_and_is_told_to_who_watches() -> None:
    bench = Bench()
    async with service.running(bench.engine()) as engine:
        await put(engine, tenant(1))
        change = await put(engine, tenant(2), confirm=10)
        bench.clock.advance(9)
        extended = await engine.changes.decisions.extend(change.id, seconds=30, epoch=1)
        assert extended.deadline == bench.clock.now() + timedelta(seconds=30)
        assert bench.dead_man.armed == {change.id: 30}
        bench.clock.advance(29)
        await asyncio.sleep(0.05)
        assert engine.records.get(change.id) == extended
        bench.clock.advance(2)
        assert (await final(engine, change)).state is ChangeState.ROLLED_BACK
        await refused(
            ProblemType.NOT_AWAITING, engine.changes.decisions.extend(change.id, seconds=30, epoch=1)
        )


async def test_an_old_connection_and_one_that_is_none_prove_nothing() -> None:
    bench = Bench()
    bench.clock.advance(100)
    async with service.running(bench.engine()) as engine:
        change = await put(engine, tenant(1), confirm=60)
        confirm = engine.changes.decisions.confirm
        for connected in (None, 0.0, bench.clock.monotonic()):
            await refused(ProblemType.SAME_CONNECTION, confirm(change.id, connected=connected, epoch=1))
        assert (await confirm(change.id, connected=100.001, epoch=1)).state is ChangeState.DONE


async def test_nothing_else_is_tried_while_one_awaits_and_a_repeat_is_known() -> None:
    bench = Bench()
    async with service.running(bench.engine()) as engine:
        change = await put(engine, tenant(1), confirm=60)
        found = await refused(
            ProblemType.AWAITING_CONFIRMATION,
            engine.changes.submit(tenant(2), requested_by="tests", preconditions=FIRST),
        )
        assert (found.change, "confirm it or cancel it" in found.detail) == (change.id, True)
        assert await put(engine, tenant(1), confirm=60) == change


async def test_what_needs_no_confirmation_or_does_not_exist_cannot_be_confirmed() -> None:
    bench = Bench()
    async with service.running(bench.engine()) as engine:
        decisions = engine.changes.decisions
        done = await put(engine, tenant(1))
        assert await decisions.confirm(done.id, connected=None, epoch=1) == done
        await refused(ProblemType.NOT_AWAITING, decisions.cancel(done.id, epoch=1))
        for decision in (
            decisions.confirm("none", connected=LATER, epoch=1),
            decisions.cancel("none", epoch=1),
        ):
            await refused(ProblemType.NOT_FOUND, decision)


async def test_a_restart_counts_as_not_confirmed() -> None:
    bench = Bench()
    async with service.running(bench.engine()) as engine:
        await put(engine, tenant(1))
        before = machine(bench)
        change = await put(engine, tenant(2, failover=partial(REPLICA)), confirm=60)
    assert machine(bench) != before
    async with service.running(bench.engine()) as engine:
        assert machine(bench) == before
        found = engine.records.get(change.id)
        assert found is not None
        assert found.state is ChangeState.ROLLED_BACK
        assert bench.dead_man.armed == {}


async def test_drift_is_repaired_toward_the_applied_document_while_it_awaits() -> None:
    bench = Bench()
    async with service.running(bench.engine()) as engine:
        await put(engine, tenant(1))
        await put(engine, tenant(2, failover=partial(REPLICA)), confirm=60)
        wanted = machine(bench)
        bench.kernel.meddle(next(o for o in bench.kernel.objects.values() if isinstance(o, Tun)))
        async with asyncio.timeout(5):
            while machine(bench) != wanted:
                await engine.reconciler.looked.wait()


async def test_a_change_is_not_begun_when_nobody_would_watch_it() -> None:
    bench = Bench()
    async with service.running(bench.engine()) as engine:
        await put(engine, tenant(1))
        before = machine(bench)

        async def broken(*_: object, **__: object) -> None:
            raise BackendError("arm", "no")

        bench.dead_man.arm = broken  # type: ignore[method-assign]
        assert (await put(engine, tenant(2), confirm=60)).state is ChangeState.FAILED
        assert machine(bench) == before


async def test_going_back_that_fails_closes_the_machine_until_it_succeeds() -> None:
    bench = Bench()
    async with service.running(bench.engine()) as engine:
        await put(engine, provider(1, failover=partial(REPLICA)))
        open_ = machine(bench)
        change = await put(engine, provider(2), confirm=60)
        put_object, broken = bench.kernel.put, True

        async def refusing(item: object) -> None:
            if broken and isinstance(item, Tun):
                raise BackendError("put", "refused by the test")
            await put_object(item)  # type: ignore[arg-type]

        bench.kernel.put = refusing  # type: ignore[method-assign]
        await engine.changes.decisions.cancel(change.id, epoch=1)
        assert engine.appliance_state() is ApplianceState.DEGRADED
        for _ in range(3):
            policy = bench.firewall.policy
            assert policy is not None
            assert policy.management
            assert (policy.forwards, policy.arp, policy.listeners) == (frozenset(),) * 3
            assert not [item for item in machine(bench)[0] if forwards(item)]  # type: ignore[attr-defined]
            await engine.reconciler.looked.wait()
        broken = False
        async with asyncio.timeout(5):
            while not engine.health().healthy:
                await engine.reconciler.looked.wait()
        assert machine(bench) == open_


async def test_a_commit_that_reached_the_disk_but_not_us_is_taken_off_it_again() -> None:
    bench = Bench()
    async with service.running(bench.engine()) as engine:
        await put(engine, tenant(1))
        change = await put(engine, tenant(2, failover=partial(REPLICA)), confirm=60)
        write, broken = bench.storage.write, [True]

        def half(name: str, data: bytes) -> None:
            write(name, data)
            if broken and broken.pop():
                raise BackendError("sync", "Input/output error")

        bench.storage.write = half  # type: ignore[method-assign]
        await refused(
            ProblemType.APPLY_FAILED, engine.changes.decisions.confirm(change.id, connected=LATER, epoch=1)
        )
    async with service.running(bench.engine()) as engine:
        assert engine.state.conforming == 1
