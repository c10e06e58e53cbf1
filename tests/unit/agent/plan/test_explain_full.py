"""The way of a packet in full failover and rehearsal: rules, translations, denied networks, replies."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from causeway_agent.plan.compile.compiler import compile_document
from causeway_agent.plan.explain.explanation import explain
from causeway_agent.plan.explain.packet import Explanation, Kind, Packet, Services
from causeway_agent.plan.model.target import Observation
from causeway_wire.desired import Desired
from causeway_wire.public_rules import Protocol, PublicRule
from causeway_wire.types import IPAddress, Port
from tests import documents

PUBLIC = documents.PUBLIC[0]
TEST = documents.TEST[0]
CLIENT, OTHER = "198.51.100.77", "203.0.113.250"
RULES = (
    PublicRule(
        id="web",
        public_address=ip_address(PUBLIC),
        public_port=443,
        internal_address=ip_address("192.168.0.20"),
        internal_port=8443,
    ),
    PublicRule(
        id="range",
        public_address=ip_address(PUBLIC),
        public_port=5000,
        public_port_end=5009,
        internal_address=ip_address("192.168.1.21"),
        internal_port=6000,
        protocol=Protocol.UDP,
    ),
    PublicRule(
        id="few",
        public_address=ip_address(PUBLIC),
        public_port=444,
        internal_address=ip_address("192.168.0.20"),
        internal_port=444,
        sources=(ip_network("198.51.100.0/24"),),
    ),
    PublicRule(
        id="rehearsed",
        public_address=ip_address(TEST),
        public_port=443,
        internal_address=ip_address("192.168.0.20"),
        internal_port=443,
    ),
)


def find(address: IPAddress, protocol: Protocol, port: Port) -> PublicRule | None:
    for rule in RULES:
        last = rule.public_port_end or rule.public_port
        if (rule.public_address, rule.protocol) == (address, protocol) and rule.public_port <= port <= last:
            return rule
    return None


def leaves_with(internal: IPAddress) -> IPAddress | None:
    published = {rule.internal_address for rule in RULES if rule.public_address == ip_address(PUBLIC)}
    return ip_address(PUBLIC) if internal in published else None


SERVICES = Services(find, leaves_with, frozenset(map(ip_address, (*documents.PUBLIC, *documents.TEST))))


def observed(document: Desired) -> Observation:
    target = compile_document(document, documents.FACTS)
    kinds = ("links", "tuns", "addresses", "routes", "rules", "proxies", "sysctls", "policy", "processes")
    return Observation(**{kind: getattr(target, kind) for kind in kinds})


ROUTED = observed(documents.provider(documents.full("net-0", "net-1", routed=("net-0", "net-1"))))
CLOSED = observed(documents.provider(documents.full("net-0", "net-1", internet=False)))
OPEN = observed(documents.provider(documents.full("net-0", "net-1"), denied=("172.30.0.0/16",)))
REHEARSAL = observed(documents.provider(documents.rehearsal("net-0")))
IDLE = observed(documents.provider())


def way(
    source: str,
    destination: str,
    seen: Observation,
    kind: Kind | None = None,
    port: int | None = None,
    *,
    entry: str | None = None,
    services: Services | None = SERVICES,
) -> Explanation:
    packet = Packet(ip_address(source), ip_address(destination), kind, port)
    return explain(packet, seen, services=services, entry=entry)


def text(found: Explanation) -> str:
    return "\n".join(found.lines())


def test_a_published_service_passes_by_its_rule_and_its_answers_come_back() -> None:
    found = way(CLIENT, PUBLIC, OPEN, Kind.TCP, 443)
    assert found.works
    assert "rule web leads to 192.168.0.20 port 8443" in text(found)
    assert "allowed from eth0 to eth1 by rule web" in text(found)
    assert f"ok   reply: enters on eth1, is from {PUBLIC} again, leaves on eth0" in text(found)


def test_a_port_of_a_range_leads_to_its_counterpart() -> None:
    found = way(CLIENT, PUBLIC, OPEN, Kind.UDP, 5007)
    assert found.works
    assert "rule range leads to 192.168.1.21 port 6007" in text(found)


@pytest.mark.parametrize(
    ("kind", "port", "source", "words", "counter"),
    [
        (Kind.TCP, 80, CLIENT, "no public rule for tcp port 80", "drop_unpublished"),
        (Kind.UDP, 443, CLIENT, "no public rule for udp port 443", "drop_unpublished"),
        (Kind.TCP, 22, CLIENT, "port 22 is never translated", "drop_management"),
        (Kind.TCP, 444, OTHER, "rule few is for 198.51.100.0/24 only, and 203.0.113.250", "drop_unpublished"),
    ],
)
def test_what_is_not_published_says_why_and_is_counted(
    kind: Kind, port: int, source: str, words: str, counter: str
) -> None:
    found = way(source, PUBLIC, OPEN, kind, port)
    assert not found.passes
    assert words in text(found)
    assert found.counter == counter


def test_a_counters_value_is_told() -> None:
    found = way(CLIENT, PUBLIC, OPEN, Kind.TCP, 80)
    told = "\n".join(found.lines({"drop_unpublished": (7, 420)}))
    assert "counter drop_unpublished: 7 packets, 420 bytes so far" in told
    assert found.told({})["counter"] == "drop_unpublished"


def test_an_address_that_this_mode_does_not_own_is_told() -> None:
    for seen in (IDLE, REHEARSAL):
        assert "not owned in this failover mode" in text(way(CLIENT, PUBLIC, seen, Kind.TCP, 443))
    assert "not owned in this failover mode" in text(way(CLIENT, TEST, OPEN, Kind.TCP, 443))
    assert way(CLIENT, TEST, REHEARSAL, Kind.TCP, 443).works


def test_a_published_machine_leaves_with_its_public_address_and_others_with_the_uplinks() -> None:
    assert f"leaves with source {PUBLIC}" in text(way("192.168.0.20", CLIENT, OPEN, Kind.TCP, 80))
    found = way("192.168.0.33", CLIENT, OPEN, Kind.TCP, 80)
    assert "leaves with source 10.9.0.2" in text(found)
    assert "reply: enters on eth0, is to 192.168.0.33 again, leaves on eth1" in text(found)
    assert found.works


def test_a_network_without_internet_says_so_and_keeps_its_services() -> None:
    found = way("192.168.0.20", CLIENT, CLOSED, Kind.TCP, 80)
    assert found.counter == "drop_forward"
    assert "the network on eth1 has no internet in this failover" in found.verdict
    assert way(CLIENT, PUBLIC, CLOSED, Kind.TCP, 443).works


def test_a_rehearsal_has_no_internet_unless_asked_for() -> None:
    assert "has no internet" in way("192.168.0.20", CLIENT, REHEARSAL).verdict
    allowed = observed(documents.provider(documents.rehearsal("net-0", internet=True)))
    assert way("192.168.0.20", CLIENT, allowed).works


def test_networks_meet_only_where_both_are_routed() -> None:
    found = way("192.168.0.20", "192.168.1.21", OPEN, Kind.TCP, 80)
    assert found.counter == "drop_forward"
    assert "routing between the networks on eth1 and eth2 is off" in found.verdict
    assert way("192.168.0.20", "192.168.1.21", ROUTED, Kind.TCP, 80).works


def test_the_providers_own_networks_are_denied() -> None:
    for denied in ("172.30.7.7", "10.9.0.77"):
        found = way("192.168.0.20", denied, OPEN, Kind.TCP, 80)
        assert found.counter == "drop_denied"


def test_a_service_asked_for_from_a_denied_network_answers() -> None:
    assert way("172.30.7.7", PUBLIC, OPEN, Kind.TCP, 443).works


def test_production_addresses_on_the_uplink_are_foreign() -> None:
    found = way("192.168.0.20", PUBLIC, OPEN, Kind.TCP, 443, entry="eth0")
    assert found.counter == "drop_spoofed"
    assert "lives behind another adapter" in found.verdict


def test_the_gateway_answers_pings_and_nothing_else() -> None:
    assert way("192.168.0.20", "192.168.0.1", OPEN, Kind.ICMP).works
    assert way("192.168.0.20", "192.168.0.1", OPEN, Kind.UDP, 53).counter == "drop_input"
    assert way("192.168.0.20", "192.168.0.1", OPEN, Kind.TCP, 8443).counter == "drop_management"


def test_a_machine_reaches_its_own_networks_service_by_hairpin() -> None:
    found = way("192.168.0.33", PUBLIC, OPEN, Kind.TCP, 443)
    assert found.works
    assert "leaves with source 192.168.0." in text(found)
    other = way("192.168.1.33", PUBLIC, OPEN, Kind.TCP, 443)
    assert other.works
    assert "its source 192.168.1.33 stays" in text(other)


def test_a_way_back_that_is_missing_is_told() -> None:
    policy = OPEN.policy
    assert policy is not None
    ways = frozenset(way for way in policy.ways if way.output_device != "eth0")
    found = way(CLIENT, PUBLIC, replace(OPEN, policy=replace(policy, ways=ways)), Kind.TCP, 443)
    assert found.passes
    assert found.reply is not None
    assert found.reply.counter == "drop_forward"


def test_the_table_of_full_failover_routes_what_enters() -> None:
    assert "table 1000: 192.168.0.0/24 leaves on eth1" in text(way(CLIENT, PUBLIC, OPEN, Kind.TCP, 443))
    assert "table 254: 0.0.0.0/0 via 10.9.0.1 leaves on eth0" in text(way("192.168.0.20", CLIENT, OPEN))


def test_without_the_table_of_rules_it_says_what_it_cannot_know() -> None:
    found = way(CLIENT, PUBLIC, OPEN, Kind.TCP, 443, services=None)
    assert "only a running agent knows its public rules" in text(found)


def test_without_a_port_it_asks_for_one() -> None:
    assert "ask with tcp or udp and a port" in text(way(CLIENT, PUBLIC, OPEN))


def test_a_stranger_on_a_vlan_gets_no_answer_even_to_arp() -> None:
    found = way("172.16.9.9", "192.168.0.1", OPEN, Kind.ICMP, entry="eth1")
    assert (found.hops[-1].stage, found.counter) == ("asked for", "drop_arp")


def test_off_link_destinations_go_through_the_gateway_we_hold() -> None:
    assert "its sender asks for its own gateway instead, which may be this appliance's 192.168.0.1" in text(
        way("192.168.0.20", CLIENT, OPEN)
    )
