"""What a tunnel without room counts as demand, and holds to a share: packets that may pass, no others.

Who is refused by the policy wants nothing of the tunnel, and takes nobody's share by asking.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from causeway_agent.plan.compile.compiler import compile_document
from causeway_agent.plan.filter import bridge, load, ruleset
from causeway_agent.plan.model.policy import BridgedNetwork, Policy
from causeway_agent.plan.steer.load import Sender
from causeway_wire.desired import Partial
from tests import documents, wired
from tests.neighbour_wire import colon, mac_of, send
from tests.wired import BOX, FAR, VLAN, pings, run, within

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(120)]

INET, BRIDGE = "inet causeway", "bridge causeway"
TUNNEL, PORT = "cwu1195", "eth1"
REPLICA, OTHER = bytes.fromhex("020000000020"), bytes.fromhex("020000000021")
PARTIAL = Partial(replicas=(documents.replica(20, "net-0", "192.168.0.20", "2001:db8:0::20"),))
HELD = 1
"""Packets a second that a sender in `slowed` gets through, and a burst of twenty."""
BURST = "40"


@pytest.fixture(autouse=True)
def appliance() -> Iterator[None]:
    wired.build((PORT, VLAN), (TUNNEL, FAR))
    try:
        yield
    finally:
        wired.tear_down()


@pytest.fixture
def routed() -> None:
    """A replica .20 that is failed over and another VM .21 that is not, before a routed tunnel."""
    for form in ("192.168.0.{}", "2001:db8::{}"):
        length, six = ("/64", ("-6",)) if ":" in form else ("/24", ())
        wired.addresses(VLAN, "host", *(form.format(host) + length for host in (20, 21)))
        wired.addresses(FAR, "host", form.format(30) + length)
        run("ip", "-n", BOX, *six, "route", "add", form.format(30), "dev", TUNNEL)
        for host, place, device in ((20, FAR, PORT), (21, FAR, PORT), (30, VLAN, TUNNEL)):
            run("ip", "-n", BOX, *six, "route", "replace", form.format(host), "dev", device)
            own = colon(mac_of(BOX, TUNNEL if place == FAR else PORT))
            run("ip", "-n", place, "neigh", "add", form.format(host), "lladdr", own, "dev", "host")
    wired.load(ruleset.render(compile_document(documents.provider(PARTIAL), documents.FACTS).policy))


def pressed(table: str, *held: bytes) -> None:
    """The tunnel has no room; these senders are held."""
    wired.load(load.commands(table, [TUNNEL], {Sender(TUNNEL, mac): HELD for mac in held}))


@pytest.fixture
def bridge_table() -> None:
    """The VLAN bridged with a tunnel's port that is open; one machine's frames may pass."""
    run("ip", "-n", BOX, "link", "add", "br0", "type", "bridge")
    for port in (PORT, TUNNEL, "br0"):
        run("ip", "-n", BOX, "link", "set", port, *(() if port == "br0" else ("master", "br0")), "up")
    network = BridgedNetwork("br0", frozenset({PORT}), frozenset({TUNNEL}), frozenset({colon(REPLICA)}))
    wired.load(ruleset.render(Policy(bridged=frozenset({network}))))
    index = json.loads(run("ip", "-j", "-n", BOX, "link", "show", TUNNEL))[0]["ifindex"]
    wired.load(bridge.open_ports([index]))


def frame(source: bytes) -> bytes:
    """To a machine of production, under this address."""
    return bytes.fromhex("020000000030") + source + b"\x88\xb6" + bytes(46)


def demand(table: str) -> dict[bytes, int]:
    """Packets that are taken for it, by their sender's MAC address."""
    listed = json.loads(within(BOX, "nft", "-j", "list", "set", *table.split(), load.SENT))
    elements = next(one["set"] for one in listed["nftables"] if "set" in one).get("elem", [])
    found = ((one["elem"]["val"]["concat"][1], one["elem"]["counter"]["packets"]) for one in elements)
    return {bytes.fromhex(mac.replace(":", "")): packets for mac, packets in found}


@pytest.mark.parametrize("family", ["192.168.0.", "2001:db8::"])
def test_packets_that_the_policy_refuses_are_no_demand(routed: None, family: str) -> None:
    pressed(INET)
    with wired.counted("drop_forward"):
        assert not pings(VLAN, f"{family}30", source=f"{family}21")
    assert demand(INET) == {}
    assert pings(VLAN, f"{family}30", source=f"{family}20"), "the replica may"
    assert demand(INET).keys() == {mac_of(VLAN)}


@pytest.mark.parametrize("family", ["192.168.0.", "2001:db8::"])
def test_who_is_held_loses_what_is_above_the_share(routed: None, family: str) -> None:
    pressed(INET, mac_of(VLAN))
    with wired.counted("drop_excess"):
        within(VLAN, "ping", "-q", "-f", "-c", BURST, "-W1", "-I", f"{family}20", f"{family}30", check=False)


def test_frames_that_the_policy_refuses_are_no_demand(bridge_table: None) -> None:
    pressed(BRIDGE)
    with wired.counted("drop_bridge"):
        send(VLAN, frame(OTHER))
    assert demand(BRIDGE) == {}
    send(VLAN, frame(REPLICA))
    assert demand(BRIDGE) == {REPLICA: 1}


def test_frames_above_the_share_are_lost(bridge_table: None) -> None:
    pressed(BRIDGE, REPLICA)
    with wired.counted("drop_excess_frames"):
        send(VLAN, *(frame(REPLICA) for _ in range(int(BURST))))
