"""The size of a bridged tunnel's path: found out each way, followed, told to TCP."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

import pytest

from causeway_controller.lab.line.conditions import Conditions, Direction
from causeway_controller.lab.line.line import Line
from tests.kernel import bridged_lab
from tests.kernel.bridged_lab import HOST, REPLICA, Lab
from tests.kernel.processes_lab import until

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(120)]

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


@pytest.mark.parametrize("size", [600, 1332, 1435, 1440, 1500, 4000])
def test_packets_that_fit_a_short_path_or_leave_in_fragments_cross_it(
    running: tuple[Lab, Line], size: int
) -> None:
    """Those between have DF outside and are lost (ADR 18)."""
    lab, line = running
    follow(lab, line, 1400, 1400)
    for place, to in (("host", REPLICA), ("replica", HOST)):
        assert lab.pings(place, to, "-M", "dont", "-s", str(size - 28)), (place, size)
