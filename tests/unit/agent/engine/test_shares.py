"""Looks how full the table of connections is: who is refused, told and ended."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from causeway_agent.engine.ports import ConnectionTable
from causeway_agent.engine.shares import Shares
from causeway_agent.engine.state import State
from causeway_agent.errors import BackendError
from causeway_agent.plan.compile.compiler import compile_document
from causeway_agent.plan.filter.shares import LISTED, REFUSED_SECONDS
from causeway_agent.plan.steer.shares import Held, Holder
from tests import documents
from tests.fakes.clock import FakeClock
from tests.fakes.connections import FakeConnections

LIMIT = 1000
HOG = Holder("eth1", mac=bytes((2, 0, 0, 7)))
OTHER = Holder("eth1", address=ip_address("192.168.0.21"))


@pytest.fixture
def state() -> State:
    """An appliance in full failover."""
    made = State()
    made.target = compile_document(documents.provider(documents.full("net-0", "net-1")), documents.FACTS)
    return made


@pytest.fixture
def table() -> FakeConnections:
    return FakeConnections()


@pytest.fixture
def watch(state: State, table: FakeConnections) -> Shares:
    return Shares(table, clock=FakeClock(), state=state)


def hold(table: FakeConnections, hog: int, other: int = 20) -> None:
    table.counted = ConnectionTable(hog + other, LIMIT, 0)
    table.held = {
        HOG: Held(hog, ip_address("192.168.0.20")),
        OTHER: Held(other, ip_address("192.168.0.21")),
    }


async def test_a_table_with_room_is_not_walked(watch: Shares, table: FakeConnections, state: State) -> None:
    hold(table, 400)
    await watch.round(0)
    assert (table.censuses, table.refused) == (0, frozenset())
    assert state.connections is not None
    assert (state.connections.entries, state.connections.limit) == (420, LIMIT)


async def test_who_leaves_others_too_little_is_refused_told_and_allowed_again(
    watch: Shares, table: FakeConnections, state: State
) -> None:
    hold(table, 800)
    await watch.round(0)
    assert table.refused == {HOG}
    assert not table.ended
    assert state.trouble is not None
    assert "192.168.0.20 on eth1 (MAC address ...:02:00:00:07) opened 800 of 1000" in state.trouble.detail
    assert state.connections is not None
    assert [(each.held, each.share) for each in state.connections.shares] == [(800, 730)]
    hold(table, 100)
    await watch.round(REFUSED_SECONDS - 1)
    assert table.refused == {HOG}
    await watch.round(REFUSED_SECONDS + 1)
    assert table.refused == frozenset()
    assert state.trouble is None


async def test_of_who_keeps_the_table_full_connections_are_ended_to_its_share(
    watch: Shares, table: FakeConnections
) -> None:
    hold(table, 900)
    await watch.round(0)
    assert table.ended == {HOG: 170}
    assert table.told == 1


async def test_who_is_refused_stays_refused_as_long_as_it_holds_too_much(
    watch: Shares, table: FakeConnections
) -> None:
    hold(table, 800)
    for now in range(0, 3 * REFUSED_SECONDS, 5):
        await watch.round(now)
        assert table.refused == {HOG}


async def test_new_connections_that_find_no_room_are_told(
    watch: Shares, table: FakeConnections, state: State
) -> None:
    table.counted = ConnectionTable(LIMIT, LIMIT, 7)
    await watch.round(0)
    assert state.trouble is None
    table.counted = ConnectionTable(LIMIT, LIMIT, 8)
    await watch.round(1)
    assert state.trouble is not None
    assert "the table of connections is full (1000 of 1000)" in state.trouble.detail


async def test_a_packet_filter_that_was_away_is_told_as_soon_as_it_is_back(
    watch: Shares, table: FakeConnections
) -> None:
    hold(table, 800)
    table.away = True
    for now in (0, 1):
        with pytest.raises(BackendError):
            await watch.round(now)
    table.away = False
    await watch.round(2)
    assert table.refused == {HOG}


async def test_of_more_machines_than_can_be_refused_those_are_that_hold_most(
    watch: Shares, table: FakeConnections
) -> None:
    """One that speaks under thousands of MAC addresses."""
    machines = [Holder("eth1", mac=number.to_bytes(4, "big")) for number in range(LISTED + 100)]
    table.held = {each: Held(20, ip_address("192.168.0.20")) for each in machines}
    table.held[HOG] = Held(50, ip_address("192.168.0.21"))
    total = sum(each.number for each in table.held.values())
    table.counted = ConnectionTable(total, total, 0)
    await watch.round(0)
    assert HOG in table.refused
    assert len(table.refused) == LISTED
    assert len(table.ended) == len(machines) + 1
