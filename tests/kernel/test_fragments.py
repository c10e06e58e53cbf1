"""Fragments from anywhere cost nobody's large datagrams: every role, both IP versions, both sides.

Each flood would fill the kernel's store for incomplete datagrams several times over, were it let in.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import pytest

from causeway_agent.plan.compile.compiler import compile_document
from causeway_agent.plan.filter import ruleset
from causeway_wire.desired import Desired, Partial
from tests import documents, fragments, full_site
from tests.fragments import SHAPES, answering, flood, passes, stream
from tests.wired import BOX, FAR, UPLINK, VLAN, addresses, build, counted, drops, load, run, tear_down

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(120)]

VM4, VM6 = "192.168.0.20", "2001:db8::20"
HOST4, HOST6 = "192.168.0.30", "2001:db8::30"
PARTIAL = Partial(replicas=(documents.replica(20, "net-0", VM4, VM6),))
STRANGER4, STRANGER6 = "10.9.0.77", "2001:db8:9::77"


def put(document: Desired) -> None:
    load(ruleset.render(compile_document(document, documents.FACTS).policy))
    fragments.settle()


def mac(space: str, device: str = "host") -> str:
    return run("ip", "netns", "exec", space, "cat", f"/sys/class/net/{device}/address").strip()


def extended(near: tuple[str, str], far: tuple[str, str]) -> None:
    """A replica and a production host on cables of the appliance, as if the one end of a tunnel."""
    for (device, space), four, six, other4, other6 in (
        (near, VM4, VM6, HOST4, HOST6),
        (far, HOST4, HOST6, VM4, VM6),
    ):
        addresses(space, "host", f"{four}/32", f"{six}/128")
        for mine, other in ((four, other4), (six, other6)):
            version = "-6" if ":" in mine else "-4"
            length = "128" if ":" in mine else "32"
            run("ip", "-n", BOX, version, "route", "add", f"{mine}/{length}", "dev", device)
            run("ip", "-n", BOX, "neigh", "add", mine, "lladdr", mac(space), "dev", device)
            run("ip", "-n", space, version, "route", "add", f"{other}/{length}", "dev", "host")
            run("ip", "-n", space, "neigh", "add", other, "lladdr", mac(BOX, device), "dev", "host")


@pytest.fixture
def provider() -> Iterator[None]:
    build(("eth0", UPLINK), ("eth1", VLAN), ("cwu1195", FAR))
    try:
        addresses(BOX, "eth0", "10.9.0.2/24", "2001:db8:9::2/64")
        addresses(BOX, "eth1", "192.168.0.5/32")
        addresses(UPLINK, "host", f"{STRANGER4}/24", "10.9.0.78/24", f"{STRANGER6}/64")
        extended(("eth1", VLAN), ("cwu1195", FAR))
        run("ip", "-n", VLAN, "route", "add", "192.168.0.5", "dev", "host")
        run("ip", "-n", VLAN, "neigh", "add", "192.168.0.5", "lladdr", mac(BOX, "eth1"), "dev", "host")
        put(documents.provider(PARTIAL))
        fragments.settle(FAR)  # what a host has room for is not ours to decide
        yield
    finally:
        tear_down()


@pytest.mark.parametrize("shape", SHAPES)
def test_strangers_of_a_provider_s_uplink_take_nobody_s_large_datagrams(provider: None, shape: str) -> None:
    with answering(BOX, "10.9.0.2", 1195), answering(FAR, HOST4, 9000), answering(FAR, HOST6, 9000):
        with counted("drop_fragment"):
            flood(UPLINK, "10.9.0.2", shape, STRANGER4)
            flood(UPLINK, "10.9.0.2", shape, STRANGER4, port=7)
            flood(UPLINK, "2001:db8:9::2", shape, STRANGER6)
            flood(UPLINK, "10.9.0.2", shape, "10.100.0.1", "10.100.8.1", port=7)
        assert passes(UPLINK, "10.9.0.78", "10.9.0.2", port=1195, octets=1800), "a gateway's, bridged"
        assert passes(VLAN, VM4, HOST4, port=9000)
        assert passes(VLAN, VM6, HOST6, port=9000)


@pytest.mark.parametrize(("source", "own"), [(VM4, "192.168.0.5"), (VM4, HOST4), (VM6, HOST6)])
def test_a_replica_s_fragments_are_not_waited_for(provider: None, source: str, own: str) -> None:
    """To the appliance itself, and through it to production."""
    with answering(BOX, "10.9.0.2", 1195), answering(FAR, HOST4, 9000), answering(FAR, HOST6, 9000):
        flood(VLAN, own, "first", source)
        assert passes(UPLINK, "10.9.0.78", "10.9.0.2", port=1195, octets=1800)
        assert passes(VLAN, VM4, HOST4, port=9000)
        assert passes(VLAN, VM6, HOST6, port=9000)


@pytest.fixture
def tenant() -> Iterator[None]:
    build(("eth0", UPLINK), ("eth1", VLAN), ("cwtun0", FAR))
    try:
        addresses(BOX, "eth0", "10.9.0.2/24", "2001:db8:9::2/64")
        addresses(UPLINK, "host", f"{STRANGER4}/24", f"{STRANGER6}/64", "203.0.113.1/24")
        run("ip", "-n", BOX, "route", "add", "203.0.113.1", "dev", "eth0")
        run("ip", "-n", UPLINK, "route", "add", "10.9.0.2", "dev", "host", "src", "203.0.113.1")
        # Here the replica is behind the tunnel.
        extended(("cwtun0", FAR), ("eth1", VLAN))
        put(documents.tenant(PARTIAL))
        yield
    finally:
        tear_down()


@pytest.mark.parametrize("shape", SHAPES)
def test_strangers_of_a_tenant_take_nobody_s_large_datagrams(tenant: None, shape: str) -> None:
    with answering(UPLINK, "203.0.113.1", 6180), answering(FAR, VM4, 9000), answering(FAR, VM6, 9000):
        with counted("drop_fragment"):
            flood(UPLINK, "10.9.0.2", shape, STRANGER4)
            flood(UPLINK, "2001:db8:9::2", shape, STRANGER6)
            flood(UPLINK, "10.9.0.2", shape, "10.100.0.1", "10.100.8.1")
        assert passes(BOX, "10.9.0.2", "203.0.113.1", port=6180, octets=1800), "the gateway's, bridged"
        assert passes(VLAN, HOST4, VM4, port=9000)
        assert passes(VLAN, HOST6, VM6, port=9000)


@pytest.fixture
def gateway() -> Iterator[None]:
    build(("eth0", UPLINK), ("eth1", FAR))
    try:
        addresses(BOX, "eth0", "10.9.0.2/24")
        addresses(BOX, "eth1", "203.0.113.10/24", "2001:db8:f::10/64")
        addresses(UPLINK, "host", "10.9.0.20/24")
        addresses(FAR, "host", "203.0.113.77/24", "203.0.113.78/24", "2001:db8:f::77/64")
        put(documents.gateway(documents.gateway_tunnel(0)))
        full_site.element("add", "flows", "203.0.113.77 . 5000 : 10.9.0.20 . 1195")
        full_site.element("add", "known", "203.0.113.77 . 5000")
        yield
    finally:
        tear_down()


@pytest.mark.parametrize(("shape", "port"), tuple(product(SHAPES, (6180, 7))))
def test_strangers_of_a_gateway_take_no_tunnel_s_large_datagrams(
    gateway: None, shape: str, port: int
) -> None:
    with answering(UPLINK, "10.9.0.20", 1195):
        with counted("drop_fragment"):
            flood(FAR, "203.0.113.10", shape, "203.0.113.78", port=port)
            flood(FAR, "203.0.113.10", shape, "198.18.0.1", "198.18.8.1", port=port)
            flood(FAR, "2001:db8:f::10", shape, "2001:db8:f::77", port=port)
        assert passes(FAR, "203.0.113.77", "203.0.113.10", port=6180, own=5000, octets=1800)


@pytest.mark.parametrize("shape", ["first", "dust"])
def test_two_tenants_of_a_gateway_do_not_take_a_third_s_large_datagrams(gateway: None, shape: str) -> None:
    """Their flows are known, and what they send is never whole."""
    with answering(UPLINK, "10.9.0.20", 1195), counted("drop_fragment"):
        for source in ("203.0.113.78", "203.0.113.79") * 2:
            full_site.element("add", "known", f"{source} . 6180")
            flood(FAR, "203.0.113.10", shape, source, port=6180, count=8000)
        assert passes(FAR, "203.0.113.77", "203.0.113.10", port=6180, own=5000, octets=1800)


def test_bridged_frames_of_full_size_pass_at_the_pace_of_a_tunnel(gateway: None) -> None:
    """Some 60 Mbit/s of them at the most, each in two fragments."""
    before = drops()["drop_fragment"]
    stream(FAR, "203.0.113.77", "203.0.113.10", port=6180, own=5000, octets=1560, pace=(50, 120))
    assert drops()["drop_fragment"] == before


@pytest.fixture
def full() -> Iterator[None]:
    """Full failover, where the internet may send fragments to a published service."""
    with full_site.standing():
        full_site.apply(full_site.document(documents.full("net-0")))
        for public, here in ((full_site.PUBLIC4, full_site.VM4), (full_site.PUBLIC6, full_site.VM6)):
            full_site.publish(public, 9000, here, 9000, protocol="udp")
        with answering(VLAN, full_site.VM4, 9000), answering(VLAN, full_site.VM6, 9000):
            yield


@pytest.mark.parametrize("shape", SHAPES)
def test_a_published_service_still_gets_large_datagrams(full: None, shape: str) -> None:
    """While one host of the internet, and one replica, send as many incomplete ones as they can."""
    with counted("drop_fragment"):
        flood(UPLINK, full_site.PUBLIC4, shape, full_site.DENIED4, port=9000)
        flood(UPLINK, full_site.PUBLIC6, shape, full_site.PROVIDER6, port=9000)
        flood(VLAN, full_site.INTERNET4, shape, full_site.NEIGHBOUR4, port=53)
    assert passes(UPLINK, full_site.INTERNET4, full_site.PUBLIC4, port=9000)
    assert passes(UPLINK, full_site.INTERNET6, full_site.PUBLIC6, port=9000)


@pytest.mark.parametrize(
    ("names", "counter"),
    [
        (("10.100.0.1", "10.101.0.1"), "drop_spoofed"),
        (("192.168.0.30", "192.168.0.250"), "drop_fragment"),
        (("2001:db8:77::1", "2001:db8:77::ffff"), "drop_spoofed"),
        (("2001:db8::1000", "2001:db8::afff"), "drop_fragment"),
    ],
)
def test_nor_does_a_replica_take_the_places_of_all_under_many_names(
    full: None, names: tuple[str, str], counter: str
) -> None:
    """Names of other networks, and those of its own."""
    four = (full_site.INTERNET4, full_site.PUBLIC4)
    internet, public = (full_site.INTERNET6, full_site.PUBLIC6) if ":" in names[0] else four
    with counted(counter):
        flood(VLAN, internet, "first", *names, port=9000, count=24_000)
    assert passes(UPLINK, internet, public, port=9000)


@pytest.mark.parametrize(
    ("octets", "pace"), [(60_000, (2, 150)), (8000, (6, 300))], ids=["largest", "8000 octets"]
)
@pytest.mark.parametrize(
    ("client", "public"),
    [(full_site.INTERNET4, full_site.PUBLIC4), (full_site.INTERNET6, full_site.PUBLIC6)],
    ids=["IPv4", "IPv6"],
)
def test_one_client_may_send_a_service_much_in_large_datagrams(
    full: None, client: str, public: str, octets: int, pace: tuple[int, int]
) -> None:
    """Some 100 Mbit/s of the largest at the most, and 40 of smaller ones: a file server's, a video's."""
    before = drops()["drop_fragment"]
    stream(UPLINK, client, public, port=9000, octets=octets, pace=pace)
    assert drops()["drop_fragment"] == before


def test_nor_do_many_clients_take_the_store_with_fragments_of_full_size(full: None) -> None:
    """Of datagrams that are never whole, for longer than the kernel keeps them."""
    with counted("drop_fragment"):
        for _ in range(6):
            flood(UPLINK, full_site.PUBLIC4, "slabs", "198.51.100.200", "198.51.100.210", port=9000)
    assert passes(UPLINK, full_site.INTERNET4, full_site.PUBLIC4, port=9000)
