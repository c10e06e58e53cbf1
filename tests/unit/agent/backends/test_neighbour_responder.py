"""Whom the responder answers for, and whom it does not."""

from __future__ import annotations

import ipaddress

import pytest

from causeway_agent.backends import frames, neighbour_responder
from causeway_agent.plan.processes import NeighbourResponder

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


def test_the_rate_of_answers_is_bounded() -> None:
    bucket = neighbour_responder._Bucket(0.0)
    at_once = sum(bucket.take(0.0) for _ in range(5000))
    within_a_second = sum(bucket.take(n / 5000) for n in range(5000))
    assert at_once == 200
    assert 990 <= within_a_second <= 1000
    assert bucket.take(10.0)
