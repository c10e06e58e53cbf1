"""The way of a packet in words, on appliances of both sites and on a gateway."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address

import pytest
from msgspec import structs

from causeway_agent.plan.compile.compiler import compile_document
from causeway_agent.plan.explain.explanation import explain
from causeway_agent.plan.explain.packet import Explanation, Packet
from causeway_agent.plan.model.target import Observation
from causeway_wire.desired import Desired, Partial
from causeway_wire.observed import PathReport, Transport, TunnelReport, TunnelState
from tests import documents

PARTIAL = Partial(replicas=(documents.replica(20, "net-0", "192.168.0.20", "2001:db8:0::20"),))
UP = TunnelReport(
    id="acme-0", state=TunnelState.CONNECTED, transport=Transport.UDP, remote="203.0.113.1:6180"
)
DOWN = TunnelReport(id="acme-0", state=TunnelState.CONNECTING, last_error="no answer")


def observed(document: Desired) -> Observation:
    """An appliance that conforms to the document."""
    target = compile_document(document, documents.FACTS)
    kinds = ("links", "tuns", "addresses", "routes", "rules", "proxies", "sysctls", "policy", "processes")
    return Observation(**{kind: getattr(target, kind) for kind in kinds})


SHORT = structs.replace(
    UP,
    path=PathReport(
        sends=1348,
        receives=1400,
        line_sends=1400,
        line_receives=1452,
        learnt=datetime(2026, 11, 28, tzinfo=UTC),
    ),
)
PROVIDER, TENANT = observed(documents.provider(PARTIAL)), observed(documents.tenant(PARTIAL))
GATEWAY = observed(documents.gateway(documents.gateway_tunnel(0)))


def way(
    source: str, destination: str, seen: Observation, *tunnels: TunnelReport, known: bool = True
) -> Explanation:
    reports = (tunnels or (UP,)) if known else None
    return explain(Packet(ip_address(source), ip_address(destination)), seen, tunnels=reports)


@pytest.mark.parametrize(
    ("source", "destination", "carried"),
    [
        ("192.168.0.20", "192.168.0.30", 1348),
        ("192.168.0.30", "192.168.0.20", 1400),
        ("2001:db8::20", "2001:db8::30", 1348),
    ],
)
def test_a_packet_too_large_for_the_tunnel_s_path_stops(source: str, destination: str, carried: int) -> None:
    comes = source.endswith("30")
    for size in (None, carried):
        found = sized(source, destination, size, comes=comes)
        assert found.passes, found.lines()
        assert f"its path carries packets of {carried} octets" in "\n".join(found.lines())
    found = sized(source, destination, carried + 1, comes=comes)
    assert not found.passes
    assert f"{carried + 1} octets are too large for the path of tunnel acme-0" in found.verdict
    assert ("without DF" in found.verdict) == (":" not in source)


def sized(source: str, destination: str, size: int | None, *, comes: bool) -> Explanation:
    packet = Packet(ip_address(source), ip_address(destination), size=size)
    entry = "cwu1195" if comes else None
    return explain(packet, PROVIDER, tunnels=(SHORT,), entry=entry)


@pytest.mark.parametrize(
    ("source", "destination", "seen", "device"),
    [
        ("192.168.0.20", "192.168.0.30", PROVIDER, "cwu1195"),
        ("192.168.0.20", "8.8.8.8", PROVIDER, "cwu1195"),
        ("2001:db8::20", "2001:db8::30", PROVIDER, "cwu1195"),
        ("192.168.0.30", "192.168.0.20", PROVIDER, "eth1"),
        ("192.168.0.30", "192.168.0.20", TENANT, "cwtun0"),
        ("8.8.8.8", "192.168.0.20", TENANT, "cwtun0"),
        ("2001:db8::30", "2001:db8::20", TENANT, "cwtun0"),
        ("192.168.0.20", "192.168.0.30", TENANT, "eth1"),
        ("192.168.0.20", "8.8.8.8", TENANT, "eth1"),
    ],
)
def test_what_a_failover_extends_passes(
    source: str, destination: str, seen: Observation, device: str
) -> None:
    found = way(source, destination, seen)
    assert found.passes
    assert found.verdict == f"{source} to {destination}: passes to {device}."


@pytest.mark.parametrize(
    ("source", "destination", "seen", "stage", "advice"),
    [
        ("192.168.0.21", "192.168.0.30", PROVIDER, "asked for", "drop_arp"),
        ("2001:db8::21", "2001:db8::30", PROVIDER, "filtered", "drop_forward"),
        ("192.168.0.20", "10.9.0.77", PROVIDER, None, ""),
        ("10.9.0.77", "192.168.0.20", PROVIDER, "forwarded", "Apply a document"),
        ("192.168.0.20", "10.9.0.2", PROVIDER, "delivered", "drop_input"),
        ("192.168.0.20", "192.168.0.20", PROVIDER, "asked for", "on the same VLAN"),
        ("10.9.0.77", "10.9.0.3", PROVIDER, "delivered", "drop_input"),
        ("192.168.0.30", "192.168.0.40", TENANT, "asked for", "not failed over"),
        ("192.168.0.20", "192.168.0.6", TENANT, "delivered", ""),
        ("2001:db8:77::1", "192.168.0.20", TENANT, None, "never talk"),
    ],
)
def test_what_stops_says_where_and_what_to_do(
    source: str, destination: str, seen: Observation, stage: str | None, advice: str
) -> None:
    found = way(source, destination, seen)
    if stage is None:
        assert found.passes == (advice == "")
    else:
        assert not found.passes
        assert found.hops[-1].stage == stage
    assert advice in found.verdict
    assert all(hop.passes for hop in found.hops[:-1])


def test_a_replicas_way_to_the_providers_hosts_is_its_own_production_site() -> None:
    assert "cwu1195" in way("192.168.0.20", "10.9.0.77", PROVIDER).verdict


def test_a_spoofed_source_is_told_from_one_that_is_not_failed_over() -> None:
    stranger = replace(PROVIDER, rules=frozenset())
    policy = stranger.policy
    assert policy is not None
    found = way(
        "192.168.0.20", "192.168.0.30", replace(stranger, policy=replace(policy, sources=frozenset()))
    )
    assert found.hops[-1].stage == "checked"
    assert "drop_spoofed" in found.verdict


def test_a_tunnel_that_is_down_is_named_with_its_error() -> None:
    found = way("192.168.0.30", "192.168.0.20", TENANT, DOWN)
    assert not found.passes
    assert found.hops[-1].stage == "tunnel"
    assert "no answer" in found.verdict


def test_a_tunnel_on_the_other_transport_is_a_matter_of_moments() -> None:
    over_tcp = TunnelReport(id="acme-0", state=TunnelState.CONNECTED, transport=Transport.TCP)
    assert "ask again" in way("192.168.0.20", "192.168.0.30", PROVIDER, over_tcp).verdict


def test_unknown_tunnel_states_stop_nothing() -> None:
    assert way("192.168.0.30", "192.168.0.20", TENANT, known=False).passes


def test_a_dead_vpn_process_is_named() -> None:
    assert (
        "Nothing runs on cwtun0"
        in way("192.168.0.30", "192.168.0.20", replace(TENANT, processes=frozenset())).verdict
    )


def test_it_says_who_answers_for_the_destination() -> None:
    claims = way("192.168.0.30", "192.168.0.20", TENANT).lines()
    assert any("this appliance answers for 192.168.0.20 on eth1" in line for line in claims)
    scoped = way("192.168.0.20", "192.168.0.30", PROVIDER).lines()
    assert any("this appliance answers for 192.168.0.0/24 on eth1" in line for line in scoped)


def test_it_says_which_table_routes() -> None:
    assert any("table 1195: 0.0.0.0/0" in line for line in way("192.168.0.20", "8.8.8.8", PROVIDER).lines())
    assert any(
        "table 1194: 0.0.0.0/0 via 192.168.0.1" in line
        for line in way("192.168.0.20", "8.8.8.8", TENANT).lines()
    )


def test_an_idle_appliance_passes_nothing() -> None:
    assert not way("192.168.0.20", "192.168.0.30", observed(documents.provider())).passes
    assert not way("192.168.0.30", "192.168.0.20", observed(documents.tenant())).passes


def test_controllers_are_told_what_answers_them() -> None:
    found = way("10.9.0.77", "10.9.0.2", PROVIDER)
    assert found.passes
    assert "TCP port 22 (management), TCP port 8443 (management)" in "\n".join(found.lines())


def test_a_stranger_is_told_that_management_is_not_for_it() -> None:
    told = "\n".join(way("172.30.0.1", "10.9.0.2", PROVIDER).lines())
    assert "UDP port 1195" in told
    assert "172.30.0.1 is in none of management.sources (drop_management)" in told


def test_the_gateway_tells_of_its_door() -> None:
    found = way("198.51.100.7", "203.0.113.10", GATEWAY)
    assert found.passes
    assert "UDP port 6180: flows that the first-packet filter admitted" in "\n".join(found.lines())


def test_what_starts_here_is_routed_only() -> None:
    found = way("10.9.0.2", "198.51.100.7", PROVIDER)
    assert [hop.stage for hop in found.hops] == ["starts", "routed"]
    assert found.verdict.endswith("leaves on eth0.")


def test_a_device_that_is_down_stops_the_packet() -> None:
    links = frozenset(link for link in PROVIDER.links if link.device != "eth1")
    found = way("192.168.0.30", "192.168.0.20", replace(PROVIDER, links=links))
    assert found.hops[-1].text == "eth1 is down"


def test_without_our_packet_filter_nothing_can_be_said() -> None:
    assert not way("192.168.0.20", "192.168.0.30", replace(PROVIDER, policy=None)).passes
