"""Full failover keeps apart what must be apart. Every claim has its control: the same packet passes once the
rule that stops it is taken out by hand.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import documents
from tests.full_site import (
    DENIED4,
    INTERNET4,
    INTERNET6,
    NEIGHBOUR4,
    OTHER4,
    PROVIDER4,
    PROVIDER6,
    PUBLIC4,
    PUBLIC6,
    UPLINK6,
    VM4,
    VM6,
    apply,
    asks,
    document,
    element,
    nft,
    publish,
    serving,
    standing,
)
from tests.wired import BOX, UPLINK, VLAN, counted, pings, python, run, within

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(60)]

FULL = document(documents.full("net-0", "net-1"))
LIE = "172.16.9.9"
"""An address that the replica's machine has, and no network of the tenant."""


@pytest.fixture(scope="module")
def site() -> Iterator[None]:
    """The site in full failover; both networks have internet."""
    with standing():
        apply(FULL)
        publish(PUBLIC4, 80, VM4, 80)
        watch(UPLINK)
        watch(VLAN)
        yield


def watch(space: str) -> None:
    """Count UDP to port 5300, whoever it is for."""
    hook = "type filter hook prerouting priority -310"
    rules = f"table inet watch {{ chain seen {{ {hook}; udp dport 5300 counter; }}; }}"
    run("ip", "netns", "exec", space, "nft", "-f", "-", text=rules)


def seen(space: str) -> int:
    """How many of those have come."""
    return int(within(space, "nft", "list", "chain", "inet", "watch", "seen").split("packets ")[1].split()[0])


def throw(space: str, source: str, destination: str, port: int = 5300) -> None:
    """Send a datagram and wait until it must have arrived."""
    script = """
        import socket, sys, time
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_IP, 19, 1)  # IP_TRANSPARENT: whatever address it likes
        sock.bind((sys.argv[1], 0))
        sock.sendto(b"x", (sys.argv[2], int(sys.argv[3])))
        time.sleep(0.1)
    """
    python(space, script, source, destination, str(port))


def arrives(space: str, source: str, destination: str, *, at: str) -> bool:
    """Whether a datagram thrown in one place is seen in the other."""
    before = seen(at)
    throw(space, source, destination)
    return seen(at) > before


@pytest.mark.parametrize(
    ("source", "target"), [(VM4, PROVIDER4), (VM4, DENIED4), (VM6, PROVIDER6)], ids=["own", "named", "ipv6"]
)
def test_a_replica_with_internet_does_not_reach_the_provider(site: None, source: str, target: str) -> None:
    with counted("drop_denied"):
        assert asks(VLAN, source, target, 80) == "nothing"
    version = 6 if ":" in target else 4
    try:
        nft(f"flush set inet causeway denied{version}\n")
        assert asks(VLAN, source, target, 80) != "nothing"
    finally:
        apply(FULL)


def test_a_published_service_answers_the_providers_networks_too(site: None) -> None:
    for client in (PROVIDER4, DENIED4):
        assert asks(UPLINK, client, PUBLIC4, 80) == client


def test_the_provider_does_not_reach_a_replica(site: None) -> None:
    run("ip", "-n", UPLINK, "route", "add", "192.168.0.0/24", "via", "10.9.0.2")
    try:
        with counted("drop_forward"):
            assert not arrives(UPLINK, PROVIDER4, VM4, at=VLAN)
        element("add", "forward_any4", '"eth0" . "eth1"')
        assert arrives(UPLINK, PROVIDER4, VM4, at=VLAN)
    finally:
        run("ip", "-n", UPLINK, "route", "del", "192.168.0.0/24")
        apply(FULL)


@pytest.mark.parametrize("source", [LIE, OTHER4, PUBLIC4])
def test_a_replica_cannot_lie_about_its_source(site: None, source: str) -> None:
    assert arrives(VLAN, VM4, INTERNET4, at=UPLINK)  # the gateway is known: no lie is in the question for it
    with counted("drop_spoofed"):
        assert not arrives(VLAN, source, INTERNET4, at=UPLINK)
    try:
        element("delete", "entrances4", '"eth1"')
        # Of its own address the kernel itself believes nothing that comes from outside.
        assert arrives(VLAN, source, INTERNET4, at=UPLINK) == (source != PUBLIC4)
    finally:
        apply(FULL)


@pytest.mark.parametrize("source", ["192.168.1.99", VM4])
def test_the_uplink_cannot_speak_for_the_tenant(site: None, source: str) -> None:
    element("add", "public4", f"{PUBLIC4} . udp . 5300 : {VM4} . 5300")
    element("add", "published4", f"{PUBLIC4} . udp . 5300")
    try:
        assert arrives(UPLINK, INTERNET4, PUBLIC4, at=VLAN)
        with counted("drop_spoofed"):
            assert not arrives(UPLINK, source, PUBLIC4, at=VLAN)
        nft("flush set inet causeway foreign4\n")
        assert arrives(UPLINK, "192.168.1.99", PUBLIC4, at=VLAN)
    finally:
        element("delete", "public4", f"{PUBLIC4} . udp . 5300")
        element("delete", "published4", f"{PUBLIC4} . udp . 5300")
        apply(FULL)


@pytest.mark.parametrize(
    "target",
    ["192.168.0.1", "192.168.0.5", "192.168.1.1", PUBLIC4, "10.9.0.2", "2001:db8::1", PUBLIC6, UPLINK6],
)
@pytest.mark.parametrize("port", [22, 8443])
def test_a_replica_finds_no_agent_on_any_address(site: None, target: str, port: int) -> None:
    """Of its own network, of another, of those that are public, of the provider's."""
    with counted("drop_management"):
        assert asks(VLAN, VM6 if ":" in target else NEIGHBOUR4, target, port) == "nothing"


def test_a_controller_in_a_network_that_production_has_too_keeps_its_door(site: None) -> None:
    """Its packets come from the uplink with a tenant's source, and the answers go back there."""
    controller = documents.management(sources=("192.168.1.96/28",))
    apply(document(documents.full("net-0", "net-1"), door=controller))
    try:
        with serving(BOX):
            assert asks(UPLINK, "192.168.1.99", "10.9.0.2", 22) == "192.168.1.99"
            with counted("drop_spoofed"):
                assert asks(UPLINK, "192.168.1.99", "10.9.0.2", 80) == "nothing"
    finally:
        apply(FULL)


def test_an_address_that_is_not_owned_publishes_nothing(site: None) -> None:
    assert asks(UPLINK, INTERNET4, PUBLIC4, 80) == INTERNET4
    apply(document(documents.rehearsal("net-0", "net-1")))
    try:
        run("ip", "-n", UPLINK, "route", "add", f"{PUBLIC4}/32", "via", "10.9.0.2")
        assert asks(UPLINK, INTERNET4, PUBLIC4, 80) == "nothing"
        # A rehearsal without internet has none, whatever its networks ask for.
        with counted("drop_forward"):
            assert asks(VLAN, VM4, INTERNET4, 80) == "nothing"
        element("add", "public4", f"{documents.TEST[0]} . tcp . 80 : {VM4} . 80")
        element("add", "published4", f"{documents.TEST[0]} . tcp . 80")
        assert asks(UPLINK, INTERNET4, documents.TEST[0], 80) == INTERNET4
    finally:
        run("ip", "-n", UPLINK, "route", "del", f"{PUBLIC4}/32")
        apply(FULL)


def test_a_network_that_is_not_failed_over_stays_silent(site: None) -> None:
    assert arrives(VLAN, VM4, INTERNET4, at=UPLINK)  # the gateway is known
    apply(document(documents.full("net-1")))
    try:
        with counted("drop_spoofed"):
            assert not arrives(VLAN, VM4, INTERNET4, at=UPLINK)
        assert not pings(VLAN, "192.168.0.5", source=VM4)
        assert "192.168.0.0/24" not in run("ip", "-n", BOX, "route", "show", "table", "1000")
    finally:
        apply(FULL)
    assert arrives(VLAN, VM4, INTERNET4, at=UPLINK)


def test_the_internet_opens_nothing_toward_a_replica(site: None) -> None:
    """An answer passes as the reverse of what the replica asked for, and nothing else does."""
    run("ip", "-n", UPLINK, "route", "add", "192.168.0.0/24", "via", "10.9.0.2")
    try:
        assert asks(VLAN, VM4, INTERNET4, 53, kind="udp") != "nothing"
        with counted("drop_forward"):
            assert not arrives(UPLINK, INTERNET4, VM4, at=VLAN)
        assert INTERNET6 not in within(BOX, "ip", "-6", "route", "show", "table", "all")
    finally:
        run("ip", "-n", UPLINK, "route", "del", "192.168.0.0/24")
