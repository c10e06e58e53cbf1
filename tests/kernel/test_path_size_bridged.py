"""The size of a bridged tunnel's path: found out each way, followed; what is larger comes in fragments."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import time
from collections.abc import Iterator

import pytest

from causeway_agent.plan.model import path_size
from causeway_lab.world.line.conditions import Conditions, Direction
from causeway_lab.world.line.line import Line
from tests.kernel import bridged_lab
from tests.kernel.bridged_lab import HOST, HOST6, REPLICA, REPLICA6, Lab
from tests.kernel.processes_lab import until

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(120)]

ETH_P_ALL, ETH_P_IP = 0x0003, 0x0800
PATIENCE = 30.0
OVERHEAD = 66
"""Octets between a packet in a frame and the packet outside: IPv4, UDP, OpenVPN, Ethernet inside."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lab, Line]]:
    """The replica is failed over, and the tenant's appliance is behind a line."""
    with bridged_lab.lab(tmp_path_factory.mktemp("path")) as lab:
        line = Line(
            namespace=None,
            port=f"{lab.prefix}t0",
            bridge=f"{lab.prefix}wan",
            directory=lab.directory / "line",
            addresses=(ipaddress.ip_address("192.0.2.9"),),
        )
        try:
            lab.begin("replica")
            lab.opened()
            yield lab, line
        finally:
            line.close()


def follow(lab: Lab, line: Line, up: int, down: int) -> None:
    """The line carries so much, silently; both ends find it out."""
    conditions = Conditions().changed(Direction.UP, mtu=up, icmp=False)
    line.change(conditions.changed(Direction.DOWN, mtu=down, icmp=False))

    def known() -> bool:
        here, there = lab.tenant.tunnel()["path"], lab.provider.tunnel()["path"]
        if here is None or there is None:
            return False
        seen = here["line_sends"], here["line_receives"], there["line_receives"], there["line_sends"]
        return all(0 <= is_ - found <= 2 for is_, found in zip((up, down, up, down), seen, strict=True))

    until(known, PATIENCE)


@pytest.mark.parametrize(("up", "down"), [(1400, 1400), (1492, 1340), (1280, 1440), (1500, 1500)])
def test_a_bridged_tunnel_s_path_is_followed_each_way(running: tuple[Lab, Line], up: int, down: int) -> None:
    lab, line = running
    follow(lab, line, up, down)
    restarts = lab.tenant.tunnel()["restarts"]
    fits = min(up, down) - OVERHEAD - 28 - 2
    assert lab.pings("host", REPLICA, "-M", "do", "-s", str(fits))
    assert lab.pings("replica", HOST, "-M", "do", "-s", str(fits))
    assert lab.tenant.tunnel()["restarts"] == restarts


@pytest.mark.parametrize(("up", "down"), [(1400, 1400), (1280, 1492), (1006, 1006)])
def test_frames_of_every_size_cross_a_short_path(running: tuple[Lab, Line], up: int, down: int) -> None:
    """Whole when they fit, otherwise in fragments: nobody on a LAN expects to be told a size."""
    lab, line = running
    follow(lab, line, up, down)
    assert lab.tenant.tunnel()["path"]["problem"] is None
    for size in (600, 1332, 1336, 1348, 1380, 1413, 1414, 1426, 1434, 1435, 1440, 1500):
        for place, to, to6 in (("host", REPLICA, REPLICA6), ("replica", HOST, HOST6)):
            assert lab.pings(place, to, "-M", "do", "-s", str(size - 28)), (place, size)
            assert lab.pings(place, to, "-M", "dont", "-s", str(size - 28)), (place, size)
            assert lab.pings(place, to6, "-M", "do", "-s", str(size - 48)), (place, size)


def test_a_datagram_of_several_frames_crosses_a_short_path(running: tuple[Lab, Line]) -> None:
    lab, line = running
    follow(lab, line, 1400, 1400)
    assert lab.pings("host", REPLICA, "-M", "dont", "-s", "4000")
    assert lab.pings("replica", HOST6, "-s", "4000")


def test_questions_about_the_path_do_not_count_as_refused_frames(running: tuple[Lab, Line]) -> None:
    """The counter is what tells an engineer that a frame was refused."""
    lab, line = running
    follow(lab, line, 1500, 1500)

    def quiet() -> bool:
        ends = (lab.provider, lab.tenant)
        before = [end.drops("drop_bridge") for end in ends]
        time.sleep(3 * path_size.IDLE)
        return [end.drops("drop_bridge") for end in ends] == before

    until(quiet, 2 * PATIENCE)


@pytest.mark.parametrize("tos", ["0x00", "0xb9", "0xff"])
def test_what_a_guest_writes_into_its_packets_stays_inside(running: tuple[Lab, Line], tos: str) -> None:
    """Its type of service crosses unchanged and is not seen outside."""
    lab, line = running
    follow(lab, line, 1500, 1500)
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL)) as sock:
        sock.bind((f"{lab.prefix}p0", ETH_P_ALL))
        assert lab.pings("host", REPLICA, "-Q", tos, "-s", "700")
        sock.settimeout(0.2)
        outside: list[tuple[bytes, tuple[str, int]]] = []
        with contextlib.suppress(TimeoutError):
            while len(outside) < 4:
                outside.append(sock.recvfrom(64))
    services = [packet[1] for packet, sender in outside if sender[1] == ETH_P_IP]
    assert len(services) > 1
    assert set(services) == {0}
