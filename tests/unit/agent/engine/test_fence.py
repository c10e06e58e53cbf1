"""A newer workflow shuts out the older one: from documents and from decisions, also after a restart."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import pytest
from msgspec import UNSET

from causeway_agent.engine import service
from causeway_agent.engine.service import Engine
from causeway_agent.errors import BackendError
from causeway_wire.change import Change, ChangeState
from causeway_wire.problem import Problem, ProblemError, ProblemType
from tests.agents import REPLICA, Bench, partial, tenant
from tests.unit.agent.engine.confirming import FIRST, LATER, put, refused


async def awaiting(engine: Engine) -> Change:
    """A change of epoch 1 that awaits its confirmation."""
    await put(engine, tenant(1))
    return await put(engine, tenant(2, failover=partial(REPLICA)), confirm=60)


async def stale(call: Awaitable[object]) -> Problem:
    found = await refused(ProblemType.STALE_EPOCH, call)
    assert found.epoch == 2
    return found


async def test_what_is_raised_shuts_out_decisions_and_documents_of_before() -> None:
    async with service.running(Bench().engine()) as engine:
        change, decisions = await awaiting(engine), engine.changes.decisions
        await engine.changes.fence.raise_to(2)
        await stale(decisions.confirm(change.id, connected=LATER, epoch=1))
        await stale(decisions.cancel(change.id, epoch=1))
        await stale(decisions.extend(change.id, seconds=30, epoch=1))
        await stale(engine.changes.fence.raise_to(1))
        await stale(engine.changes.submit(tenant(3), requested_by="tests", preconditions=FIRST))
        assert engine.records.get(change.id) == change
        assert (await decisions.confirm(change.id, connected=LATER, epoch=2)).state is ChangeState.DONE


@pytest.mark.parametrize("decision", ["confirm", "cancel", "extend"])
async def test_a_decision_raises_it_as_well(decision: str) -> None:
    async with service.running(Bench().engine()) as engine:
        change, decisions = await awaiting(engine), engine.changes.decisions
        if decision == "confirm":
            await decisions.confirm(change.id, connected=LATER, epoch=2)
        elif decision == "cancel":
            await decisions.cancel(change.id, epoch=2)
        else:
            await decisions.extend(change.id, seconds=30, epoch=2)
        await stale(decisions.cancel(change.id, epoch=1))


async def test_a_decision_that_is_refused_raises_nothing() -> None:
    async with service.running(Bench().engine()) as engine:
        change, decisions = await awaiting(engine), engine.changes.decisions
        await refused(ProblemType.NOT_FOUND, decisions.confirm("none", connected=LATER, epoch=9))
        await refused(ProblemType.NOT_FOUND, decisions.cancel("none", epoch=9))
        await refused(ProblemType.NOT_FOUND, decisions.extend("none", seconds=30, epoch=9))
        await refused(ProblemType.SAME_CONNECTION, decisions.confirm(change.id, connected=None, epoch=9))
        assert engine.state.epoch == 1
        first = next(one for one in engine.records.all() if one.generation == 1)
        await refused(ProblemType.NOT_AWAITING, decisions.extend(first.id, seconds=30, epoch=9))
        await refused(ProblemType.NOT_AWAITING, decisions.cancel(first.id, epoch=9))
        assert engine.state.epoch == 1


async def test_a_stale_decision_points_at_no_document() -> None:
    async with service.running(Bench().engine()) as engine:
        change, decisions = await awaiting(engine), engine.changes.decisions
        await engine.changes.fence.raise_to(2)
        assert (await stale(decisions.cancel(change.id, epoch=1))).pointer is UNSET
        assert (await stale(engine.changes.fence.raise_to(1))).pointer == "/epoch"


async def test_the_machine_itself_needs_no_epoch_to_go_back() -> None:
    async with service.running(Bench().engine()) as engine:
        change = await awaiting(engine)
        await engine.changes.fence.raise_to(2)
        ended = await engine.changes.decisions.cancel(change.id, epoch=None)
        assert ended.state is ChangeState.ROLLED_BACK


async def test_a_restart_remembers_it() -> None:
    bench = Bench()
    async with service.running(bench.engine()) as engine:
        await put(engine, tenant(1))
        await engine.changes.fence.raise_to(2)
    async with service.running(bench.engine()) as engine:
        await stale(engine.changes.fence.raise_to(1))
        assert (await engine.observed()).epoch == 2
        assert engine.state.in_force is not None
        assert engine.state.in_force.document.generation == 1


async def test_a_document_that_was_on_its_way_is_not_admitted_after_it() -> None:
    bench = Bench()
    async with service.running(bench.engine()) as engine:
        await put(engine, tenant(1))
        await engine.changes.fence.turn.acquire()
        late = asyncio.create_task(
            engine.changes.submit(tenant(2), requested_by="tests", preconditions=FIRST)
        )
        raised = asyncio.create_task(engine.changes.fence.raise_to(2))
        await asyncio.sleep(0)
        engine.changes.fence.turn.release()
        await stale(late)
        await raised


async def test_a_disk_that_refuses_is_told_and_asked_again() -> None:
    bench = Bench()
    async with service.running(bench.engine()) as engine:
        await put(engine, tenant(1))
        bench.storage.full = True
        with pytest.raises(BackendError):
            await engine.changes.fence.raise_to(2)
        with pytest.raises(ProblemError):
            await engine.changes.fence.raise_to(1)
        bench.storage.full = False
        await engine.changes.fence.raise_to(2)
    async with service.running(bench.engine()) as engine:
        await stale(engine.changes.fence.raise_to(1))
