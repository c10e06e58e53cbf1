"""A packet filter that is lost: restored once, closed by the kernel's switches when it is lost again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from causeway_agent.engine import lockdown, service
from causeway_agent.engine.admission import Preconditions
from causeway_agent.engine.reconcile import Pace
from causeway_agent.engine.service import Engine
from causeway_agent.errors import BackendError
from causeway_agent.plan.model.objects import Bridge, Sysctl
from causeway_agent.plan.model.policy import Policy
from causeway_agent.plan.steer import closed
from causeway_agent.plan.steer.operations import Put
from causeway_wire.change import ChangeState
from causeway_wire.observed import ApplianceState
from causeway_wire.problem import ProblemError, ProblemType
from tests.agents import REPLICA, Bench, partial, tenant

PACE = Pace(debounce=0.0, interval=0.05, first_rest=0.01, longest_rest=0.02, share=0.0, locked=0.02)


async def apply(engine: Engine, generation: int) -> ChangeState:
    change, _ = await engine.changes.submit(
        tenant(generation, failover=partial(REPLICA)),
        requested_by="tests",
        preconditions=Preconditions(if_none_match=("*",))
        if generation == 1
        else Preconditions(if_match=("*",)),
    )
    final = await engine.records.wait(change.id, seconds=10)
    assert final is not None
    return final.state


async def until(engine: Engine, holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():
            await engine.reconciler.looked.wait()


def forwarding(bench: Bench) -> set[str]:
    """Switches of the kernel that let packets through."""
    settings = [o for o in bench.kernel.objects.values() if isinstance(o, Sysctl)]
    return {s.key for s in settings if s.key.endswith("/forwarding") and s.value != "0"}


def lose(bench: Bench) -> None:
    """Somebody flushes the ruleset."""
    bench.firewall.policy = None
    bench.kernel.feed.emit("filter")


async def test_a_filter_that_is_lost_once_is_restored_and_nothing_closes() -> None:
    bench = Bench()
    async with service.running(bench.engine(pace=PACE)) as engine:
        assert await apply(engine, 1) is ChangeState.DONE
        wanted, open_ = bench.firewall.policy, forwarding(bench)
        assert open_
        lose(bench)
        await until(engine, lambda: bench.firewall.policy == wanted)
        await until(engine, lambda: engine.state.settled)
        assert forwarding(bench) == open_
        assert not engine.machine.lockdown.active
        assert engine.state.drift.repairs == 1


async def test_a_filter_that_is_lost_again_closes_until_it_has_stood() -> None:
    bench = Bench()
    async with service.running(bench.engine(pace=PACE)) as engine:
        assert await apply(engine, 1) is ChangeState.DONE
        open_ = forwarding(bench)
        for _ in range(2):
            lose(bench)
            await until(engine, lambda: bench.firewall.policy is not None)
        await until(engine, lambda: not forwarding(bench))
        assert engine.appliance_state() is ApplianceState.DEGRADED
        assert engine.state.problem is not None
        assert "nft monitor" in engine.state.problem.detail
        with pytest.raises(ProblemError) as refused:
            await apply(engine, 2)
        assert refused.value.problem.type == ProblemType.UNAVAILABLE.urn
        bench.clock.advance(lockdown.HOLD_SECONDS - 1)
        lose(bench)
        await until(engine, lambda: bench.firewall.policy is not None)
        bench.clock.advance(lockdown.HOLD_SECONDS - 1)
        for _ in range(3):
            await engine.reconciler.looked.wait()
        assert not forwarding(bench), "the time that it must have stood began anew"
        bench.clock.advance(1)
        await until(engine, lambda: engine.state.settled)
        assert forwarding(bench) == open_
        assert await apply(engine, 2) is ChangeState.DONE


async def test_an_accident_long_after_another_closes_nothing() -> None:
    bench = Bench()
    async with service.running(bench.engine(pace=PACE)) as engine:
        await apply(engine, 1)
        for _ in range(3):
            lose(bench)
            await until(engine, lambda: bench.firewall.policy is not None)
            bench.clock.advance(lockdown.RELAPSE_SECONDS)
        assert not engine.machine.lockdown.begun


async def test_without_any_filter_nothing_is_ever_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    async with service.running(bench.engine(pace=PACE)) as engine:
        await apply(engine, 1)
    bench.firewall.policy = None
    load = bench.firewall.load

    async def refused(policy: Policy) -> None:
        raise BackendError("change the packet filter", "Operation not supported")

    monkeypatch.setattr(bench.firewall, "load", refused)
    async with service.running(bench.engine(pace=PACE)) as engine:
        await until(engine, lambda: engine.machine.lockdown.active and not forwarding(bench))
        assert engine.state.problem is not None
        assert "Operation not supported" in engine.state.problem.detail
        monkeypatch.setattr(bench.firewall, "load", load)
        await until(engine, lambda: bench.firewall.policy is not None)
        bench.clock.advance(lockdown.HOLD_SECONDS)
        await until(engine, lambda: engine.state.settled)
        assert forwarding(bench)


async def test_nothing_opens_while_it_lasts_whoever_asks() -> None:
    bench = Bench()
    machine = bench.engine().machine
    machine.lockdown.begin(0.0, "tests")
    for item in (Sysctl("net/ipv4/conf/eth0/forwarding", "1"), Bridge("cwb1195", 1500)):
        assert closed.opens(Put(item))
        with pytest.raises(BackendError, match="tests"):
            await machine.perform(Put(item))
    await machine.perform(Put(Sysctl("net/ipv4/conf/eth0/forwarding", "0")))
    machine.lockdown.end()
    await machine.perform(Put(Sysctl("net/ipv4/conf/eth0/forwarding", "1")))
