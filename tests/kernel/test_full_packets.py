"""Full failover with real packets: gateways, routing, translation in both directions, published services."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from causeway_wire.desired import Full, FullNetwork, Partial, ProviderRole
from tests import documents
from tests.full_site import (
    INTERNET4,
    INTERNET6,
    NEIGHBOUR4,
    OTHER4,
    OTHER6,
    PUBLIC4,
    PUBLIC6,
    UPLINK6,
    VM4,
    VM6,
    apply,
    asks,
    connected,
    document,
    element,
    hears,
    held,
    publish,
    standing,
)
from tests.wired import BOX, FAR, UPLINK, VLAN, counted, pings, run

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(60)]

FULL = document(
    Full(
        networks=(
            FullNetwork(network="net-0", internet=True),
            FullNetwork(network="net-1"),
        )
    )
)
"""One network with internet, one without; nothing is routed between them."""


@pytest.fixture(scope="module")
def site() -> Iterator[None]:
    """The site in full failover with its public rules."""
    with standing():
        apply(FULL)
        for public, here, there in ((PUBLIC4, VM4, OTHER4), (PUBLIC6, VM6, OTHER6)):
            publish(public, 80, here, 80)
            publish(public, 2222, here, 22)
            publish(public, 8080, there, 80)
            publish(public, 5353, there, 53, protocol="udp")
            publish(public, 22, here, 22)
        element("add", "source4", f"{VM4} : {PUBLIC4}")
        yield


@pytest.mark.parametrize(
    ("space", "source", "gateway"),
    [
        (VLAN, VM4, "192.168.0.1"),
        (VLAN, VM6, "2001:db8::1"),
        (FAR, OTHER4, "192.168.1.1"),
        (FAR, OTHER6, "2001:db8:1::1"),
    ],
)
def test_every_network_finds_its_gateway(site: None, space: str, source: str, gateway: str) -> None:
    assert pings(space, gateway, source=source)


@pytest.mark.parametrize(("source", "public"), [(INTERNET4, PUBLIC4), (INTERNET6, PUBLIC6), (VM4, PUBLIC4)])
def test_a_public_address_answers_echoes(site: None, source: str, public: str) -> None:
    assert pings(VLAN if source == VM4 else UPLINK, public, source=source)


def test_networks_are_strangers_until_they_are_routed(site: None) -> None:
    ends = ((VM4, OTHER4), (VM6, OTHER6))
    for source, target in ends:
        with counted("drop_forward"):
            assert asks(VLAN, source, target, 80) == "nothing"
    apply(document(documents.full("net-0", "net-1", routed=("net-0", "net-1"))))
    try:
        for source, target in ends:
            assert pings(VLAN, target, source=source)
            assert asks(VLAN, source, target, 80) == source
    finally:
        apply(FULL)


@pytest.mark.parametrize(
    ("source", "destination", "seen"),
    [(VM4, INTERNET4, PUBLIC4), (NEIGHBOUR4, INTERNET4, "10.9.0.2"), (VM6, INTERNET6, UPLINK6)],
    ids=["published", "unpublished", "ipv6"],
)
def test_a_network_with_internet_reaches_it_with_a_source_of_the_provider(
    site: None, source: str, destination: str, seen: str
) -> None:
    assert asks(VLAN, source, destination, 80) == seen
    assert asks(VLAN, source, destination, 53, kind="udp") == seen
    assert pings(VLAN, destination, source=source)


@pytest.mark.parametrize(("source", "destination"), [(OTHER4, INTERNET4), (OTHER6, INTERNET6)])
def test_a_network_without_internet_does_not(site: None, source: str, destination: str) -> None:
    with counted("drop_forward"):
        assert asks(FAR, source, destination, 80) == "nothing"


@pytest.mark.parametrize(("source", "public"), [(INTERNET4, PUBLIC4), (INTERNET6, PUBLIC6)])
def test_published_services_answer_with_and_without_internet(site: None, source: str, public: str) -> None:
    assert asks(UPLINK, source, public, 80) == source
    assert asks(UPLINK, source, public, 2222) == source
    assert asks(UPLINK, source, public, 8080) == source
    assert asks(UPLINK, source, public, 5353, kind="udp") == source


@pytest.mark.parametrize(
    ("space", "source", "public"),
    [
        (UPLINK, INTERNET4, PUBLIC4),
        (UPLINK, INTERNET6, PUBLIC6),
        (VLAN, VM4, PUBLIC4),
        (VLAN, NEIGHBOUR4, PUBLIC4),
        (VLAN, VM6, PUBLIC6),
        (FAR, OTHER4, PUBLIC4),
        (FAR, OTHER6, PUBLIC6),
    ],
)
def test_port_22_is_not_published_whatever_the_rules_say(
    site: None, space: str, source: str, public: str
) -> None:
    """To nobody: nor to the machine that the rule names, nor its neighbours, who come by hairpin."""
    with counted("drop_management"):
        assert asks(space, source, public, 22) == "nothing"


@pytest.mark.parametrize(("source", "public"), [(INTERNET4, PUBLIC4), (INTERNET6, PUBLIC6)])
def test_an_unpublished_port_is_dropped(site: None, source: str, public: str) -> None:
    with counted("drop_unpublished"):
        assert asks(UPLINK, source, public, 81) == "nothing"
    with counted("drop_unpublished"):
        assert asks(UPLINK, source, public, 80, kind="udp") == "nothing"


@pytest.mark.parametrize(
    ("space", "source", "port", "seen"),
    [
        (VLAN, VM4, 80, "192.168.0.5"),
        (VLAN, NEIGHBOUR4, 80, "192.168.0.5"),
        (VLAN, NEIGHBOUR4, 8080, NEIGHBOUR4),
        (FAR, OTHER4, 80, OTHER4),
        (FAR, OTHER4, 8080, "192.168.1.5"),
    ],
    ids=["itself", "same network", "other network", "back", "itself there"],
)
def test_a_replica_finds_published_services_by_their_public_address(
    site: None, space: str, source: str, port: int, seen: str
) -> None:
    assert asks(space, source, PUBLIC4, port) == seen


def test_a_rule_with_sources_lets_only_those_in(site: None) -> None:
    key = f"{PUBLIC4} . tcp . 8443"
    element("add", "public_from4", f"{key} . {INTERNET4} : {VM4} . 80")
    element("add", "published_from4", f"{key} . {INTERNET4}")
    assert asks(UPLINK, INTERNET4, PUBLIC4, 8443) == INTERNET4
    with counted("drop_management"):
        assert asks(FAR, OTHER4, PUBLIC4, 8443) == "nothing"
    six = f"{PUBLIC6} . tcp . 9443"
    element("add", "public_from6", f"{six} . 2001:db8:cafe::/48 : {VM6} . 80")
    element("add", "published_from6", f"{six} . 2001:db8:cafe::/48")
    assert asks(UPLINK, INTERNET6, PUBLIC6, 9443) == INTERNET6
    with counted("drop_unpublished"):
        assert asks(FAR, OTHER6, PUBLIC6, 9443) == "nothing"


def test_what_no_rule_allows_any_more_ends_at_once(site: None) -> None:
    publish(PUBLIC4, 8090, VM4, 80)
    with connected(UPLINK, INTERNET4, PUBLIC4, 8090) as client:
        assert hears(client) == INTERNET4
        element("delete", "published4", f"{PUBLIC4} . tcp . 8090")
        with counted("drop_forward"):
            assert hears(client) == "nothing"


def test_internet_that_is_revoked_ends_at_once_and_published_flows_live_through_changes(site: None) -> None:
    with connected(VLAN, VM4, INTERNET4, 80) as out, connected(UPLINK, INTERNET4, PUBLIC4, 80) as in_:
        assert hears(out) == PUBLIC4
        assert hears(in_) == INTERNET4
        apply(document(documents.full("net-0", "net-1", internet=False)))
        try:
            assert hears(in_) == INTERNET4
            with counted("drop_forward"):
                assert hears(out) == "nothing"
        finally:
            apply(FULL)
        assert hears(in_) == INTERNET4


def test_addresses_are_held_only_in_the_mode_that_owns_them(site: None) -> None:
    assert isinstance(FULL.role, ProviderRole)
    gateways = {"192.168.0.1", "2001:db8::1", "192.168.1.1", "2001:db8:1::1"}
    public, test = set(documents.PUBLIC), set(documents.TEST)
    partial = Partial(replicas=(documents.replica(20, "net-0", VM4, VM6),))
    for failover, inside, outside in (
        (documents.rehearsal("net-0", "net-1"), gateways, test),
        (partial, set(), set()),
        (FULL.role.failover, gateways, public),
    ):
        apply(document(failover))
        assert (held("eth1") | held("eth2")) & gateways == inside
        assert held("eth0") & (public | test) == outside
        run("ip", "-n", UPLINK, "neigh", "flush", "all")
        assert pings(UPLINK, PUBLIC4, source=INTERNET4) == (PUBLIC4 in outside)
        run("ip", "-n", VLAN, "neigh", "flush", "all")
        assert pings(VLAN, "192.168.0.1", source=VM4) == bool(inside)


def test_a_claim_that_someone_answers_for_is_found_and_names_it(site: None) -> None:
    apply(document(None))
    run("ip", "-n", UPLINK, "address", "add", f"{PUBLIC4}/32", "dev", "host")
    try:
        told = apply(FULL)
        taken = [line for line in told if not line.endswith("free")]
        assert len(taken) == 1
        assert taken[0].startswith(f"eth0 {PUBLIC4} ")
        assert PUBLIC4 not in held("eth0")
    finally:
        run("ip", "-n", UPLINK, "address", "del", f"{PUBLIC4}/32", "dev", "host")
        apply(FULL)
    assert PUBLIC4 in held("eth0")


def test_production_is_in_no_table_that_the_appliances_own_packets_use(site: None) -> None:
    assert "192.168." not in run("ip", "-n", BOX, "route", "show", "table", "main")
    assert "dev eth0" in run("ip", "-n", BOX, "route", "get", VM4)
