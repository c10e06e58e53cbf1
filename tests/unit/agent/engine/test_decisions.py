"""Decisions about a change that awaits one, while the disk refuses them."""

from __future__ import annotations

import asyncio

import pytest

from causeway_agent.engine import confirmation, journal, service
from causeway_agent.errors import BackendError
from causeway_wire.change import Change, ChangeState
from causeway_wire.problem import ProblemError, ProblemType
from tests.agents import REPLICA, Bench, partial, tenant
from tests.unit.agent.engine.confirming import LATER, final, machine, put, refused


@pytest.fixture(autouse=True)
def _short_naps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confirmation, "LONGEST_SLEEP", 0.01)


@pytest.mark.parametrize("then", ["confirmed", "cancelled", "overdue", "killed"])
async def test_a_confirmation_that_cannot_be_recorded_is_refused_and_the_change_awaits_another(
    then: str,
) -> None:
    """What others rely on meanwhile is taken back by who knows them, in their order, or in time."""
    bench = Bench()
    async with service.running(bench.engine()) as engine:
        decisions = engine.changes.decisions
        await put(engine, tenant(1))
        before = machine(bench)
        change = await put(engine, tenant(2, failover=partial(REPLICA)), confirm=60)
        applied = machine(bench)
        bench.fuse.mend()
        bench.fuse.refuse = {1}
        found = await refused(
            ProblemType.APPLY_FAILED, decisions.confirm(change.id, connected=LATER, epoch=1)
        )
        assert "could not be recorded" in found.detail
        assert found.change == change.id
        assert (machine(bench), engine.records.get(change.id)) == (applied, change)
        assert bench.dead_man.armed == {change.id: 60}
        if then == "confirmed":
            assert (await decisions.confirm(change.id, connected=LATER, epoch=1)).state is ChangeState.DONE
        elif then == "cancelled":
            assert (await decisions.cancel(change.id, epoch=1)).state is ChangeState.ROLLED_BACK
        elif then == "overdue":
            bench.clock.advance(60.1)
            assert (await final(engine, change)).state is ChangeState.ROLLED_BACK
        if then != "killed":
            assert machine(bench) == (applied if then == "confirmed" else before)
    async with service.running(bench.engine()) as engine:
        assert engine.state.conforming == (2 if then == "confirmed" else 1)


async def test_who_cancels_while_a_confirmation_is_refused_by_the_disk_is_obeyed() -> None:
    bench = Bench()
    async with service.running(bench.engine()) as engine:
        decisions = engine.changes.decisions
        await put(engine, tenant(1))
        before = machine(bench)
        change = await put(engine, tenant(2, failover=partial(REPLICA)), confirm=60)
        bench.fuse.mend()
        bench.fuse.refuse = {1}
        confirmed, cancelled = await asyncio.gather(
            decisions.confirm(change.id, connected=LATER, epoch=1),
            decisions.cancel(change.id, epoch=1),
            return_exceptions=True,
        )
        assert isinstance(confirmed, ProblemError)
        assert isinstance(cancelled, Change)
        assert (cancelled.state, machine(bench)) == (ChangeState.ROLLED_BACK, before)


async def test_an_address_that_was_answered_for_while_the_disk_refused_a_confirmation_is_given_back() -> None:
    bench = Bench()
    async with service.running(bench.engine()) as engine:
        await put(engine, tenant(1))
        before = machine(bench)
        change = await put(engine, tenant(2, failover=partial(REPLICA)), confirm=60)
        bench.fuse.mend()
        bench.fuse.refuse = {1}
        confirming = asyncio.create_task(
            engine.changes.decisions.confirm(change.id, connected=LATER, epoch=1)
        )
        assert engine.changes._applied is not None
        (claim, *_) = engine.changes._applied.way.plan.probes
        engine.state.release(claim, "02:00:00:00:07:01")
        await refused(ProblemType.APPLY_FAILED, confirming)
        assert (await final(engine, change)).state is ChangeState.ROLLED_BACK
        assert machine(bench) == before


@pytest.mark.parametrize("then", ["cancelled", "overdue"])
async def test_a_confirmation_that_reached_the_disk_alone_is_taken_off_it_with_its_change(then: str) -> None:
    """The disk held the new pointer, and refused the old one until the change was taken back."""
    bench = Bench()
    async with service.running(bench.engine()) as engine:
        decisions = engine.changes.decisions
        await put(engine, tenant(1))
        change = await put(engine, tenant(2, failover=partial(REPLICA)), confirm=60)
        write, broken = bench.storage.write, [False]

        def failing(name: str, data: bytes) -> None:
            if not broken[0]:
                write(name, data)
            if name == journal.POINTER or broken[0]:
                broken[0] = True
                raise BackendError("sync", "Input/output error")

        bench.storage.write = failing  # type: ignore[method-assign]
        await refused(ProblemType.APPLY_FAILED, decisions.confirm(change.id, connected=LATER, epoch=1))
        bench.storage.write = write  # type: ignore[method-assign]
        if then == "cancelled":
            await decisions.cancel(change.id, epoch=1)
        else:
            bench.clock.advance(60.1)
        assert (await final(engine, change)).state is ChangeState.ROLLED_BACK
    async with service.running(bench.engine()) as engine:
        assert engine.state.conforming == 1
        assert not engine.state.damage["journal"]


async def test_who_cancels_what_is_overdue_after_a_refused_confirmation_hears_the_end() -> None:
    bench = Bench()
    async with service.running(bench.engine()) as engine:
        decisions = engine.changes.decisions
        await put(engine, tenant(1))
        change = await put(engine, tenant(2, failover=partial(REPLICA)), confirm=60)
        bench.fuse.mend()
        bench.fuse.refuse = {1}
        await refused(ProblemType.APPLY_FAILED, decisions.confirm(change.id, connected=LATER, epoch=1))
        bench.clock.advance(60.1)
        assert (await decisions.cancel(change.id, epoch=1)).state is ChangeState.ROLLED_BACK
