"""Whom the responder answers for, and whom it does not."""

from __future__ import annotations

import ipaddress
from dataclasses import replace

import pytest

from causeway_agent.backends.host import token_bucket
from causeway_agent.backends.segment import frames, neighbour_responder
from causeway_agent.plan.model.processes import NeighbourResponder

OWN = bytes.fromhex("020000000001")
HOST = bytes.fromhex("020000000002")
SPEC = NeighbourResponder(
    device="eth1",
    prefixes=(ipaddress.ip_network("192.0.2.0/24"), ipaddress.ip_network("2001:db8::/64")),
    excluded=(ipaddress.ip_address("2001:db8::20"),),
)


def asked(target: str, source: str = "2001:db8::20", mac: bytes = HOST) -> frames.Solicitation:
    return frames.Solicitation(ipaddress.IPv6Address(target), ipaddress.IPv6Address(source), mac)


@pytest.mark.parametrize(
    ("solicitation", "answered"),
    [
        (asked("2001:db8::7"), True),
        (asked("2001:db8::7", source="fe80::1"), True),
        (asked("2001:db8::7", source="::"), False),
        (asked("2001:db8::20", source="fe80::1"), False),
        (asked("2001:db8:1::7"), False),
        (asked("fe80::7"), False),
        (asked("2001:db8::7", mac=OWN), False),
    ],
)
def test_only_hosts_behind_the_tunnel_are_answered_for(
    solicitation: frames.Solicitation, *, answered: bool
) -> None:
    assert neighbour_responder.is_answered(SPEC, solicitation, own=OWN) is answered


REPLICAS = replace(SPEC, askers=frozenset({ipaddress.ip_address("2001:db8::20")}))


@pytest.mark.parametrize(
    ("solicitation", "answered"),
    [
        (asked("2001:db8::7"), True),
        (asked("2001:db8::7", source="2001:db8::21"), False),
        (asked("2001:db8::7", source="2001:db8:9::20"), False),
        (asked("2001:db8::7", source="fe80::20"), False),
    ],
)
def test_only_replicas_are_answered(solicitation: frames.Solicitation, *, answered: bool) -> None:
    assert neighbour_responder.is_answered(REPLICAS, solicitation, own=OWN) is answered


def test_a_replica_is_known_by_its_mac_address_when_it_asks_from_its_link_local_one() -> None:
    desk = neighbour_responder._Desk(REPLICAS, OWN, token_bucket.Bucket(1000, 1000, 0.0))
    confirming = asked("2001:db8::7", source="fe80::20")
    assert not desk.admits(confirming, HOST, 0.0)
    assert desk.admits(asked("2001:db8::7"), HOST, 0.0)
    assert desk.admits(confirming, HOST, 0.0)
    assert not desk.admits(asked("2001:db8::7", source="fe80::20", mac=b"\2" * 6), b"\2" * 6, 0.0)


def test_a_replica_that_scans_leaves_answers_to_others() -> None:
    desk = neighbour_responder._Desk(SPEC, OWN, token_bucket.Bucket(1000, 200, 0.0))
    scanned = sum(desk.admits(asked(f"2001:db8::1:{n:x}"), HOST, 0.0) for n in range(5000))
    assert scanned == 100
    assert desk.admits(asked("2001:db8::7", mac=b"\2" * 6), b"\2" * 6, 0.0)


def test_who_has_answers_sent_elsewhere_has_no_more_of_them() -> None:
    """Where answers shall go is said by an option of the question (RFC 4861, 4.3)."""
    desk = neighbour_responder._Desk(SPEC, OWN, token_bucket.Bucket(1000, 200, 0.0))
    elsewhere = (asked("2001:db8::7", mac=b"\4" + number.to_bytes(5, "big")) for number in range(5000))
    assert sum(desk.admits(each, HOST, 0.0) for each in elsewhere) == 100


def test_what_is_remembered_of_askers_is_bounded() -> None:
    desk = neighbour_responder._Desk(SPEC, OWN, token_bucket.Bucket(1e9, 1e9, 0.0))
    for number in range(10_000):
        mac = number.to_bytes(6, "big")
        desk.admits(asked("2001:db8::7", mac=mac), mac, 0.0)
    assert len(desk.known) <= 4096
    assert len(desk.buckets._by_key) <= 4096


def test_the_rate_of_answers_is_bounded() -> None:
    bucket = token_bucket.Bucket(1000, 200, 0.0)
    at_once = sum(bucket.take(0.0) for _ in range(5000))
    within_a_second = sum(bucket.take(n / 5000) for n in range(5000))
    assert at_once == 200
    assert 990 <= within_a_second <= 1000
    assert bucket.take(10.0)
