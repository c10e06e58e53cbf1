"""A network extended bridged: a replica at the provider is a machine of the production segment."""

from __future__ import annotations

import ipaddress
import json
import struct
import time
from collections.abc import Callable, Iterator

import pytest

from causeway_agent.backends.segment import frames
from tests.kernel import bridged_lab
from tests.kernel.bridged_guest import LEASED
from tests.kernel.bridged_lab import HOST, HOST6, MACS, OTHER, REPLICA, REPLICA6, Lab
from tests.neighbour_wire import icmpv6

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(60)]

BROADCAST = "ff:ff:ff:ff:ff:ff"
BRIDGE_PROTOCOL = "01:80:c2:00:00:00"
NEAREST = "01:80:c2:00:00:0e"
"""As LLDP's frames: bridges keep them to themselves, and learn from them."""
FOREIGN = "88b6"
"""The other EtherType for local experiments: not ours, not IP's."""
GUARD = "88b5"
TAGS = {
    "customer": "81000005",
    "priority": "8100e000",
    "service": "88a80005",
    "two": "88a8000581000006",
    "priority over customer": "8100000081000006",
    "before 802.1ad": "91000005",
}
"""IEEE 802.1Q, 9.6; the EtherType of what is inside follows."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The replica is failed over, the other guest at the provider is not."""
    with bridged_lab.lab(tmp_path_factory.mktemp("bridged")) as lab:
        lab.begin("replica")
        lab.opened()
        yield lab


def said(lab: Lab, place: str, count: int, to: str, ethertype: str = FOREIGN) -> Callable[[], object]:
    """The guest sends this many frames of a foreign protocol."""
    return lambda: lab.guest(place, "say", ethertype, str(count), to)


def test_both_sides_reach_each_other_at_unchanged_addresses(world: Lab) -> None:
    assert world.pings("host", REPLICA)
    assert world.pings("replica", HOST)
    assert world.pings("host", REPLICA6)
    assert world.pings("replica", HOST6)


def test_the_replica_is_seen_with_its_own_mac_and_an_unchanged_time_to_live(world: Lab) -> None:
    found = world.heard("host", "0800", lambda: world.pings("replica", HOST))
    assert world.pings("replica", HOST6)
    assert found["from"] == [MACS["replica"]]
    assert found["ttls"] == [64]
    assert MACS["replica"] in world.inside("host", "ip", "neighbour", "show", REPLICA)
    assert MACS["replica"] in world.inside("host", "ip", "neighbour", "show", REPLICA6)


def test_packets_as_large_as_on_a_lan_pass_unfragmented(world: Lab) -> None:
    assert world.pings("host", REPLICA, "-M", "do", "-s", "1472")
    assert not world.pings("host", REPLICA, "-M", "do", "-s", "1473")


def test_a_replica_gets_its_address_from_production_s_dhcp_server(world: Lab) -> None:
    with world.popen("host", "lease", "5") as server:
        assert server.stdout is not None
        assert json.loads(server.stdout.readline()) == "ready"
        assert world.guest("replica", "ask", "4") == {"offered": LEASED}
        assert json.loads(server.stdout.readline()) == {"asked by": MACS["replica"]}


def test_frames_of_other_protocols_cross_both_ways(world: Lab) -> None:
    for source, target, to in (
        ("replica", "host", BROADCAST),
        ("host", "replica", BROADCAST),
        ("replica", "host", MACS["host"]),
        ("host", "replica", MACS["replica"]),
    ):
        found = world.heard(target, FOREIGN, said(world, source, 3, to))
        assert (found["frames"], found["from"]) == (3, [MACS[source]])


def test_a_machine_that_is_not_failed_over_stays_out_of_production(world: Lab) -> None:
    found = world.heard("host", FOREIGN, said(world, "other", 3, BROADCAST))
    assert found["frames"] == 0
    assert not world.pings("host", OTHER)
    assert not world.pings("other", HOST)
    assert world.pings("other", REPLICA), "the control: it is alive and on the replica's segment"


@pytest.mark.parametrize("what", ["router advertisement", "offer of an address"])
def test_who_gives_out_addresses_and_routes_is_heard_by_the_other_site_when_it_is_failed_over(
    world: Lab, what: str
) -> None:
    """It may be production's own server. A machine that is not failed over gives production nothing."""
    for place, crossing in (("other", 0), ("replica", 2)):
        frame = _advertisement(place) if what == "router advertisement" else _offer(place)
        saying = said(world, place, 2, frame[:6].hex(":"), frame[12:].hex())
        assert world.heard("host", "any", saying)["frames"] == crossing


def _advertisement(place: str) -> bytes:
    """As from a router (RFC 4861, 4.2) that is none by default, with an option that nobody knows."""
    mac = bytes.fromhex(MACS[place].replace(":", ""))
    body = bytes([134, 0, 0, 0, 64, 0, 0, 0]) + bytes(8) + bytes([250, 3]) + b"x" * 22
    ends = ipaddress.IPv6Address("fe80::66"), ipaddress.IPv6Address("ff02::1")
    return icmpv6(mac, bytes.fromhex("333300000001"), *ends, body)


def _offer(place: str) -> bytes:
    """As from a DHCP server, to everybody (RFC 2131, 4.1)."""
    udp = struct.pack("!4H", 67, 68, 8 + 300, 0) + b"\2" + b"x" * 299
    ends = ipaddress.ip_address(OTHER).packed + b"\xff" * 4
    header = struct.pack("!2B3H2BH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0) + ends
    header = header[:10] + frames.checksum(header).to_bytes(2, "big") + header[12:]
    mac = bytes.fromhex(MACS[place].replace(":", ""))
    return b"\xff" * 6 + mac + b"\x08\x00" + header + udp


def test_unicast_between_production_hosts_does_not_cross(world: Lab) -> None:
    """A bridge floods what it has not learned: the tunnel carries it only when a replica is meant."""
    for to, crossing in ((MACS["original"], 0), (MACS["replica"], 5)):
        found = world.heard("replica", FOREIGN, said(world, "host", 5, to))
        assert found["frames"] == crossing


@pytest.mark.parametrize("to", [BROADCAST, NEAREST])
def test_who_speaks_under_the_address_of_a_production_host_does_not_get_its_frames(
    world: Lab, to: str
) -> None:
    """What a switch beside the replicas believes is left out: it learns nobody here."""
    with world.flooded("vlan"):
        assert world.heard("replica", FOREIGN, said(world, "host", 1, BROADCAST))["frames"] == 1
        before = world.provider.drops("drop_loop")
        world.guest("other", "say", FOREIGN, "3", to, MACS["host"])
        assert world.provider.drops("drop_loop") == before + 3
        assert world.heard("host", FOREIGN, said(world, "replica", 3, MACS["host"]))["frames"] == 3


@pytest.mark.parametrize("to", [BROADCAST, NEAREST])
def test_who_speaks_under_a_replica_s_address_in_production_does_not_get_its_frames(
    world: Lab, to: str
) -> None:
    with world.flooded("lan"):
        before = world.tenant.drops("drop_loop")
        world.guest("original", "say", FOREIGN, "3", to, MACS["replica"])
        assert world.tenant.drops("drop_loop") == before + 3
        assert world.heard("replica", FOREIGN, said(world, "host", 3, MACS["replica"]))["frames"] == 3


def test_what_a_replica_sends_a_machine_beside_it_does_not_cross(world: Lab) -> None:
    with world.flooded("vlan"):
        world.guest("other", "say", FOREIGN, "1", BROADCAST)
        assert world.heard("host", FOREIGN, said(world, "replica", 5, MACS["other"]))["frames"] == 0


def test_the_spanning_tree_protocol_of_either_side_does_not_cross(world: Lab) -> None:
    found = world.heard("host", FOREIGN, said(world, "replica", 3, BRIDGE_PROTOCOL))
    assert found["frames"] == 0


@pytest.mark.parametrize("tag", TAGS.values(), ids=TAGS)
@pytest.mark.parametrize(("source", "target"), [("replica", "host"), ("host", "replica")])
def test_a_frame_that_a_guest_tagged_does_not_cross(world: Lab, source: str, target: str, tag: str) -> None:
    end = world.provider if source == "replica" else world.tenant
    for to in (BROADCAST, MACS[target]):
        before = end.drops("drop_tagged")
        found = world.heard(target, "any", said(world, source, 3, to, tag + FOREIGN))
        assert found["frames"] == 0
        assert end.drops("drop_tagged") == before + 3
        assert world.heard(target, "any", said(world, source, 3, to))["frames"] == 3, (
            "without the tag it does"
        )


@pytest.mark.parametrize(("source", "target"), [("replica", "host"), ("host", "replica")])
def test_ipv6_in_tags_does_not_cross(world: Lab, source: str, target: str) -> None:
    """Who is behind may take off tags that name no VLAN, be it one in another."""
    end = world.provider if source == "replica" else world.tenant
    addresses = {"replica": REPLICA6, "host": HOST6}
    ends = b"".join(ipaddress.IPv6Address(addresses[each]).packed for each in (source, target))
    packet = (bytes.fromhex("86dd6000000000143b40") + ends + b"x" * 20).hex()
    before = end.drops("drop_tagged")

    def tagged() -> None:
        for tag in (TAGS["two"], TAGS["priority over customer"], "81000000" * 2, "88a8000081000000"):
            world.guest(source, "say", tag + packet, "2", MACS[target])

    assert world.heard(target, "any", tagged)["frames"] == 0
    assert end.drops("drop_tagged") == before + 8
    plain = said(world, source, 2, MACS[target], packet)
    assert world.heard(target, "any", plain)["frames"] == 2, "without the tag it does"


@pytest.mark.parametrize(("loud", "quiet"), [("host", "original")])
def test_a_machine_that_floods_leaves_the_others_their_broadcasts(world: Lab, loud: str, quiet: str) -> None:
    def flood() -> None:
        with world.popen(loud, "say", FOREIGN, "20000", BROADCAST):
            for _ in range(5):
                world.guest(quiet, "say", "0842", "1", BROADCAST)

    assert world.heard("replica", "0842", flood)["frames"] == 5


@pytest.mark.parametrize(("source", "target"), [("replica", "host"), ("host", "replica")])
def test_guests_that_speak_the_guards_protocol_disturb_no_tunnel(
    world: Lab, source: str, target: str
) -> None:
    restarts, until = world.tenant.tunnel()["restarts"], time.monotonic() + 4
    while time.monotonic() < until:
        world.guest(source, "say", GUARD, "1000", MACS[target])
    assert world.tenant.tunnel()["restarts"] == restarts
    assert world.pings("host", REPLICA)


def test_broadcasts_above_the_limit_are_dropped_and_counted(world: Lab) -> None:
    before = world.tenant.drops("drop_storm")
    found = world.heard("replica", FOREIGN, said(world, "host", 5000, BROADCAST))
    assert 100 < found["frames"] < 1000
    assert world.tenant.drops("drop_storm") - before > 4000
    assert world.pings("host", REPLICA), "unicast is not limited"


def test_failing_over_an_address_that_production_still_has_is_refused(world: Lab) -> None:
    world.inside("original", "ip", "address", "add", f"{OTHER}/24", "dev", "eth0")
    document = bridged_lab.tenant_document(world.keys, "replica", "other")
    try:
        assert world.tenant.apply(document) == {"taken": {OTHER: MACS["original"]}}
    finally:
        world.inside("original", "ip", "address", "flush", "dev", "eth0")
    assert world.pings("host", REPLICA), "the one that runs is not disturbed"
    assert world.tenant.apply(document) == {"errors": [], "left": []}, "the control: nobody has it any more"
    world.begin("replica")
