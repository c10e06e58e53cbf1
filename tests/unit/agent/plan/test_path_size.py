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
