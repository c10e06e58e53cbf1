"""The search for the size of a path, over paths made of numbers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from causeway_agent.plan.model import path_size
from causeway_agent.plan.model.path_size import PathSize, Search

OVERHEAD = path_size.overhead(4, bridged=False)
Carries = Callable[[int], bool]


def looks(search: Search, carries: Carries, count: int, *, start: float = 0.0, delay: float = 0.02) -> int:
    """So many looks at a path that carries these sizes; octets that they took."""
    spent = 0
    for number in range(count):
        now = start + number
        asked = search.due(now)
        spent += sum(asked)
        for size in asked:
            if carries(size):
                search.heard(size, now + delay)
    return spent


def watch(search: Search, carries: Carries, until: float, *, start: float, round_trip: float) -> None:
    """Looks as `path_probe` takes them, at a path whose answers take so long, whoever asks meanwhile."""
    now, coming = start, list[tuple[float, int]]()
    while now < until:
        coming += [(now + round_trip, size) for size in search.due(now) if carries(size)]
        next_look = now + search.patience
        while coming and coming[0][0] < next_look:
            when, size = coming.pop(0)
            before = search.settled
            search.heard(size, when)
            if search.settled and not before:
                next_look = when + path_size.BUSY
        now = next_look


def line(mtu: int) -> Carries:
    return lambda size: size + OVERHEAD <= mtu


@pytest.mark.parametrize(
    ("version", "bridged", "octets"), [(4, False, 1448), (6, False, 1428), (4, True, 1434), (6, True, 1414)]
)
def test_what_a_full_line_carries(version: int, bridged: bool, octets: int) -> None:  # noqa: FBT001
    assert path_size.full(version, bridged=bridged) == PathSize(octets, octets)


def test_a_full_line_is_known_after_one_answer_and_costs_one_packet_a_look() -> None:
    search = Search(OVERHEAD)
    looks(search, line(1500), 1)
    assert search.size == 1448
    assert search.settled
    assert looks(search, line(1500), 5, start=10) == 5 * 1448


@given(st.integers(1280, 1500), st.integers(1280, 1500))
def test_a_size_is_followed_down_and_up_to_two_octets(first: int, second: int) -> None:
    search = Search(OVERHEAD)
    for number, mtu in enumerate((first, second)):
        looks(search, line(mtu), 10, start=100 * number)
        assert search.size is not None
        assert 0 <= mtu - OVERHEAD - search.size <= 2
        assert search.settled


def test_silence_changes_nothing() -> None:
    search = Search(OVERHEAD)
    looks(search, line(1400), 10)
    known = search.size
    looks(search, lambda _: False, 20, start=100)
    assert search.size == known


def test_one_lost_packet_changes_nothing() -> None:
    search = Search(OVERHEAD)
    looks(search, line(1500), 1)
    looks(search, lambda _: False, 1, start=10)
    looks(search, line(1500), 1, start=11)
    assert search.size == 1448


def test_a_search_disturbed_by_loss_finds_the_size_in_the_end() -> None:
    search, sent = Search(OVERHEAD), iter(range(10_000))
    looks(search, lambda size: line(1400)(size) and next(sent) % 4 != 0, 60)
    looks(search, line(1400), 10, start=100)
    assert search.size == 1348


def test_a_longer_round_trip_is_waited_for() -> None:
    search = Search(OVERHEAD)
    looks(search, line(1500), 10, delay=0.6)
    assert search.patience > 1.5


def test_a_path_that_ipv6_does_not_fit_is_said() -> None:
    assert path_size.problem(PathSize(1280, 1280), 4, bridged=False) is None
    assert "1228 octets" in (path_size.problem(PathSize(1448, 1228), 4, bridged=False) or "")


def test_frames_are_lost_where_no_router_fragments_them() -> None:
    assert path_size.problem(PathSize(1334, 900), 4, bridged=True) is None
    assert path_size.problem(PathSize(1414, 1414), 6, bridged=True) is None
    told = path_size.problem(PathSize(1414, 1334), 6, bridged=True) or ""
    assert "frames of 1334 octets" in told
    assert "up to 1414" in told
    assert path_size.route_mtu(6, 1228) == 1280
    assert path_size.route_mtu(4, 1228) == 1228


@pytest.mark.parametrize("round_trip", [0.02, 0.24, 0.3, 0.6, 1.2])
@pytest.mark.parametrize("mtu", [1492, 1400, 1280])
def test_a_size_is_found_however_long_answers_take(mtu: int, round_trip: float) -> None:
    """A satellite's 0.6 s are longer than the first look waits."""
    search = Search(OVERHEAD)
    watch(search, line(1500), 20.0, start=0.0, round_trip=round_trip)
    assert search.size == 1448
    watch(search, line(mtu), 80.0, start=20.0, round_trip=round_trip)
    assert search.size is not None
    assert 0 <= mtu - OVERHEAD - search.size <= 2
    watch(search, line(1500), 140.0, start=80.0, round_trip=round_trip)
    assert search.size == 1448


def test_a_path_that_becomes_slow_is_waited_for() -> None:
    """Somebody fills the queue of a slow line: half a second where it was one thousandth."""
    search = Search(OVERHEAD)
    watch(search, line(1500), 20.0, start=0.0, round_trip=0.001)
    watch(search, line(1400), 60.0, start=20.0, round_trip=0.5)
    assert search.size == 1348


def test_silence_is_asked_again_within_seconds_on_a_slow_line() -> None:
    search = Search(OVERHEAD)
    watch(search, line(1500), 20.0, start=0.0, round_trip=0.6)
    watch(search, lambda _: False, 120.0, start=20.0, round_trip=0.6)
    assert search.patience <= 4.0


def test_no_more_is_asked_for_than_a_line_of_full_size_carries() -> None:
    search = Search(OVERHEAD)
    looks(search, line(1499), 20)
    assert max(search.due(100.0)) == search.ceiling
