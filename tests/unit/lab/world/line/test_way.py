"""What one direction of a line does with packets, by a clock of the test's own."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from causeway_lab.world.line.conditions import Way
from causeway_lab.world.line.way import LONGEST_OVERTAKING, Carrier


def packet(number: int, octets: int = 100) -> bytes:
    """A frame with an IPv4 packet of this length; the number is its last octets."""
    header = struct.pack("!BBHHHBBH8x", 0x45, 0, octets, 0, 0, 64, 17, 0)
    return bytes(12) + b"\x08\x00" + header + bytes(octets - 24) + struct.pack("!I", number)


def carried(way: Way, times: list[float], *, seed: int = 1, octets: int = 100) -> list[tuple[float, int]]:
    """When each packet arrived, to a millisecond, and which it was."""
    carrier = Carrier(began=0.0)
    carrier.chance.seed(seed)
    carrier.change(way, now=0.0)
    got: list[tuple[float, int]] = []
    now = 0.0

    def run_to(end: float) -> None:
        nonlocal now
        while (due := carrier.next_due()) is not None and due <= end:
            now = max(now, due)
            got.extend((round(now, 3), int.from_bytes(frame[-4:], "big")) for frame in carrier.due(now))

    for number, time in enumerate(times):
        run_to(time)
        now = time
        carrier.offer(packet(number, octets), time)
    run_to(1000.0)
    assert carrier.waiting == 0
    return got


EVERY_10_MS = [n / 100 for n in range(1000)]


def test_a_pause_holds_back_and_then_delivers_at_once() -> None:
    got = carried(Way(pause_every=5.0, pause_for=0.8), EVERY_10_MS)
    assert [n for _, n in got] == list(range(1000))
    late = [(at, n) for at, n in got if at - n / 100 > 0.005]
    assert {at for at, _ in late} == {5.0, 10.0}
    assert len(late) in range(158, 162)


def test_a_rate_spaces_packets_out() -> None:
    got = carried(Way(rate=8000), [0.0] * 3, octets=100)
    assert got == [(0.1, 0), (0.2, 1), (0.3, 2)]


def test_the_overtaken_come_after_as_many_as_told() -> None:
    got = [n for _, n in carried(Way(reorder_every=50, reorder_depth=7), EVERY_10_MS)]
    assert sorted(got) == list(range(1000))
    late = [n for i, n in enumerate(got) if i and n < max(got[:i]) and n < 980]
    assert late
    for n in late:
        assert sum(other > n for other in got[: got.index(n)]) in range(6, 9)


def test_the_overtaken_arrive_though_nothing_follows() -> None:
    got = carried(Way(reorder_every=2, reorder_depth=9), [0.0], seed=4)
    assert got in ([(LONGEST_OVERTAKING, 0)], [(0.0, 0)])
    assert any(
        carried(Way(reorder_every=2, reorder_depth=9), [0.0], seed=seed) == [(LONGEST_OVERTAKING, 0)]
        for seed in range(10)
    )


@given(
    st.integers(0, 2**32),
    st.builds(
        Way,
        delay=st.just(0.05),
        jitter=st.floats(0, 0.05),
        duplicate=st.floats(0, 1),
        reorder_every=st.integers(2, 50),
        reorder_depth=st.integers(1, 500),
    ),
)
def test_nothing_is_lost_that_was_not_to_be(seed: int, way: Way) -> None:
    got = [n for _, n in carried(way, EVERY_10_MS[:200], seed=seed)]
    assert set(got) == set(range(200))


def test_the_same_seed_means_the_same_fates() -> None:
    way = Way(delay=0.05, jitter=0.02, loss=0.1, duplicate=0.1, reorder_every=10, reorder_depth=5)
    assert carried(way, EVERY_10_MS, seed=3) == carried(way, EVERY_10_MS, seed=3)
    assert carried(way, EVERY_10_MS, seed=3) != carried(way, EVERY_10_MS, seed=4)


def test_loss_and_duplicates_are_counted() -> None:
    carrier = Carrier(began=0.0)
    carrier.change(Way(loss=1.0), now=0.0)
    carrier.offer(packet(0), 0.0)
    carrier.change(Way(duplicate=1.0), now=0.0)
    carrier.offer(packet(1), 0.0)
    assert list(carrier.due(0.0)) == [packet(1)] * 2
    assert carrier.counted == {"lost": 1, "duplicated": 1}
