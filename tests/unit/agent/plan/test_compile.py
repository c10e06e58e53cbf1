"""What a document means on a machine."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network

import msgspec
import pytest
from hypothesis import given, settings

from causeway_agent.errors import CompileError
from causeway_agent.plan.compile.compiler import compile_document
from causeway_agent.plan.model.objects import Address, ProxyNeighbour, Route, Rule, Sysctl
from causeway_agent.plan.model.policy import Echo, Forward, Listener
from causeway_agent.plan.model.processes import FirstPacketFilter, NeighbourResponder, VpnClient, VpnServer
from causeway_agent.plan.model.target import Facts, Target
from causeway_wire.desired import (
    Desired,
    Idle,
    Partial,
)
from causeway_wire.observed import Transport
from causeway_wire.problem import Problem
from tests import documents, strategies

change = msgspec.structs.replace

VM = documents.replica(20, "net-0", "192.168.0.20", "2001:db8:0::20")
PARTIAL = Partial(replicas=(VM,))
PROVIDER, TENANT = documents.provider(PARTIAL), documents.tenant(PARTIAL)
GATEWAY = documents.gateway(documents.gateway_tunnel(0), documents.gateway_tunnel(1))


def compiled(document: Desired, facts: Facts = documents.FACTS) -> Target:
    return compile_document(document, facts)


@pytest.mark.parametrize("document", [PROVIDER, TENANT, GATEWAY, documents.provider(), documents.tenant()])
def test_the_sensible_documents_are_meant(document: Desired) -> None:
    target = compiled(document)
    assert target.management in target.addresses
    assert target.policy.management


@pytest.mark.timeout(60)
@settings(deadline=None, max_examples=200)
@given(strategies.DOCUMENTS)
def test_any_well_formed_document_gives_a_target_or_problems_with_pointers(document: Desired) -> None:
    problems: tuple[Problem, ...] = ()
    try:
        target = compile_document(document, replace(documents.FACTS, appliance=document.appliance))
    except CompileError as error:
        target, problems = None, error.problems
    assert (target is None) == bool(problems)
    assert all(isinstance(problem.pointer, str) for problem in problems)


def forwarding(target: Target) -> set[str]:
    return {s.key for s in target.sysctls if s.key.endswith("forwarding") and s.value != "0"}


@pytest.mark.parametrize("document", [documents.provider(), documents.tenant(), documents.gateway()])
def test_idle_extends_forwards_and_answers_nothing(document: Desired) -> None:
    target = compiled(document)
    assert not any((target.tuns, target.proxies, target.processes, target.rules))
    policy = target.policy
    assert not any((policy.forwards, policy.arp, policy.listeners, policy.relays))
    assert forwarding(target) == set()
    assert not any(s.key.endswith("proxy_arp") and s.value != "0" for s in target.sysctls)


def test_an_empty_partial_failover_extends_nothing() -> None:
    assert compiled(documents.provider(Partial(replicas=()))) == compiled(documents.provider(Idle()))
    assert compiled(documents.tenant(Partial(replicas=()))) == compiled(documents.tenant(Idle()))


def test_idle_vlans_are_guarded_and_let_nothing_in() -> None:
    policy = compiled(documents.provider()).policy
    assert policy.guarded == {"eth1", "eth2"}
    assert policy.sources == frozenset()


def test_only_networks_with_replicas_are_extended() -> None:
    target = compiled(PROVIDER)
    assert {process.tunnel for process in target.processes if isinstance(process, VpnServer)} == {"acme-0"}
    assert {rule.table for rule in target.rules} == {1195}
    assert forwarding(target) == {
        "net/ipv4/conf/eth1/forwarding",
        "net/ipv4/conf/cwu1195/forwarding",
        "net/ipv4/conf/cwt1195/forwarding",
        "net/ipv6/conf/all/forwarding",
    }
    assert Sysctl("net/ipv4/conf/eth1/proxy_arp", "1") in target.sysctls
    assert Sysctl("net/ipv4/conf/eth2/proxy_arp", "0") in target.sysctls


def test_a_replicas_only_way_out_of_the_provider_is_its_tunnel() -> None:
    target = compiled(PROVIDER)
    mine = {(str(r.destination), r.device) for r in target.routes if r.table == 1195}
    assert mine == {
        ("0.0.0.0/0", "cwu1195"),
        ("::/0", "cwu1195"),
        ("192.168.0.0/24", "cwu1195"),
        ("2001:db8::/64", "cwu1195"),
        ("192.168.0.20/32", "eth1"),
        ("2001:db8::20/128", "eth1"),
    }
    vlan = {a for a in target.addresses if a.device in {"eth1", "eth2"}}
    assert not any(address.prefix_route for address in vlan)
    assert Rule(4, 1000, 1195, input_device="eth1") in target.rules
    assert Rule(6, 1001, 1195, source=ip_address("2001:db8:0::5")) in target.rules
    out = {f.output_device for f in target.policy.forwards if f.input_device == "eth1"}
    assert out == {"cwu1195", "cwt1195"}


def test_routes_follow_the_transport_that_is_connected() -> None:
    tcp = compiled(PROVIDER, replace(documents.FACTS, active={"acme-0": "cwt1195"}))
    devices = {r.device for r in tcp.routes if r.destination == ip_network("192.168.0.0/24")}
    assert devices == {"cwt1195"}
    assert tcp.policy == compiled(PROVIDER).policy


def test_the_neighbour_responder_spares_what_really_is_on_the_vlan() -> None:
    responder = next(p for p in compiled(PROVIDER).processes if isinstance(p, NeighbourResponder))
    assert responder.prefixes == (ip_network("2001:db8:0::/64"),)
    assert responder.excluded == (ip_address("2001:db8:0::5"), ip_address("2001:db8:0::20"))


def test_servers_listen_on_both_transports_at_the_uplink_only() -> None:
    listeners = compiled(PROVIDER).policy.listeners
    assert listeners == {Listener("eth0", ip_address("10.9.0.2"), kind, 1195) for kind in ("udp", "tcp")}


def test_the_tenant_claims_each_replica_and_nothing_else() -> None:
    target = compiled(TENANT)
    claims = {ProxyNeighbour("eth1", address, claimed=True) for address in VM.addresses}
    assert target.proxies == claims
    assert Sysctl("net/ipv4/conf/eth1/proxy_arp", "0") in target.sysctls
    assert Sysctl("net/ipv6/conf/eth1/proxy_ndp", "1") in target.sysctls
    assert Route(ip_network("192.168.0.20/32"), "cwtun0", mtu=1448) in target.routes
    assert Address("cwtun0", ip_interface("100.64.0.2/32"), prefix_route=False) in target.addresses


def test_what_leaves_the_tenants_tunnel_goes_to_the_production_gateway() -> None:
    target = compiled(TENANT)
    assert Rule(4, 1000, 1194, input_device="cwtun0") in target.rules
    assert Route(ip_network("0.0.0.0/0"), "eth1", 1194, via=ip_address("192.168.0.1")) in target.routes
    assert Route(ip_network("192.168.0.0/24"), "eth1", 1194) in target.routes


def test_of_the_tunnels_own_addresses_only_errors_pass() -> None:
    forwards = compiled(TENANT).policy.forwards
    peer = ip_address("100.64.0.1")
    assert Forward("cwtun0", "eth1", source=peer, errors_only=True) in forwards
    assert not any(f.source == peer and not f.errors_only for f in forwards)


def test_the_client_prefers_udp_and_knows_every_gateway_twice() -> None:
    target = compiled(TENANT)
    vpn = next(p for p in target.processes if isinstance(p, VpnClient))
    ways = [(str(e.address), e.transport) for e in vpn.endpoints]
    assert ways == [
        ("203.0.113.1", Transport.UDP),
        ("203.0.113.2", Transport.UDP),
        ("203.0.113.1", Transport.TCP),
        ("203.0.113.2", Transport.TCP),
    ]
    assert "remote 127.0.0.1 16181\n" in vpn.endpoints[3].configuration.reveal()
    assert vpn.probe == (ip_address("100.64.0.2"), ip_address("100.64.0.1"))


def test_the_gateway_relays_each_family_to_its_servers_only() -> None:
    target = compiled(GATEWAY)
    relays = {str(relay.address): relay.servers for relay in target.policy.relays}
    assert relays == {
        "203.0.113.10": {(ip_address("10.9.0.20"), 1195), (ip_address("10.9.0.20"), 1197)},
        "2001:db8:f::10": frozenset(),
    }
    door = next(p for p in target.processes if isinstance(p, FirstPacketFilter))
    assert {(entry[0], entry[1]) for entry in door.servers} == {("acme", "acme-0"), ("acme", "acme-1")}
    assert Sysctl("net/ipv4/conf/default/forwarding", "1") in target.sysctls


def test_management_is_pingable_and_reached_on_its_own_address_only() -> None:
    target = compiled(GATEWAY)
    assert target.policy.echoes == {Echo("eth0", ip_address("10.9.0.2"))}
    assert {(d.device, str(d.address), d.ports) for d in target.policy.management} == {
        ("eth0", "10.9.0.2", frozenset({22, 8443}))
    }


def test_a_machine_without_other_users_runs_tunnels_as_itself() -> None:
    target = compiled(PROVIDER, replace(documents.FACTS, vpn_uid=None))
    assert {tun.owner for tun in target.tuns} == {None}
