"""What the filter of a tenant appliance lets replicas look for in production, and production ask."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network

import pytest
from msgspec.structs import replace

from causeway_agent.plan.compile.compiler import compile_document
from causeway_agent.plan.filter import ruleset
from causeway_wire.desired import Partial, TenantRole
from tests import documents
from tests.neighbour_wire import (
    OTHER_MAC,
    SHARE,
    arp,
    claimed,
    colon,
    mac_of,
    moves,
    neighbours,
    scan,
    send,
    solicitation,
    soon,
)
from tests.wired import BOX, FAR, VLAN, addresses, build, counted, load, pings, run, tear_down, within

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(60)]

IPV4 = 4
VIP4, VIP6 = "192.168.0.20", "2001:db8::20"
PARTIAL = Partial(
    replicas=(
        documents.replica(20, "net-0", VIP4, VIP6),
        documents.replica(21, "net-0", "192.168.0.21", "2001:db8::21"),
    )
)


@pytest.fixture(scope="module")
def tenant() -> Iterator[None]:
    """A tenant appliance: production on a cable, two replicas at the other end of a cable for a tunnel."""
    build(("eth1", VLAN), ("cwtun0", FAR))
    try:
        addresses(BOX, "eth1", "192.168.0.6/16", "2001:db8::6/64")
        addresses(VLAN, "host", "192.168.0.30/16", "192.168.0.31/16", "2001:db8::30/64", "2001:db8::31/64")
        replicas = (VIP4, "192.168.0.21", VIP6, "2001:db8::21")
        for address in replicas:
            long = "128" if ":" in address else "32"
            addresses(FAR, "host", f"{address}/{long}")
            run("ip", "-n", BOX, "route", "add", f"{address}/{long}", "dev", "cwtun0")
            run("ip", "-n", BOX, "neigh", "add", address, "lladdr", colon(mac_of(FAR)), "dev", "cwtun0")
        for version, any_ in ((4, "192.168.0.6"), (6, "2001:db8::6")):
            family = f"-{version}"
            run("ip", "-n", FAR, family, "neigh", "add", any_, "lladdr", _far_end(), "dev", "host")
            run("ip", "-n", FAR, family, "route", "add", "default", "via", any_, "dev", "host", "onlink")
        for address in (VIP4, "192.168.0.21", VIP6, "2001:db8::21"):
            run("ip", "-n", BOX, "neigh", "replace", "proxy", address, "dev", "eth1")
        # Else the kernel answers a probe for a proxied address within 0.8 s (RFC 4861, 7.2.8), by chance.
        at_once = (f"net.ipv{version}.neigh.eth1.proxy_delay=0" for version in (4, 6))
        within(BOX, "sysctl", "-qw", "net.ipv6.conf.eth1.proxy_ndp=1", *at_once)
        whole = documents.tenant(PARTIAL)
        assert isinstance(whole.role, TenantRole)
        wide = (ip_network("192.168.0.0/16"), ip_network("2001:db8::/64"))
        network = replace(whole.role.network, prefixes=wide)
        document = replace(whole, role=replace(whole.role, network=network))
        load(ruleset.render(compile_document(document, documents.FACTS).policy))
        yield
    finally:
        tear_down()


def _far_end() -> str:
    return colon(mac_of(BOX, "cwtun0"))


@pytest.mark.parametrize(
    ("source", "network", "version"), [(VIP4, "192.168.0.0/16", 4), (VIP6, "2001:db8::/64", 6)]
)
def test_a_replica_that_scans_production_leaves_room_for_others(
    tenant: None, source: str, network: str, version: int
) -> None:
    with counted("drop_scan"):
        scan(FAR, source, network)
    assert neighbours(BOX, version) < SHARE
    other, host = ("192.168.0.21", "192.168.0.31") if version == IPV4 else ("2001:db8::21", "2001:db8::31")
    assert soon(lambda: pings(FAR, host, source=other), seconds=15)


def test_who_has_been_heard_is_not_rationed(tenant: None) -> None:
    """300 packets at once to a neighbour that answers, while the ration of the source is spent."""
    # What other tests have spent of the ration of this MAC address comes back within a second.
    assert soon(lambda: pings(VLAN, VIP4, source="192.168.0.30"))
    scan(FAR, VIP4, "192.168.0.0/16")
    told = within(FAR, "ping", "-q", "-c300", "-i0.002", "-W1", "-I", VIP4, "192.168.0.30", check=False)
    assert " 0% packet loss" in told


@pytest.mark.parametrize(("address", "version"), [(VIP4, 4), (VIP6, 6)])
def test_a_machine_that_asks_under_many_names_takes_few_places(
    tenant: None, address: str, version: int
) -> None:
    """Of a production host that asks for a failed-over address, every sender would be remembered."""
    mac = mac_of(VLAN)
    if version == IPV4:
        asked = [arp(1, mac, f"192.168.{high}.{low}", address) for high in (7, 8, 9) for low in range(1, 251)]
    else:
        asked = [solicitation(mac, f"2001:db8::7:{low:x}", address) for low in range(1, 751)]
    before = neighbours(BOX, version)
    send(VLAN, *asked)
    assert neighbours(BOX, version) - before < SHARE / 3


def test_a_probe_for_a_failed_over_address_is_answered(tenant: None) -> None:
    """Over IPv6 by the kernel (RFC 4862, 5.4.3); over IPv4 by the watch: `test_neighbour_watch`."""
    assert claimed(VLAN, solicitation(OTHER_MAC, "::", VIP6)) == {VIP6}
    assert not claimed(VLAN, solicitation(OTHER_MAC, "::", "2001:db8::22"))


@pytest.mark.parametrize("address", ["192.168.0.30", "2001:db8::30"])
def test_an_address_that_moves_within_production_is_learned(tenant: None, address: str) -> None:
    assert moves(address)
