"""What the filter of a partial failover lets a neighbour of the provider's appliance ask and tell."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv6Address

import pytest

from causeway_agent.plan.compile.compiler import compile_document
from causeway_agent.plan.filter import ruleset
from causeway_wire.desired import Desired, Partial
from tests import documents, neighbour_flood
from tests.neighbour_wire import OTHER_MAC, arp, claimed, learned, mac_of, moves, send, solicitation, tagged
from tests.wired import BOX, FAR, VLAN, addresses, build, counted, load, run, tear_down, within

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(60)]

VIP4, VIP6 = "192.168.0.20", "2001:db8::20"
PARTIAL = Partial(
    replicas=(
        documents.replica(20, "net-0", VIP4, VIP6),
        documents.replica(21, "net-0", "192.168.0.21", "2001:db8::21"),
    )
)


def policy(document: Desired) -> str:
    return ruleset.render(compile_document(document, documents.FACTS).policy)


@pytest.fixture(scope="module")
def partial() -> Iterator[None]:
    """A provider appliance with two replicas on its VLAN, and a cable for a tunnel."""
    build(("eth1", VLAN), ("cwu1195", FAR))
    try:
        addresses(BOX, "eth1", "192.168.0.5/32", "2001:db8::5/128")
        addresses(VLAN, "host", f"{VIP4}/24", "192.168.0.21/24", f"{VIP6}/64", "2001:db8::21/64")
        addresses(FAR, "host", "192.168.0.30/24", "2001:db8::30/64")
        for route, device in (
            ("192.168.0.0/24", "cwu1195"),
            ("192.168.0.20/31", "eth1"),
            ("2001:db8::/64", "cwu1195"),
            ("2001:db8::20/127", "eth1"),
        ):
            run("ip", "-n", BOX, "route", "add", route, "dev", device)
        within(BOX, "sysctl", "-qw", "net.ipv4.conf.eth1.proxy_arp=1", "net.ipv4.neigh.eth1.proxy_delay=0")
        within(BOX, "sysctl", "-qw", "net.ipv4.conf.eth1.arp_ignore=1")
        load(policy(documents.provider(PARTIAL)))
        yield
    finally:
        tear_down()


@pytest.mark.parametrize("address", [VIP4, VIP6])
def test_an_address_that_moves_between_replicas_is_learned(partial: None, address: str) -> None:
    assert moves(address)


def test_nobody_takes_over_what_it_may_not_have(partial: None) -> None:
    lies = ("192.168.0.5", "192.168.0.1", "192.168.0.30", "172.16.9.9")
    for lie in lies:
        run("ip", "-n", BOX, "neigh", "replace", lie, "lladdr", "02:00:00:00:00:77", "dev", "eth1")
        with counted("drop_arp"):
            assert not claimed(VLAN, arp(1, OTHER_MAC, lie, lie))
        assert learned(BOX, lie, "eth1") == "02:00:00:00:00:77"


def test_booting_replicas_find_their_addresses_free(partial: None) -> None:
    mac = mac_of(VLAN)
    for address in (VIP4, "192.168.0.21", "192.168.0.40"):
        assert not claimed(VLAN, arp(1, mac, "0.0.0.0", address))
        assert not claimed(VLAN, arp(1, mac, address, address))
    assert not claimed(VLAN, solicitation(mac, "::", VIP6))


def test_an_address_of_the_appliances_own_is_defended(partial: None) -> None:
    assert claimed(VLAN, arp(1, OTHER_MAC, "0.0.0.0", "192.168.0.5")) == {"192.168.0.5"}
    assert claimed(VLAN, solicitation(OTHER_MAC, "::", "2001:db8::5")) == {"2001:db8::5"}


def test_only_replicas_are_told_the_appliances_address(partial: None) -> None:
    """IPv6 as ARP: a VM that is not failed over, and a foreign source, hear nothing."""
    assert claimed(VLAN, arp(1, OTHER_MAC, VIP4, "192.168.0.5")) == {"192.168.0.5"}
    assert claimed(VLAN, solicitation(mac_of(VLAN), VIP6, "2001:db8::5")) == {"2001:db8::5"}
    for stranger4, stranger6 in (("192.168.0.22", "2001:db8::22"), ("172.16.9.9", "2001:db8:99::9")):
        with counted("drop_arp"):
            assert not claimed(VLAN, arp(1, OTHER_MAC, stranger4, "192.168.0.5"))
        run("ip", "-n", VLAN, "-6", "addr", "add", f"{stranger6}/128", "dev", "host", "nodad")
        assert not claimed(VLAN, solicitation(mac_of(VLAN), stranger6, "2001:db8::5"))
        run("ip", "-n", VLAN, "-6", "addr", "del", f"{stranger6}/128", "dev", "host")
    with counted("drop_solicitation"):
        assert not claimed(VLAN, solicitation(mac_of(VLAN), "fe80::22", "2001:db8::5"))


def test_tags_of_priority_hide_no_source(partial: None) -> None:
    """The kernel takes off tags that name no VLAN, also one in another, and drops frames with any other."""
    mac = mac_of(VLAN)
    for tags in ("8100e00081000000", "88a8000081000000"):
        assert claimed(VLAN, tagged(solicitation(mac, VIP6, "2001:db8::5"), tags)) == {"2001:db8::5"}
        with counted("drop_solicitation"):
            send(VLAN, tagged(solicitation(mac, "2001:db8::22", "2001:db8::5"), tags))
        for stranger, reason in (("2001:db8:99::9", "drop_spoofed"), ("2001:db8::22", "drop_forward")):
            with counted(reason):
                send(VLAN, tagged(_datagram(mac, stranger, "2001:db8::30"), tags))
    assert not claimed(VLAN, tagged(solicitation(mac, VIP6, "2001:db8::5"), "8100000081000005"))


def _datagram(mac: bytes, source: str, destination: str) -> bytes:
    """An IPv6 packet to the appliance without anything in it (RFC 8200, 4.7)."""
    ends = IPv6Address(source).packed + IPv6Address(destination).packed
    return mac_of(BOX, "eth1") + mac + bytes.fromhex("86dd6000000000003b40") + ends


@pytest.mark.parametrize("varied", [False, True], ids=["one", "ever new ones"])
async def test_who_floods_a_segment_with_arp_leaves_the_others_their_answers(
    partial: None, *, varied: bool
) -> None:
    """The kernel answers; that of solicitations is `test_solicitation_floods`."""
    others = [
        arp(1, OTHER_MAC[:5] + bytes([number]), f"192.168.0.{number}", target)
        for number in (20, 21)
        for target in ("192.168.0.5", "192.168.0.30")
    ]
    asked = (others * neighbour_flood.ASKS)[: neighbour_flood.ASKS]
    flood = arp(1, mac_of(VLAN), VIP4, "192.168.0.30")
    assert (
        await neighbour_flood.answered(VLAN, asked, flood=flood, varied=varied) >= neighbour_flood.ASKS // 2
    )


def test_an_idle_network_says_nothing(partial: None) -> None:
    link_local = run("ip", "-n", BOX, "-6", "-o", "addr", "show", "dev", "eth1", "scope", "link").split()[3]
    load(policy(documents.provider()))
    try:
        for four, six in (("192.168.0.5", "2001:db8::5"), ("192.168.0.30", link_local.split("/")[0])):
            for source4, source6 in ((VIP4, VIP6), ("0.0.0.0", "::"), (VIP4, "fe80::20")):
                assert not claimed(VLAN, arp(1, mac_of(VLAN), source4, four))
                assert not claimed(VLAN, solicitation(mac_of(VLAN), source6, six))
    finally:
        load(policy(documents.provider(PARTIAL)))
