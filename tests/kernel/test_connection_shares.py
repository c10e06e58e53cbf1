"""A machine in full failover that opens, or is made to take, more connections than the others can spare.

It is refused new ones, by its MAC address whatever addresses it speaks under; all others have theirs.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from causeway_wire import codec
from causeway_wire.observed import ConnectionReport
from tests import documents
from tests.full_site import (
    INTERNET4,
    INTERNET6,
    OTHER4,
    OTHER6,
    PUBLIC4,
    PUBLIC6,
    ROOT,
    VM4,
    VM6,
    apply,
    asks,
    document,
    publish,
    standing,
)
from tests.openings import opening, send
from tests.wired import BOX, FAR, UPLINK, VLAN, counted, pings, run, within

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(90)]

FULL = document(documents.full("net-0", "net-1"))
LIMIT = 4000
HOG = "02:bb:00:00:00:07"
SILENT4, SILENT6 = "203.0.113.99", "2001:db8:cafe::99"
"""Hosts of the internet that never answer."""

Look = Callable[[], ConnectionReport]


@contextmanager
def keeping() -> Iterator[Look]:
    """The agent's part, one look at a time."""
    command = ("ip", "netns", "exec", BOX, sys.executable, "-m", "tests.share_keeper")
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as keeper:
        assert keeper.stdin is not None
        assert keeper.stdout is not None
        say, answers = keeper.stdin, keeper.stdout

        def look() -> ConnectionReport:
            say.write("look\n")
            say.flush()
            return codec.decode(answers.readline().encode(), ConnectionReport)

        try:
            say.write(f"{codec.encode(FULL).decode()}\n{LIMIT}\n")
            yield look
        finally:
            keeper.kill()


@pytest.fixture
def look() -> Iterator[Look]:
    """The site in full failover."""
    with standing():
        apply(FULL)
        for public, here in ((PUBLIC4, VM4), (PUBLIC6, VM6)):
            publish(public, 80, here, 80)
        run("ip", "-n", UPLINK, "route", "add", "blackhole", f"{SILENT4}/32")
        run("ip", "-n", UPLINK, "-6", "route", "add", "blackhole", f"{SILENT6}/128")
        for space, own, gateway in ((VLAN, VM4, "192.168.0.1"), (VLAN, VM6, "2001:db8::1")):
            assert pings(space, gateway, source=own)
        with keeping() as keeper:
            yield keeper


def followed() -> int:
    return int(within(BOX, "cat", "/proc/sys/net/netfilter/nf_conntrack_count"))


def hog(version: int, number: int, *, first: int = 10_000) -> None:
    """Open so many connections to nobody: over IPv4 under a neighbour's address, over IPv6 under many."""
    mac = documents.MACS[1]
    if version == 4:
        frames = [opening(mac, HOG, VM4, SILENT4, first + n, to=81) for n in range(number)]
    else:
        frames = [opening(mac, HOG, f"2001:db8::bad:{n:x}", SILENT6, first, to=81) for n in range(number)]
    send(VLAN, frames)


@pytest.mark.parametrize("version", [4, 6])
def test_who_opens_more_than_a_share_is_refused_and_others_have_theirs(look: Look, version: int) -> None:
    inside, other, outside = (VM4, OTHER4, INTERNET4) if version == 4 else (VM6, OTHER6, INTERNET6)
    assert look().over_share == 0
    hog(version, 3300)
    told = look()
    assert (told.over_share, told.shares[0].mac, told.shares[0].device) == (1, HOG[6:], "eth1")
    before = followed()
    with counted("drop_share"):
        hog(version, 500, first=20_000)
    assert followed() <= before
    for space, source in ((VLAN, inside), (FAR, other)):
        assert asks(space, source, outside, 80) != "nothing"
    public = PUBLIC4 if version == 4 else PUBLIC6
    assert asks(UPLINK, outside, public, 80) == outside


def test_connections_above_a_share_are_ended_where_the_table_is_nearly_full(look: Look) -> None:
    hog(4, 3900)
    assert look().over_share == 1
    assert 0.7 * LIMIT < followed() < 0.8 * LIMIT


@pytest.mark.parametrize("version", [4, 6])
def test_a_published_address_that_is_flooded_leaves_the_others_theirs(look: Look, version: int) -> None:
    public, inside, other, outside, prefix = (
        (PUBLIC4, VM4, OTHER4, INTERNET4, "100.64.{}.{}")
        if version == 4
        else (PUBLIC6, VM6, OTHER6, INTERNET6, "2001:db8:bad:{:x}::{:x}")
    )
    run("ip", "-n", UPLINK, "route", "add", "blackhole", "100.64.0.0/16")
    run("ip", "-n", UPLINK, "-6", "route", "add", "blackhole", "2001:db8:bad::/48")
    mac = within(UPLINK, "cat", "/sys/class/net/host/address").strip()
    send(
        UPLINK,
        [
            opening(documents.MACS[0], mac, prefix.format(n >> 8, n & 255), public, 5000, to=80)
            for n in range(3300)
        ],
    )
    told = look()
    assert (told.over_share, str(told.shares[0].address), told.shares[0].mac) == (1, inside, None)
    with counted("drop_share"):
        assert asks(UPLINK, outside, public, 80) == "nothing"
    for space, source in ((VLAN, inside), (FAR, other)):
        assert asks(space, source, outside, 80) != "nothing"


def test_a_network_s_connections_come_no_faster_than_the_agent_looks(look: Look) -> None:
    with counted("drop_share"):
        hog(4, 30_000, first=1024)
    assert followed() < 25_000
