"""What the engine makes of other machines that have an address of ours, on fakes."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_interface

import pytest
from msgspec.structs import replace

from causeway_agent.engine import confirmation, service, watch
from causeway_agent.engine.admission import Preconditions
from causeway_agent.engine.ports import NeighbourTable, Sighting
from causeway_agent.engine.service import Engine
from causeway_agent.engine.state import State
from causeway_agent.plan.model.objects import Address, Claim, ProxyNeighbour
from causeway_agent.plan.model.policy import Policy
from causeway_agent.plan.model.target import Target
from causeway_agent.plan.steer import holdings
from causeway_agent.plan.steer.holdings import Holding
from causeway_wire.change import Change, ChangeState
from causeway_wire.desired import Claims, Desired, LateAnswer, StaleAnswer, TenantRole
from causeway_wire.observed import ApplianceState, DuplicateState
from causeway_wire.problem import Problem, ProblemType
from causeway_wire.types import MacAddress
from tests.agents import REPLICA, Bench, partial, tenant
from tests.fakes.network import FakeNeighbours

MAC = "02:00:00:00:00:99"
FIRST = Preconditions(if_none_match=("*",))


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confirmation, "LONGEST_SLEEP", 0.01)
    monkeypatch.setattr(watch, "TICK", 0.01)


def document(*, claims: Claims | None = None) -> Desired:
    whole = tenant(1, failover=partial(REPLICA))
    assert isinstance(whole.role, TenantRole)
    return whole if claims is None else replace(whole, role=replace(whole.role, claims=claims))


async def put(engine: Engine, desired: Desired, *, confirm: int | None = None) -> Change:
    known = engine.state.enforced
    preconditions = FIRST if known is None else Preconditions(if_match=(known.etag,))
    change, _ = await engine.changes.submit(
        desired, requested_by="tests", preconditions=preconditions, confirm=confirm
    )
    found = await engine.records.wait(change.id, seconds=10)
    assert found is not None
    return found


async def becomes(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)


def held(bench: Bench) -> set[object]:
    return {item.address for item in bench.kernel.objects.values() if isinstance(item, ProxyNeighbour)}


def seen(bench: Bench, mac: str = MAC) -> None:
    """Another machine uses the replica's address on the production network."""
    (claim,) = {Claim(claim.device, claim.address) for claim in bench.neighbours.announced}
    bench.neighbours.seen.put_nowait(Sighting(claim, mac))


async def test_a_late_answer_gives_the_claim_back_until_its_machine_is_silent() -> None:
    bench = Bench()
    async with service.running(bench.engine()) as engine:
        await put(engine, document())
        assert held(bench) == {REPLICA}
        seen(bench)
        await becomes(lambda: held(bench) == set())
        told = await engine.observed()
        assert told.state is ApplianceState.DEGRADED
        assert isinstance(told.problem, Problem)
        assert (told.problem.type, told.problem.pointer) == (
            ProblemType.ADDRESS_IN_USE.urn,
            "/role/failover/replicas/0/addresses/0",
        )
        assert [(each.mac, each.state) for each in told.duplicates] == [(MAC, DuplicateState.RELEASED)]
        assert engine.state.drift.repairs == 0
        bench.clock.advance(31)
        await becomes(lambda: held(bench) == {REPLICA})
        await becomes(lambda: engine.appliance_state() is ApplianceState.READY)


async def test_what_is_told_late_of_one_claim_takes_no_change_back_that_does_not_make_it() -> None:
    """Contests are told at the next round: by then another change may await its confirmation."""
    bench = Bench()
    async with service.running(bench.engine()) as engine:
        await put(engine, document())
        (claim,) = {Claim(one.device, one.address) for one in bench.neighbours.announced}
        seen(bench)
        await becomes(lambda: held(bench) == set())
        change = await put(engine, replace(document(), generation=2), confirm=60)
        assert claim in engine.state.released
        engine.watch.contested(claim)
        await asyncio.sleep(0.05)
        assert engine.records.get(change.id) == change


async def test_the_original_that_is_back_after_the_undo_is_no_contest_of_the_next_claim(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watch, "TICK", 3600.0)
    bench = Bench()
    async with service.running(bench.engine()) as engine:
        await put(engine, tenant(1))
        await put(engine, replace(document(), generation=2))
        await put(engine, tenant(3))
        seen(bench)
        await becomes(bench.neighbours.seen.empty)
        assert engine.state.contested == ()
        assert engine.state.released == {}
        await put(engine, replace(document(), generation=4))
        assert held(bench) == {REPLICA}


async def test_what_was_given_back_is_asked_for_anew_by_the_failover_after_an_undo(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench()
    async with service.running(bench.engine()) as engine:
        await put(engine, document())
        seen(bench)
        await becomes(lambda: held(bench) == set())
        monkeypatch.setattr(watch, "TICK", 3600.0)
        await put(engine, tenant(2))
        await put(engine, replace(document(), generation=3))
        assert held(bench) == {REPLICA}
        seen(bench)
        await becomes(lambda: held(bench) == set())


async def test_a_machine_that_comes_later_is_told_and_not_given_way_to() -> None:
    bench = Bench()
    async with service.running(bench.engine()) as engine:
        await put(engine, document())
        bench.clock.advance(3.1)
        seen(bench)
        await becomes(lambda: bool(engine.state.contested))
        assert engine.state.contested[0].state is DuplicateState.CONTESTED
        assert engine.appliance_state() is ApplianceState.DEGRADED
        assert engine.health().healthy
        await asyncio.sleep(0.1)
        assert held(bench) == {REPLICA}
        bench.clock.advance(31)
        await becomes(lambda: engine.appliance_state() is ApplianceState.READY)


async def test_a_change_that_awaits_its_confirmation_is_refused_by_a_late_answer() -> None:
    bench = Bench()
    async with service.running(bench.engine()) as engine:
        change = await put(engine, document(), confirm=60)
        assert change.state is ChangeState.AWAITING
        seen(bench)
        ended = await engine.records.wait(change.id, seconds=10, final=True)
        assert ended is not None
        assert ended.state is ChangeState.ROLLED_BACK
        assert isinstance(ended.problem, Problem)
        assert "answered late" in ended.problem.detail
        assert held(bench) == set()
        await becomes(lambda: engine.state.trouble is None)


async def test_the_document_may_keep_what_was_answered_late() -> None:
    bench = Bench()
    async with service.running(bench.engine()) as engine:
        await put(engine, document(claims=Claims(late_answer=LateAnswer.KEEP)))
        seen(bench)
        await becomes(lambda: bool(engine.state.contested))
        await asyncio.sleep(0.1)
        assert held(bench) == {REPLICA}
        assert engine.appliance_state() is ApplianceState.DEGRADED


async def test_a_stale_answer_is_overridden_for_its_mac_address_only() -> None:
    bench = Bench()
    bench.neighbours.taken[REPLICA] = MAC
    async with service.running(bench.engine()) as engine:
        anyway = Claims(anyway=(StaleAnswer(address=REPLICA, mac=MAC),))
        change = await put(engine, document(claims=anyway))
        assert change.state is ChangeState.DONE
        assert held(bench) == {REPLICA}
        seen(bench)
        await becomes(lambda: bool(engine.state.contested))
        assert engine.state.contested[0].state is DuplicateState.OVERRIDDEN
        assert engine.appliance_state() is ApplianceState.READY
    bench = Bench()
    bench.neighbours.taken[REPLICA] = "02:00:00:00:00:98"
    async with service.running(bench.engine()) as engine:
        change = await put(engine, document(claims=anyway))
        assert change.state is ChangeState.REFUSED
        assert isinstance(change.problem, Problem)
        assert "claims.anyway" in change.problem.detail


async def test_a_full_table_of_neighbours_is_told_as_long_as_it_refuses() -> None:
    bench = Bench()
    bench.neighbours.counted = (NeighbourTable(4, 1000, 1024, refused=7),)
    async with service.running(bench.engine()) as engine:
        await put(engine, document())
        await becomes(lambda: bool(engine.state.tables))
        assert engine.state.trouble is None
        bench.neighbours.counted = (NeighbourTable(4, 1024, 1024, refused=8),)
        bench.clock.advance(11)
        await becomes(lambda: engine.state.trouble is not None)
        told = await engine.observed()
        assert isinstance(told.problem, Problem)
        assert told.problem.type == ProblemType.NEIGHBOURS_FULL.urn
        assert told.neighbours[0].refused == 8
        bench.clock.advance(11)
        await becomes(lambda: engine.state.trouble is None)


def aimed() -> State:
    """An appliance that claims nothing yet."""
    state = State()
    door = Address("eth1", ip_interface("10.9.0.2/24"))
    state.aim(Target(policy=Policy(), management=door, devices=frozenset()))
    return state


async def test_an_answer_to_a_claim_of_a_running_change_is_not_forgotten_before_it_ends() -> None:
    bench, state, neighbours = Bench(), aimed(), FakeNeighbours()
    claim = Claim("eth0", ip_address("192.0.2.1"))
    looking = watch.Watch(neighbours, clock=bench.clock, state=state)
    await looking.probe([claim])
    await looking.announce(claim)
    looking.seen(Sighting(claim, MAC))
    for _ in range(3):
        bench.clock.advance(0.5)
        await looking.round(bench.clock.monotonic(), elapsed=0.5)
    assert state.released == {claim: MAC}
    assert [each.state for each in state.contested] == [DuplicateState.RELEASED]


async def test_what_is_given_back_is_not_announced_any_more() -> None:
    bench, state, neighbours = Bench(), aimed(), FakeNeighbours()
    claim = Claim("eth0", ip_address("192.0.2.1"))
    looking = watch.Watch(neighbours, clock=bench.clock, state=state)
    await looking.probe([claim])
    await looking.announce(claim)
    looking.seen(Sighting(claim, MAC))
    assert state.target is not None
    state.aim(dataclasses.replace(state.target, released=frozenset({claim})))
    for _ in range(3):
        bench.clock.advance(2.0)
        await looking.round(bench.clock.monotonic(), elapsed=2.0)
    assert neighbours.announced == [claim]


async def test_what_a_running_change_claims_is_listened_for_once_and_not_again_each_round() -> None:
    bench = Bench()
    told: list[int] = []

    class Counted(FakeNeighbours):
        async def hold(self, holdings: Iterable[Holding], *, own: Collection[MacAddress]) -> None:
            held = tuple(holdings)
            told.append(len(held))
            await super().hold(held, own=own)

    state = aimed()
    looking = watch.Watch(Counted(), clock=bench.clock, state=state)
    claims = [Claim("eth0", ip_address(f"192.0.2.{number}")) for number in range(1, 4)]
    await looking.probe(claims)
    await looking.round(0.0, elapsed=0.0)
    told.clear()
    for claim in claims:
        await looking.announce(claim)
    for number in range(5):
        await looking.round(number / 10, elapsed=0.1)
    assert told == [3]
    bench.clock.advance(watch.FRESH_SECONDS + 1)
    await looking.round(1.0, elapsed=0.1)
    assert told == [3, 0]


async def test_a_machine_that_slept_says_again_what_it_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time of day went on meanwhile, or was set right; the agent's own clock stood still."""
    bench = Bench()
    async with service.running(bench.engine()) as engine:
        await put(engine, document())
        before = len(bench.neighbours.announced)
        slept = timedelta(seconds=holdings.AWAY_SECONDS + 1)
        now = bench.clock.now
        monkeypatch.setattr(bench.clock, "now", lambda: now() + slept)
        await becomes(lambda: len(bench.neighbours.announced) > before)
        assert set(bench.neighbours.announced[before:]) == set(bench.neighbours.announced[:before])


async def test_a_clock_that_is_set_a_little_or_back_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    async with service.running(bench.engine()) as engine:
        await put(engine, document())
        before, now = len(bench.neighbours.announced), bench.clock.now
        for seconds in (holdings.AWAY_SECONDS - 1, -3600.0):
            monkeypatch.setattr(bench.clock, "now", functools.partial(_off, now, seconds))
            await asyncio.sleep(0.1)
        assert len(bench.neighbours.announced) == before


def _off(now: Callable[[], datetime], seconds: float) -> datetime:
    return now() + timedelta(seconds=seconds)
