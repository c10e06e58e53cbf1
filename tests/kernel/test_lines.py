"""The lab's line with real packets: each condition is met, and nothing else happens."""

from __future__ import annotations

import errno
import os
import signal
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from causeway_lab.world.line import netem
from causeway_lab.world.line.conditions import Blocked, Conditions, Direction
from causeway_lab.world.namespaces import WiringError
from tests.kernel import lines
from tests.kernel.lines import World
from tests.kernel.processes_lab import run, until

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(60)]

CLEAR = Conditions()
_PMTUDISC_DONT, _PMTUDISC_DO = 0, 2
_MTU_DISCOVER = {4: (socket.IPPROTO_IP, 10), 6: (socket.IPPROTO_IPV6, 23)}
_PATH_MTU = {4: (socket.IPPROTO_IP, 14), 6: (socket.IPPROTO_IPV6, 24)}
VERSIONS = pytest.mark.parametrize("version", [4, 6])


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with lines.world(tmp_path_factory.mktemp("line")) as made:
        yield made


@pytest.fixture
def world(built: World) -> Iterator[World]:
    """A line with its counters at nothing, and clear again afterwards."""
    built.line.close()
    yield built
    built.line.close()
    for name in (built.site, built.internet):
        for family in ("-4", "-6"):
            run("ip", family, "-n", name, "route", "flush", "cache")


def _exchange(world: World, count: int, *, version: int = 4) -> list[int]:
    """Numbers sent by the site, in the order in which they arrived."""
    here, there = world.udp(version)
    with here, there:
        for number in range(count):
            here.send(number.to_bytes(4, "big"))
        got: list[int] = []
        try:
            while len(got) < 2 * count:
                got.append(int.from_bytes(there.recv(64), "big"))
        except TimeoutError:
            pass
        return got


@VERSIONS
def test_a_clear_line_is_not_in_the_way(world: World, version: int) -> None:
    world.line.change(CLEAR)
    assert not world.line.present
    assert _exchange(world, 20, version=version) == list(range(20))


@VERSIONS
def test_delay_is_met_both_ways(world: World, version: int) -> None:
    world.line.change(CLEAR.changed(delay=0.1))
    here, there = world.udp(version)
    with here, there:
        began = time.monotonic()
        here.send(b"there")
        _, peer = there.recvfrom(64)
        arrived = time.monotonic()
        there.sendto(b"back", peer)
        here.recv(64)
        assert arrived - began >= 0.1
        assert time.monotonic() - arrived >= 0.1


def test_jitter_keeps_the_order(world: World) -> None:
    world.line.change(CLEAR.changed(delay=0.05, jitter=0.05))
    assert _exchange(world, 200) == list(range(200))


def test_loss_is_of_about_the_share_and_repeatable(world: World) -> None:
    fates = []
    for _ in range(2):
        world.line.close()
        assert _exchange(world, 1) == [0], "and the next hop is known: what waits for it leaves out of order"
        world.line.change(Conditions(seed=7).changed(Direction.UP, loss=0.1))
        fates.append(_exchange(world, 1000))
        assert world.line.report().counters["up"]["lost"] == 1000 - len(fates[-1])
    assert fates[0] == fates[1]
    assert 850 <= len(fates[0]) <= 950


def test_duplicates_arrive_twice(world: World) -> None:
    world.line.change(CLEAR.changed(duplicate=1.0))
    assert _exchange(world, 5) == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]


def test_one_packet_in_many_is_overtaken_as_deep_as_told(world: World) -> None:
    assert _exchange(world, 5) == list(range(5))  # neighbours are found: what waits for one is overtaken, too
    world.line.change(Conditions(seed=3).changed(reorder_every=50, reorder_depth=20))
    got = _exchange(world, 1000)
    assert sorted(got) == list(range(1000))
    late = [n for i, n in enumerate(got) if i and n < max(got[:i])]
    assert world.line.report().counters["up"]["reordered"] - 1 <= len(late) > 5  # the last may be too late
    depths = [sum(1 for other in got[: got.index(n)] if other > n) for n in late]
    assert max(depths) in range(18, 21)


def test_pauses_deliver_late_and_lose_nothing(world: World) -> None:
    world.line.change(CLEAR.changed(pause_every=1.0, pause_for=0.8))
    here, there = world.udp()
    with here, there:
        sent, arrived = {}, {}
        for number in range(120):
            sent[number] = time.monotonic()
            here.send(number.to_bytes(4, "big"))
            time.sleep(0.01)
            there.settimeout(0)
            while True:
                try:
                    arrived[int.from_bytes(there.recv(64), "big")] = time.monotonic()
                except BlockingIOError:
                    break
        there.settimeout(2.0)
        while len(arrived) < len(sent):
            arrived[int.from_bytes(there.recv(64), "big")] = time.monotonic()
        assert list(arrived) == sorted(sent)
        assert max(arrived[n] - sent[n] for n in sent) > 0.6


def test_a_rate_is_kept_and_its_queue_is_bounded(world: World) -> None:
    world.line.change(CLEAR.changed(rate=800_000, queue=20_000))  # 100 kB/s: 20 kB take 0.2 s
    here, there = world.udp()
    with here, there:
        began = last = time.monotonic()
        for _ in range(50):
            here.send(bytes(1000 - 28))
        got = 0
        try:
            while True:
                there.recv(2048)
                got += 1
                last = time.monotonic()
        except TimeoutError:
            pass
        assert got in range(19, 24)
        assert last - began >= 0.19
        assert world.line.report().counters["up"]["queue_full"] == 50 - got


@VERSIONS
def test_a_small_path_tells_the_sender(world: World, version: int) -> None:
    world.line.change(CLEAR.changed(mtu=1400))
    here, there = world.udp(version)
    with here, there:
        here.setsockopt(*_MTU_DISCOVER[version], _PMTUDISC_DO)
        here.send(bytes(1420))
        with pytest.raises(TimeoutError):
            there.recv(2048)
        assert here.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.EMSGSIZE
        with pytest.raises(OSError, match="too long"):
            here.send(bytes(1420))
        assert here.getsockopt(*_PATH_MTU[version]) == 1400
        here.send(bytes(1300))
        assert len(there.recv(2048)) == 1300


@VERSIONS
def test_a_small_path_without_icmp_is_silent(world: World, version: int) -> None:
    world.line.change(CLEAR.changed(mtu=1400, icmp=False))
    here, there = world.udp(version)
    with here, there:
        here.setsockopt(*_MTU_DISCOVER[version], _PMTUDISC_DO)
        for _ in range(2):
            here.send(bytes(1420))
        with pytest.raises(TimeoutError):
            there.recv(2048)
        assert here.getsockopt(*_PATH_MTU[version]) == 1500
        assert world.line.report().counters["up"]["too_big"] == 2


def test_what_may_be_fragmented_arrives_in_pieces(world: World) -> None:
    world.line.change(CLEAR.changed(mtu=1400, icmp=False))
    here, there = world.udp()
    with here, there:
        here.setsockopt(*_MTU_DISCOVER[4], _PMTUDISC_DONT)
        text = bytes(range(256)) * 16
        here.send(text)
        assert there.recv(8192) == text
        assert world.line.report().counters["up"]["fragmented"] == 2


@VERSIONS
def test_a_rebound_flow_comes_from_another_port(world: World, version: int) -> None:
    world.line.change(Conditions(nat=True))
    here, there = world.udp(version)
    with here, there:
        peers: list[Any] = []
        for _ in range(2):
            here.send(b"to")
            _, here_as_seen = there.recvfrom(64)
            there.sendto(b"back", here_as_seen)
            assert here.recv(64) == b"back"
            peers.append(here_as_seen)
            world.line.rebind()
        there.sendto(b"too late", peers[-1])
        with pytest.raises(TimeoutError):
            here.recv(64)
        assert peers[0] != peers[1]
        assert world.line.report().counters["down"]["unbound"] == 1


@VERSIONS
def test_blocked_udp_leaves_tcp_alone(world: World, version: int) -> None:
    world.line.change(CLEAR.changed(blocked=(Blocked.UDP,)))
    assert _exchange(world, 3, version=version) == []
    world.line.change(CLEAR.changed(blocked=(Blocked.TCP,)))
    assert _exchange(world, 3, version=version) == [0, 1, 2]


def test_one_family_can_be_blocked(world: World) -> None:
    world.line.change(CLEAR.changed(blocked=(Blocked.IPV4,)))
    assert _exchange(world, 3, version=4) == []
    assert _exchange(world, 3, version=6) == [0, 1, 2]


def test_one_direction_can_be_lost(world: World) -> None:
    world.line.change(CLEAR.changed(Direction.DOWN, loss=1.0))
    here, there = world.udp()
    with here, there:
        here.send(b"there")
        _, peer = there.recvfrom(64)
        there.sendto(b"back", peer)
        with pytest.raises(TimeoutError):
            here.recv(64)


def test_a_change_while_packets_are_under_way_loses_none(world: World) -> None:
    world.line.change(CLEAR.changed(delay=0.3))
    here, there = world.udp()
    with here, there:
        for number in range(10):
            here.send(bytes((number,)))
        world.line.change(CLEAR.changed(delay=0.1))
        world.line.change(CLEAR)
        assert [there.recv(8)[0] for _ in range(10)] == list(range(10))
        assert not world.line.present


def test_a_line_whose_program_died_is_cut_and_the_next_change_mends_it(world: World) -> None:
    world.line.change(CLEAR.changed(delay=0.01))
    assert world.line.pid is not None
    os.kill(world.line.pid, signal.SIGKILL)
    until(lambda: world.line.broken)
    assert _exchange(world, 3) == []
    with pytest.raises(WiringError, match="cut"):
        world.line.report()
    world.line.change(CLEAR.changed(delay=0.02))
    assert _exchange(world, 3) == [0, 1, 2]


def test_the_kernel_makes_the_line_where_it_can_and_changing_over_loses_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With another queueing discipline in netem's place: wiring, counters, change-over; not netem itself."""
    monkeypatch.setattr(netem, "available", lambda _: True)
    plain = [("root", "handle", "1:", "pfifo", "limit", "1000")]
    monkeypatch.setattr(netem, "discipline", lambda _: iter(plain))
    world.line.change(CLEAR.changed(delay=0.01))
    assert world.line.means == "the kernel's netem"
    assert _exchange(world, 50) == list(range(50))
    assert world.line.report().counters["up"]["forwarded"] >= 50
    world.line.change(CLEAR.changed(mtu=1400))
    assert world.line.means == "user space"
    assert _exchange(world, 50) == list(range(50))


def test_the_line_is_made_by_what_this_kernel_has(world: World) -> None:
    world.line.change(CLEAR.changed(delay=0.05))
    assert world.line.means == ("the kernel's netem" if netem.available(None) else "user space")
    assert _exchange(world, 5) == list(range(5))
