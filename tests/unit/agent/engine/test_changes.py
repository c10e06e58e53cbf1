"""Changes: applied whole or undone, whatever refuses or ends in between."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from causeway_agent.engine import service, transition
from causeway_agent.engine.admission import Preconditions
from causeway_agent.engine.service import Engine
from causeway_agent.engine.state import State
from causeway_agent.errors import BackendError
from causeway_agent.plan.model.objects import Link, ProxyNeighbour, Sysctl, Tun
from causeway_agent.plan.model.target import Facts, Target
from causeway_wire.change import Change, ChangeState, OperationState
from causeway_wire.desired import Desired
from causeway_wire.observed import ApplianceState
from causeway_wire.problem import Problem, ProblemError, ProblemType
from tests.agents import REPLICA, SECOND_REPLICA, Bench, partial, tenant
from tests.fakes.fuse import Crash

ANY = Preconditions(if_match=("*",))
FIRST = Preconditions(if_none_match=("*",))


async def apply(engine: Engine, document: Desired) -> Change:
    """Submit the document and wait for the end of its change."""
    preconditions = ANY if engine.state.in_force is not None else FIRST
    change, accepted = await engine.changes.submit(
        document, requested_by="tests", preconditions=preconditions
    )
    assert accepted
    final = await engine.records.wait(change.id, seconds=10)
    assert final is not None
    return final


@contextlib.asynccontextmanager
async def crashing(bench: Bench) -> AsyncIterator[Engine]:
    """An agent whose machine may lose power at any effect; what is left is the bench."""
    with contextlib.suppress(BaseExceptionGroup, Crash):
        async with service.running(bench.engine()) as engine:
            yield engine


def kernel_of(bench: Bench) -> tuple[object, ...]:
    """Everything outside the agent that lets packets in, out or through.

    Settings are never removed, so of those only what opens something counts; links stay up.
    """
    objects = {
        item
        for item in bench.kernel.objects.values()
        if not isinstance(item, Link) and not (isinstance(item, Sysctl) and not opens(item))
    }
    return objects, bench.firewall.policy, bench.processes.running()


def opens(setting: Sysctl) -> bool:
    """Whether packets pass, or addresses are answered for, because of this setting."""
    return setting.value != "0" and setting.key.endswith(("/forwarding", "/proxy_arp", "/proxy_ndp"))


async def settled(document: Desired) -> tuple[object, ...]:
    """What a fresh machine looks like with this document alone."""
    bench = Bench()
    async with service.running(bench.engine()) as engine:
        assert (await apply(engine, document)).state is ChangeState.DONE
    return kernel_of(bench)


async def test_a_change_reports_every_operation_and_is_verified() -> None:
    bench = Bench()
    async with service.running(bench.engine()) as engine:
        change = await apply(engine, tenant(1, failover=partial(REPLICA)))
        assert change.state is ChangeState.DONE
        assert change.operations
        assert {operation.state for operation in change.operations} == {OperationState.DONE}
        assert engine.state.conforming == 1
        assert [proxy.address for proxy in bench.neighbours.probed] == [REPLICA]
        assert [proxy.address for proxy in bench.neighbours.announced] == [REPLICA]


@pytest.mark.parametrize("plugged", [False, True])
async def test_what_a_document_means_is_worked_out_once_unless_the_facts_change(
    monkeypatch: pytest.MonkeyPatch, *, plugged: bool
) -> None:
    bench = Bench()
    worked_out: list[Desired] = []
    real = transition.meant

    def counted(state: State, document: Desired, facts: Facts) -> Target:
        worked_out.append(document)
        if plugged:
            bench.kernel.adapters["02:00:00:00:00:77"] = "eth7"
        return real(state, document, facts)

    monkeypatch.setattr(transition, "meant", counted)
    async with service.running(bench.engine()) as engine:
        assert (await apply(engine, tenant(1, failover=partial(REPLICA)))).state is ChangeState.DONE
        assert len(worked_out) >= 2 if plugged else len(worked_out) == 1


async def test_only_new_claims_are_probed_and_announced() -> None:
    bench = Bench()
    async with service.running(bench.engine()) as engine:
        await apply(engine, tenant(1, failover=partial(REPLICA)))
        await apply(engine, tenant(2, failover=partial(REPLICA, SECOND_REPLICA)))
    assert [proxy.address for proxy in bench.neighbours.probed] == [REPLICA, SECOND_REPLICA]
    assert [proxy.address for proxy in bench.neighbours.announced] == [REPLICA, SECOND_REPLICA]


async def test_going_idle_leaves_what_was_there_before() -> None:
    bench = Bench()
    async with service.running(bench.engine()) as engine:
        await apply(engine, tenant(1))
        before = kernel_of(bench)
        await apply(engine, tenant(2, failover=partial(REPLICA)))
        assert kernel_of(bench) != before
        await apply(engine, tenant(3))
        assert kernel_of(bench) == before


async def test_a_refusal_at_any_operation_goes_back_to_the_document_before() -> None:
    undone = 0
    for number in range(1, 200):
        bench = Bench()
        async with service.running(bench.engine()) as engine:
            await apply(engine, tenant(1))
            before = kernel_of(bench)
            bench.fuse.mend()
            # The first four effects write the journal; a change that is not on disk is not accepted.
            bench.fuse.refuse = {4 + number}
            change = await apply(engine, tenant(2, failover=partial(REPLICA)))
            if change.state is ChangeState.DONE and bench.fuse.count < 4 + number:
                break
            if change.state is ChangeState.FAILED:
                undone += 1
                assert isinstance(change.problem, Problem)
                assert change.problem.type == ProblemType.APPLY_FAILED.urn
                assert kernel_of(bench) == before
                assert engine.state.in_force is not None
                assert engine.state.in_force.document == tenant(1)
                assert engine.health().healthy
    assert undone > 10


@pytest.mark.parametrize("before", [True, False])
async def test_a_crash_at_any_effect_boots_into_the_document_before_or_the_new_one(*, before: bool) -> None:
    old, new = tenant(1), tenant(2, failover=partial(REPLICA))
    wanted = {1: await settled(old), 2: await settled(new)}
    reached = set()
    for at in range(1, 300):
        bench = Bench()
        async with service.running(bench.engine()) as engine:
            await apply(engine, old)
        bench.fuse.mend()
        async with crashing(bench) as engine:
            # Counted from the request on, not from the boot before it.
            bench.fuse.mend()
            bench.fuse.at, bench.fuse.before = at, before
            await apply(engine, new)
        crashed = bench.fuse.count >= at
        bench.fuse.mend()
        async with service.running(bench.engine()) as engine:
            generation = engine.state.in_force.document.generation if engine.state.in_force else None
            assert generation in wanted
            assert kernel_of(bench) == wanted[generation]
            assert engine.health().healthy
            assert all(change.final for change in engine.records.all())
            reached.add(generation)
        if not crashed:
            break
    assert reached == {1, 2}


async def test_a_crash_while_going_back_boots_into_the_document_before() -> None:
    wanted = await settled(tenant(1))
    for at in range(12, 60, 3):
        bench = Bench()
        async with service.running(bench.engine()) as engine:
            await apply(engine, tenant(1))
        async with crashing(bench) as engine:
            bench.fuse.mend()
            bench.fuse.refuse, bench.fuse.at = {10}, at
            await apply(engine, tenant(2, failover=partial(REPLICA)))
        bench.fuse.mend()
        async with service.running(bench.engine()):
            assert kernel_of(bench) == wanted


async def test_a_first_document_that_fails_leaves_the_closed_target() -> None:
    bench = Bench()
    async with service.running(bench.engine()) as engine:
        before = kernel_of(bench)
        bench.fuse.mend()
        bench.fuse.refuse = {9}
        change = await apply(engine, tenant(1, failover=partial(REPLICA)))
        assert change.state is ChangeState.FAILED
        assert kernel_of(bench) == before
        assert engine.appliance_state() is ApplianceState.UNCONFIGURED


async def test_what_failed_is_tried_again_under_another_generation_also_after_a_restart() -> None:
    bench = Bench()
    async with service.running(bench.engine()) as engine:
        bench.fuse.mend()
        bench.fuse.refuse = {9}
        failed = await apply(engine, tenant(1, failover=partial(REPLICA)))
        assert failed.state is ChangeState.FAILED
    async with service.running(bench.engine()) as engine:
        before, files = kernel_of(bench), dict(bench.storage.files)
        with pytest.raises(ProblemError) as caught:
            await apply(engine, tenant(1, failover=partial(REPLICA)))
        assert caught.value.problem.type == ProblemType.STALE_GENERATION.urn
        assert caught.value.problem.change == failed.id
        assert (kernel_of(bench), bench.storage.files) == (before, files)
        assert (await apply(engine, tenant(2, failover=partial(REPLICA)))).state is ChangeState.DONE


async def test_going_back_that_fails_is_degraded_and_repaired_later() -> None:
    bench = Bench()
    async with service.running(bench.engine()) as engine:
        await apply(engine, tenant(1))
        wanted = kernel_of(bench)
        perform = bench.kernel.put

        async def broken(item: object) -> None:
            if isinstance(item, Tun):
                bench.fuse.refuse_all = True
            await perform(item)  # type: ignore[arg-type]

        bench.kernel.put = broken  # type: ignore[method-assign]
        change, _ = await engine.changes.submit(
            tenant(2, failover=partial(REPLICA)), requested_by="tests", preconditions=ANY
        )
        final = await engine.records.wait(change.id, seconds=10)
        assert final is not None
        assert final.state is ChangeState.FAILED
        assert not engine.health().healthy
        bench.kernel.put = perform  # type: ignore[method-assign]
        bench.fuse.mend()
        async with asyncio.timeout(5):
            while not engine.health().healthy:
                await engine.reconciler.looked.wait()
        assert kernel_of(bench) == wanted


async def test_a_change_that_cannot_be_journaled_is_not_accepted() -> None:
    bench = Bench()
    async with service.running(bench.engine()) as engine:
        await apply(engine, tenant(1))
        before = kernel_of(bench)
        bench.fuse.mend()
        bench.fuse.refuse = {3}
        with pytest.raises(BackendError):
            await engine.changes.submit(tenant(2), requested_by="tests", preconditions=ANY)
        assert kernel_of(bench) == before
        assert engine.changes.in_flight is None


async def test_an_epoch_is_a_fence_across_a_restart() -> None:
    bench = Bench()
    async with service.running(bench.engine()) as engine:
        await apply(engine, tenant(1, epoch=1))
        bench.neighbours.taken[REPLICA] = "02:00:00:00:00:99"
        refused = await apply(engine, tenant(2, epoch=7, failover=partial(REPLICA)))
        assert refused.state is ChangeState.REFUSED
    async with service.running(bench.engine()) as engine:
        with pytest.raises(ProblemError) as caught:
            await engine.changes.submit(tenant(3, epoch=6), requested_by="tests", preconditions=ANY)
        assert caught.value.problem.type == ProblemType.STALE_EPOCH.urn


async def test_changes_survive_a_restart_and_their_numbers_go_on() -> None:
    bench = Bench()
    async with service.running(bench.engine()) as engine:
        first = await apply(engine, tenant(1))
    async with service.running(bench.engine()) as engine:
        assert engine.records.get(first.id) == first
        assert (await apply(engine, tenant(2))).id > first.id
        _, accepted = await engine.changes.submit(
            tenant(2), requested_by="tests", preconditions=Preconditions()
        )
        assert not accepted


async def test_no_moment_allows_what_neither_document_allows() -> None:
    bench = Bench()
    async with service.running(bench.engine()) as engine:
        await apply(engine, tenant(1, failover=partial(REPLICA)))
        old = bench.firewall.history[-1]
        await apply(engine, tenant(2, failover=partial(SECOND_REPLICA)))
        new = bench.firewall.history[-1]
        for policy in bench.firewall.history[bench.firewall.history.index(old) :]:
            assert policy.forwards <= old.forwards | new.forwards
            assert policy.management


async def test_waiting_ends_with_the_change_or_with_the_time() -> None:
    bench = Bench()
    async with service.running(bench.engine()) as engine:
        assert await engine.records.wait("none", seconds=5) is None
        change = await apply(engine, tenant(1))
        assert await engine.records.wait(change.id, seconds=5) == change


async def test_addresses_are_claimed_when_all_else_works() -> None:
    bench = Bench()
    async with service.running(bench.engine()) as engine:
        change = await apply(engine, tenant(1, failover=partial(REPLICA, SECOND_REPLICA)))
        words = [operation.description for operation in change.operations]
        first = next(i for i, word in enumerate(words) if word.startswith("put claim"))
        rest = ("put claim", "announce", "start tls")  # the TLS wrapper is a fallback that nothing waits for
        assert all(word.startswith(rest) for word in words[first:])
        assert any(isinstance(item, ProxyNeighbour) for item in bench.kernel.objects.values())


async def test_a_crash_during_the_first_document_leaves_nothing_of_it() -> None:
    fresh = Bench()
    async with service.running(fresh.engine()):
        pass
    wanted = {None: kernel_of(fresh), 1: await settled(tenant(1))}
    for at in range(1, 40):
        bench = Bench()
        async with crashing(bench) as engine:
            bench.fuse.mend()
            bench.fuse.at = at
            await apply(engine, tenant(1))
        bench.fuse.mend()
        async with service.running(bench.engine()) as engine:
            generation = engine.state.in_force.document.generation if engine.state.in_force else None
            assert kernel_of(bench) == wanted[generation]


async def test_an_ending_agent_lets_a_change_finish() -> None:
    bench = Bench()
    async with service.running(bench.engine()) as engine:
        change, _ = await engine.changes.submit(tenant(1), requested_by="tests", preconditions=FIRST)
    final = engine.records.get(change.id)
    assert final is not None
    assert final.state is ChangeState.DONE
