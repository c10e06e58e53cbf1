"""A guest that sends more than its tunnel carries: nobody has the tunnel restarted for that.

Its silence then comes of queues that are full of the guest's packets. What really dies meanwhile is noticed.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from causeway_lab.world.line.conditions import Conditions, Direction
from causeway_lab.world.line.line import Line
from tests.kernel import lines
from tests.kernel.lines import TCP, WAYS
from tests.kernel.processes_lab import INNER, TUNNEL, Site, client, site, until

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(120)]

SECONDS = 6.0
FLOOD = """
import socket, sys, time
address, size, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
end, octets = time.monotonic() + seconds, bytes(size)
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
    sock.connect((address, 9))
    while time.monotonic() < end:
        for _ in range(100):
            try:
                sock.send(octets)
            except OSError:  # nobody listens there, which ICMP says now and then; or a buffer is full
                pass
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Line]]:
    with site(tmp_path_factory.mktemp("floods")) as made, lines.before(made) as line:
        made.up(*WAYS)
        yield made, line


@pytest.fixture
def tunnel(running: tuple[Site, Line]) -> Iterator[tuple[Site, Line]]:
    with lines.over_udp(*running):
        yield running


@contextmanager
def flood(made: Site, sender: str, size: int, seconds: float) -> Iterator[None]:
    """From this end through the tunnel, as fast as one process can."""
    to = INNER[1] if sender == "c" else INNER[0]
    process = made.popen(sender, "-c", FLOOD, str(to), str(size), str(seconds))
    try:
        yield
        process.wait(seconds + 10)
    finally:
        process.kill()
        process.communicate()


def carrier(made: Site) -> tuple[int, int, str, str | None]:
    """Which process carries the tunnel, and what is told of it."""
    report = made.agents["c"].report()
    return made.agents["c"].pid(f"vpn-{TUNNEL}"), report["restarts"], report["state"], report["transport"]


def dropped(made: Site, place: str) -> int:
    """Packets that found a device of the tunnel with its queue full."""
    text = made.inside(place, "cat", "/proc/net/dev")
    return sum(int(line.split()[12]) for line in text.splitlines() if line.strip().startswith("cw"))


@pytest.mark.parametrize("size", [64, 1300])
@pytest.mark.parametrize("sender", ["c", "s"])
def test_a_guest_that_floods_its_tunnel_does_not_have_it_restarted(
    tunnel: tuple[Site, Line], sender: str, size: int
) -> None:
    made, _ = tunnel
    before, known = dropped(made, sender), carrier(made)
    with flood(made, sender, size, SECONDS):
        pass
    assert dropped(made, sender) - before > 1000, "it was more than the tunnel carries"
    with made.probing(2.0) as found:
        pass
    assert found["lost"] == 0
    assert carrier(made) == known


@pytest.mark.parametrize("sender", ["c", "s"])
def test_nor_over_tcp(tunnel: tuple[Site, Line], sender: str) -> None:
    made, _ = tunnel
    agent = made.agents["c"]
    agent.stop(client(made.keys, *WAYS))
    agent.start(client(made.keys, (0, TCP), (1, TCP)))
    try:
        until(lambda: agent.report()["transport"] == TCP, 15)
        time.sleep(1.0)
        before, known = dropped(made, sender), carrier(made)
        with flood(made, sender, 1300, SECONDS):
            pass
        assert dropped(made, sender) - before > 1000, "it was more than the tunnel carries"
        assert carrier(made) == known
    finally:
        agent.stop(client(made.keys, (0, TCP), (1, TCP)))


def test_a_server_that_dies_in_a_flood_is_noticed(tunnel: tuple[Site, Line]) -> None:
    made, _ = tunnel
    known, server = carrier(made), made.agents["s"].pid(f"vpn-{TUNNEL}-udp")
    with flood(made, "c", 64, 12.0):
        time.sleep(1.0)
        os.kill(server, signal.SIGSTOP)
        try:
            until(lambda: carrier(made) != known, 15)
        finally:
            os.kill(server, signal.SIGCONT)


@pytest.mark.parametrize("direction", list(Direction))
def test_a_direction_that_is_lost_in_a_flood_is_noticed(
    tunnel: tuple[Site, Line], direction: Direction
) -> None:
    made, line = tunnel
    known = carrier(made)
    with flood(made, "s" if direction is Direction.UP else "c", 1300, 14.0):
        time.sleep(1.0)
        line.change(Conditions().changed(direction, loss=1.0))
        until(lambda: made.agents["c"].report()["state"] != "connected", 15)
        line.change(Conditions())
    until(lambda: made.agents["c"].report()["state"] == "connected", 20)
    assert carrier(made) != known
