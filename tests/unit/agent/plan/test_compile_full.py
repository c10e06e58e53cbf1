"""What full failover and rehearsal mean on a machine."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface, ip_network

import pytest
from hypothesis import given, settings

from causeway_agent.plan.compile.compiler import compile_document
from causeway_agent.plan.compile.full import TABLE
from causeway_agent.plan.model.objects import Address, Route, Rule, Sysctl
from causeway_agent.plan.model.policy import Echo, Forward, Internet, SourceGuard, Way
from causeway_agent.plan.model.processes import RouterAdvertiser
from causeway_agent.plan.model.target import Target
from causeway_wire.desired import Desired, Failover, Full, FullNetwork, Partial, ProviderRole, Rehearsal
from tests import documents

PARTIAL = Partial(replicas=(documents.replica(20, "net-0", "192.168.0.20", "2001:db8::20"),))
FULL = documents.full("net-0", "net-1")
REHEARSAL = documents.rehearsal("net-0", "net-1")
GATEWAYS = {"192.168.0.1", "2001:db8::1", "192.168.1.1", "2001:db8:1::1"}


def compiled(failover: Failover | None, *, public: tuple[str, ...] = documents.PUBLIC) -> Target:
    return compile_document(documents.provider(failover, public=public), documents.FACTS)


def claimed(target: Target) -> set[str]:
    return {str(address.interface.ip) for address in target.addresses if address.claimed}


@pytest.mark.parametrize(
    ("failover", "expected"),
    [
        (None, set()),
        (PARTIAL, set()),
        (FULL, {*GATEWAYS, *documents.PUBLIC}),
        (REHEARSAL, {*GATEWAYS, *documents.TEST}),
        (documents.full("net-0"), {"192.168.0.1", "2001:db8::1", *documents.PUBLIC}),
    ],
)
def test_each_mode_holds_the_addresses_that_are_its_own(failover: Failover, expected: set[str]) -> None:
    target = compiled(failover)
    assert claimed(target) == expected
    assert not {str(a.interface.ip) for a in target.addresses if not a.claimed} & {
        *GATEWAYS,
        *documents.PUBLIC,
        *documents.TEST,
    }


def test_a_gateway_has_its_prefix_and_a_public_address_stands_alone() -> None:
    target = compiled(FULL)
    for device, text in (
        ("eth1", "192.168.0.1/24"),
        ("eth1", "2001:db8::1/64"),
        ("eth0", "198.51.100.10/32"),
        ("eth0", "2001:db8:f::10/128"),
    ):
        assert Address(device, ip_interface(text), prefix_route=False) in target.addresses


def test_no_tunnel_takes_part() -> None:
    for failover in (FULL, REHEARSAL):
        target = compiled(failover)
        assert not any((target.tuns, target.proxies, target.policy.listeners))
        assert {type(process) for process in target.processes} == {RouterAdvertiser}
        assert Sysctl("net/ipv4/conf/eth1/proxy_arp", "0") in target.sysctls


def test_networks_are_in_a_table_of_their_own_and_nowhere_else() -> None:
    target = compiled(documents.full("net-0"))
    assert {r for r in target.routes if r.table == TABLE} == {
        Route(ip_network("192.168.0.0/24"), "eth1", TABLE),
        Route(ip_network("2001:db8::/64"), "eth1", TABLE),
    }
    assert {r.destination for r in target.routes if r.table != TABLE} == {ip_network("0.0.0.0/0")}
    devices = {rule.input_device for rule in target.rules if rule.input_device}
    assert devices == {"eth0", "eth1"}
    sources = {str(rule.source) for rule in target.rules if rule.source}
    assert sources == {"192.168.0.1", "192.168.0.5", "2001:db8::1", "2001:db8::5", *documents.PUBLIC}


def test_an_address_that_the_uplink_has_anyway_is_owned_and_neither_claimed_nor_routed_by() -> None:
    target = compiled(FULL, public=("10.9.0.2", "10.9.0.3"))
    assert target.policy.owned == {ip_address("10.9.0.2"), ip_address("10.9.0.3")}
    assert claimed(target) == GATEWAYS
    assert not any(rule.source in target.policy.owned for rule in target.rules)
    assert not any(
        echo.address in target.policy.owned and echo.device != "eth0" for echo in target.policy.echoes
    )


def test_only_what_is_taken_over_forwards() -> None:
    on = {s.key for s in compiled(documents.full("net-0")).sysctls if s.key.endswith("g") and s.value == "1"}
    assert on == {
        "net/ipv4/conf/eth0/forwarding",
        "net/ipv4/conf/eth1/forwarding",
        "net/ipv6/conf/all/forwarding",
    }


def test_networks_are_routed_only_when_named() -> None:
    assert compiled(FULL).policy.forwards == frozenset()
    routed = compiled(documents.full("net-0", "net-1", routed=("net-0", "net-1"))).policy
    assert routed.forwards == {
        Forward(one, other, version=version)
        for one, other in (("eth1", "eth2"), ("eth2", "eth1"))
        for version in (4, 6)
    }
    across = Echo("eth1", ip_address("192.168.1.1"))
    assert across in routed.echoes
    assert across not in compiled(FULL).policy.echoes


@pytest.mark.parametrize(
    ("failover", "expected"),
    [
        (FULL, {("eth1", True), ("eth2", True)}),
        (documents.full("net-0", internet=False), set()),
        (
            Full(
                networks=(FullNetwork(network="net-0", internet=True), FullNetwork(network="net-1")),
            ),
            {("eth1", True)},
        ),
        (REHEARSAL, set()),
        (documents.rehearsal("net-0", internet=True), {("eth1", False)}),
        (
            Rehearsal(networks=(FullNetwork(network="net-0"),), internet=True),
            set(),
        ),
    ],
)
def test_internet_is_for_networks_that_have_it_and_public_sources_for_the_real_thing(
    failover: Failover, expected: set[tuple[str, bool]]
) -> None:
    internet = compiled(failover).policy.internet
    assert internet == {
        Internet(device, "eth0", version, by_rules) for device, by_rules in expected for version in (4, 6)
    }


def test_published_services_have_ways_from_everywhere_but_between_no_others() -> None:
    ways = compiled(documents.full("net-0")).policy.ways
    assert ways == {Way("eth0", "eth1"), Way("eth1", "eth0"), Way("eth1", "eth1")}
    assert compiled(FULL, public=()).policy.ways == frozenset()
    assert Way("eth0", "eth0") not in compiled(FULL).policy.ways


def test_the_providers_networks_are_denied_and_the_tenants_are_foreign_on_the_uplink() -> None:
    document = documents.provider(documents.full("net-0"), denied=("10.20.0.0/16",))
    policy = compile_document(document, documents.FACTS).policy
    assert policy.denied == {
        SourceGuard("eth0", ip_network("10.20.0.0/16")),
        SourceGuard("eth0", ip_network("10.9.0.0/24")),
    }
    networks = {"192.168.0.0/24", "2001:db8::/64", "192.168.1.0/24", "2001:db8:1::/64"}
    owned = {str(ip_network(address)) for address in documents.PUBLIC}
    assert policy.foreign == {SourceGuard("eth0", ip_network(text)) for text in networks | owned}


def test_a_network_that_is_not_taken_over_stays_guarded_and_silent() -> None:
    policy = compiled(documents.full("net-0")).policy
    assert policy.guarded == {"eth1", "eth2"}
    assert {guard.device for guard in policy.sources} == {"eth1"}
    assert "eth2" not in {echo.device for echo in policy.echoes}


def test_rules_by_device_come_first() -> None:
    priorities = {rule.priority: rule.input_device is not None for rule in compiled(FULL).rules}
    assert priorities == {1000: True, 1001: False}
    assert Rule(4, 1000, TABLE, input_device="eth0") in compiled(FULL).rules


@settings(deadline=None, max_examples=60)
@given(documents.PROVIDERS)
def test_gateways_and_public_addresses_are_held_in_no_other_mode(document: Desired) -> None:
    assert isinstance(document.role, ProviderRole)
    target = compile_document(document, documents.FACTS)
    if not isinstance(document.role.failover, Full | Rehearsal):
        assert claimed(target) == set()
        policy = target.policy
        assert not any((policy.owned, policy.ways, policy.internet, policy.denied, policy.foreign))
