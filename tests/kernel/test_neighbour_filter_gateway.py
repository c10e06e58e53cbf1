"""A gateway's door is knocked at in the names of neighbours that nobody has, and knows its real ones still.

Whoever forges the sender of a SYN has the answer looked for next door; the table of neighbours is one for the
whole machine, and 3,000 a second filled it.
"""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from causeway_agent.plan.filter import ruleset
from causeway_agent.plan.filter.neighbours import SMALL
from tests.kernel.test_ruleset_gateway import FOUR, SIX, gateway, policy
from tests.wired import BOX, FAR, between, counted, drops, load, run, within

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(60)]

TABLE = 1024
"""Neighbours that a kernel has room for by default (gc_thresh3)."""
RATE, SECONDS = 3000, 3
ON_LINK, FAR_AWAY = "2001:db8:f::", "2001:db8:ffff::"

_KNOCK = """
    import ipaddress, os, socket, struct, sys, time
    to, prefix = (ipaddress.ip_address(text).packed for text in sys.argv[1:3])
    rate, number = map(int, sys.argv[3:])
    raw = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)
    raw.setsockopt(41, 36, 1)  # IPV6_HDRINCL
    began = time.monotonic()
    for index in range(number):
        source = prefix[:8] + os.urandom(8)
        syn = struct.pack("!HHIIBBHHH", 1024 + index % 60000, 6180, index, 0, 5 << 4, 2, 65535, 0, 0)
        total = sum(struct.unpack("!30H", source + to + struct.pack("!II", 20, 6) + syn))
        while total >> 16:
            total = (total & 0xFFFF) + (total >> 16)
        syn = syn[:16] + struct.pack("!H", ~total & 0xFFFF) + syn[18:]
        raw.sendto(struct.pack("!IHBB", 6 << 28, 20, 6, 64) + source + to + syn, (sys.argv[1], 0))
        if (ahead := index / rate - (time.monotonic() - began)) > 0:
            time.sleep(ahead)
"""
_SERVE = """
    import socket
    server = socket.create_server(("::", 6180), family=socket.AF_INET6, backlog=1024)
    print("ready", flush=True)
    while True:
        server.accept()[0].close()
"""


@contextmanager
def process(space: str, script: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = ("ip", "netns", "exec", space, sys.executable, "-c", textwrap.dedent(script), *arguments)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        try:
            yield running
        finally:
            running.kill()


@pytest.fixture(autouse=True)
def door() -> Iterator[None]:
    with between():
        load(ruleset.render(policy(gateway(SIX, 0, 1))))
        within(BOX, "ip", "-6", "route", "add", "default", "via", SIX.client)
        with process(BOX, _SERVE) as server:
            assert server.stdout is not None
            server.stdout.readline()
            yield


def sought() -> int:
    """Neighbours that somebody is looking for, or has found nobody at."""
    shown = within(BOX, "ip", "-6", "neighbour", "show", "nud", "incomplete", "nud", "failed")
    return len(shown.splitlines())


@contextmanager
def knocking(prefix: str) -> Iterator[subprocess.Popen[str]]:
    with process(FAR, _KNOCK, SIX.public, prefix, str(RATE), str(RATE * SECONDS)) as running:
        yield running


def connects() -> bool:
    script = f"import socket; socket.create_connection(({SIX.public!r}, 6180), 3)"
    return (
        subprocess.run(["ip", "netns", "exec", FAR, sys.executable, "-c", script], check=False).returncode
        == 0
    )


def test_a_flood_in_the_names_of_neighbours_leaves_room_for_the_real_ones() -> None:
    with counted("drop_scan"), knocking(ON_LINK):
        time.sleep(1.5)
        assert sought() < TABLE * 3 / 4
        assert connects(), "a neighbour that the gateway meets for the first time"
        within(BOX, "ping", "-c", "1", "-W", "2", SIX.server)


def test_a_flood_from_elsewhere_is_answered_and_takes_no_room() -> None:
    before = drops()["drop_scan"]
    with knocking(FAR_AWAY) as running:
        running.wait()
        assert sought() < 10
        assert connects()
    assert drops()["drop_scan"] == before


def test_a_small_network_s_neighbours_are_answered_as_they_come() -> None:
    known = policy(gateway(FOUR, 0))
    sizes = {guard.network.version: guard.network.num_addresses for guard in known.doorways}
    assert sizes[4] <= SMALL < sizes[6]
    text = run("ip", "netns", "exec", BOX, "nft", "list", "set", "inet", "causeway", "onlink4")
    assert "eth1" not in text
