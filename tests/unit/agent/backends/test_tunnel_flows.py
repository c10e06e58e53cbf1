"""The gateway's memory of flows: bounded per tunnel, found by neighbourhood, learnt back from the kernel."""

from __future__ import annotations

import ipaddress

from causeway_agent.backends.gateway.flow_map import Source
from causeway_agent.backends.gateway.tunnel_flows import FLOWS, REMEMBERED, TunnelFlows, home

WEB, DB, MAIL = ("acme", "web"), ("acme", "db"), ("globex", "mail")
SERVERS = {WEB: ("10.0.0.2", 1195), DB: ("10.0.0.2", 1197), MAIL: ("10.0.0.3", 1195)}


def at(address: str, port: int) -> Source:
    return ipaddress.ip_address(address), port


def flows() -> TunnelFlows:
    four = {(tunnel, 4): at(*server) for tunnel, server in SERVERS.items()}
    six = {(tunnel, 6): at("2001:db8:9::2", port) for tunnel, (_, port) in SERVERS.items()}
    return TunnelFlows({**four, **six})


def test_a_tunnel_has_few_flows_and_the_oldest_goes() -> None:
    held = flows()
    for port in range(FLOWS):
        assert held.add(WEB, at("192.0.2.7", 5000 + port), 0.0) == []
    held.add(WEB, at("192.0.2.7", 5000), 1.0)  # heard again: the youngest now
    assert held.add(WEB, at("192.0.2.8", 1), 2.0) == [at("192.0.2.7", 5001)]
    assert held.add(DB, at("192.0.2.7", 1), 2.0) == []


def test_its_own_address_comes_before_its_neighbours() -> None:
    held = flows()
    held.add(MAIL, at("192.0.2.9", 1), 0.0)
    held.add(WEB, at("192.0.2.7", 1), 0.0)
    held.add(DB, at("192.0.2.7", 2), 0.0)
    here = ipaddress.ip_address("192.0.2.9")
    assert held.near(here) == [at("10.0.0.3", 1195), at("10.0.0.2", 1197), at("10.0.0.2", 1195)]
    assert held.near(ipaddress.ip_address("192.0.3.9")) == []
    assert held.crowd(home(here)) == 3


def test_ipv6_neighbours_share_a_site_prefix() -> None:
    held = flows()
    held.add(WEB, at("2001:db8:0:1::7", 1), 0.0)
    assert held.near(ipaddress.ip_address("2001:db8:0:2::9")) == [at("2001:db8:9::2", 1195)]
    assert held.near(ipaddress.ip_address("2001:db8:1:1::7")) == []


def test_a_flow_changes_hands() -> None:
    held = flows()
    held.add(WEB, at("192.0.2.7", 1), 0.0)
    held.add(DB, at("192.0.2.7", 1), 0.0)
    assert held.near(ipaddress.ip_address("192.0.2.7")) == [at("10.0.0.2", 1197)]


def test_what_the_kernel_carries_is_learnt_and_what_leads_nowhere_told() -> None:
    held = flows()
    carried = {at("192.0.2.7", 1): at("10.0.0.3", 1195), at("192.0.2.8", 1): at("10.0.0.9", 1195)}
    assert held.refresh(carried, 0.0) == [at("192.0.2.8", 1)]
    assert held.homes() == {ipaddress.ip_network("192.0.2.0/24")}
    assert held.tunnel(at("10.0.0.3", 1195)) == MAIL


def test_a_silent_tunnel_is_expected_for_a_while_where_it_was() -> None:
    held = flows()
    source = at("192.0.2.7", 1)
    held.add(WEB, source, 0.0)
    held.refresh({}, REMEMBERED)
    assert held.near(source[0])
    held.refresh({source: at("10.0.0.2", 1195)}, REMEMBERED)
    held.refresh({}, 2 * REMEMBERED)
    assert held.near(source[0])
    held.refresh({}, 2 * REMEMBERED + 1)
    assert held.homes() == frozenset()
