"""A gateway's door is knocked at in the names of neighbours that nobody has, and knows its real ones still.

Whoever forges the sender of a SYN has the answer looked for next door; the table of neighbours is one for the
whole machine, and 3,000 a second filled it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from causeway_agent.plan.filter import ruleset
from causeway_agent.plan.filter.neighbours import SMALL
from tests.kernel.test_ruleset_gateway import FOUR, SIX, gateway, policy
from tests.knocks import ACK, SYN, knocking
from tests.wired import BOX, FAR, beside, between, counted, drops, load, run, within

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(60)]

TABLE = 1024
"""Neighbours that a kernel has room for by default (gc_thresh3)."""
ON_LINK, FAR_AWAY = "2001:db8:f::", "2001:db8:ffff::"

_SERVE = """
    import socket
    server = socket.create_server(("::", 6180), family=socket.AF_INET6, backlog=1024)
    print("ready", flush=True)
    while True:
        accepted = server.accept()[0]
        accepted.sendall(b"said")
        accepted.close()
"""


@pytest.fixture(autouse=True)
def door() -> Iterator[None]:
    with between():
        load(ruleset.render(policy(gateway(SIX, 0, 1))))
        within(BOX, "ip", "-6", "route", "add", "default", "via", SIX.client)
        with beside(BOX, _SERVE):
            yield


def sought() -> int:
    """Neighbours that somebody is looking for, or has found nobody at."""
    shown = within(BOX, "ip", "-6", "neighbour", "show", "nud", "incomplete", "nud", "failed")
    return len(shown.splitlines())


def connects() -> bool:
    script = f"import socket; socket.create_connection(({SIX.public!r}, 6180), 3)"
    return (
        subprocess.run(["ip", "netns", "exec", FAR, sys.executable, "-c", script], check=False).returncode
        == 0
    )


@pytest.mark.parametrize("flags", [SYN, ACK], ids=["opening", "of-no-connection"])
def test_a_flood_in_the_names_of_neighbours_leaves_room_for_the_real_ones(flags: int) -> None:
    with counted("drop_scan"), knocking(FAR, ON_LINK, SIX.public, 6180, flags=flags):
        time.sleep(1.5)
        assert sought() < TABLE * 3 / 4
        assert connects(), "a neighbour that the gateway meets for the first time"
        within(BOX, "ping", "-c", "1", "-W", "2", SIX.server)


def test_only_who_has_been_heard_is_known_and_nobody_who_was_made_up() -> None:
    """A segment of no connection would do to be known for ten minutes; then nothing rations its answers."""
    with knocking(FAR, ON_LINK, SIX.public, 6180, flags=ACK) as running:
        running.wait()
    assert known() == set()
    assert connects()
    within(BOX, "nft", "flush", "set", "inet", "causeway", "met6")  # it may have asked for our MAC address
    assert connects()
    assert known() == {SIX.client}


def known() -> set[str]:
    """Neighbours at the door to whom answers are not rationed, on account of a connection."""
    listed = json.loads(within(BOX, "nft", "-j", "list", "set", "inet", "causeway", "met6"))["nftables"]
    elements = next(one["set"] for one in listed if "set" in one).get("elem", [])
    found = {one["elem"]["val"]["concat"][1] for one in elements}
    return {address for address in found if not address.startswith("fe80")}


def test_a_flood_from_elsewhere_is_answered_and_takes_no_room() -> None:
    before = drops()["drop_scan"]
    with knocking(FAR, FAR_AWAY, SIX.public, 6180) as running:
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
