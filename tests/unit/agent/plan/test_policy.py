"""Intersections of policies."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from causeway_agent.plan.model.policy import ArpScope, Forward, Policy, Relay, SourceGuard

FIRST, SECOND = ip_address("192.168.0.20"), ip_address("192.168.0.21")
SERVER, OTHER = (ip_address("10.9.0.20"), 1195), (ip_address("10.9.0.20"), 1197)


def relay(*servers: tuple[object, int]) -> Policy:
    entry = Relay("eth1", "eth0", ip_address("203.0.113.10"), 6180, frozenset(servers))  # type: ignore[arg-type]
    return Policy(relays=frozenset({entry}))


def scope(*excluded: object) -> Policy:
    entry = ArpScope("eth1", ip_network("192.168.0.0/24"), frozenset(excluded))  # type: ignore[arg-type]
    return Policy(arp=frozenset({entry}))


def test_both_allow_what_each_allows() -> None:
    common, mine = Forward("a", "b", source=FIRST), Forward("a", "b", source=SECOND)
    both = Policy(forwards=frozenset({common, mine})) & Policy(forwards=frozenset({common}))
    assert both.forwards == {common}


def test_a_device_guarded_in_either_is_guarded_by_what_both_let_in() -> None:
    guard = SourceGuard("eth1", ip_network("192.168.0.0/24"))
    both = Policy(guarded=frozenset({"eth1"}), sources=frozenset({guard})) & Policy()
    assert both == Policy(guarded=frozenset({"eth1"}))


def test_a_new_tunnel_interrupts_no_relayed_one() -> None:
    assert relay(SERVER) & relay(SERVER, OTHER) == relay(SERVER)
    assert relay(SERVER, OTHER) & relay(SERVER) == relay(SERVER)


def test_a_new_replica_interrupts_no_answers_and_is_not_answered_for() -> None:
    assert scope(FIRST) & scope(FIRST, SECOND) == scope(FIRST, SECOND)


def test_scopes_of_different_prefixes_have_nothing_in_common() -> None:
    other = ArpScope("eth1", ip_network("192.168.1.0/24"), frozenset())
    assert (scope() & Policy(arp=frozenset({other}))).arp == frozenset()
