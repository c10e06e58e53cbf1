"""What is told about a tunnel that works by another way than meant, or not at all."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta

import pytest

from causeway_agent.engine import report
from causeway_agent.plan.model.processes import Endpoint
from causeway_agent.plan.steer import impairment
from causeway_wire.observed import Transport, TunnelReport, TunnelState
from causeway_wire.types import Secret

SINCE = datetime(2026, 11, 28, 6, 30, 5, tzinfo=UTC)
WAYS = tuple(
    Endpoint(address=ipaddress.ip_address(address), port=6180, transport=transport, configuration=Secret(""))
    for transport in Transport
    for address in ("198.51.100.1", "2001:db8::2")
)


def test_udp_that_nobody_answers_is_the_way_there() -> None:
    told = impairment.on_tcp(WAYS, frozenset(), SINCE)
    assert told == (
        "the tunnel goes over TCP: UDP of gateway 198.51.100.1:6180, [2001:db8::2]:6180 does not answer "
        "since 2026-11-28 06:30:05 UTC; let UDP pass"
    )


def test_a_gateway_that_answers_points_at_the_server_behind() -> None:
    told = impairment.on_tcp(WAYS, frozenset({1}), SINCE)
    assert told is not None
    assert "gateway [2001:db8::2]:6180 answers over UDP, but no VPN server behind it since 2026" in told


def test_a_tunnel_that_knows_tcp_only_is_as_it_was_meant() -> None:
    tcp = tuple(way for way in WAYS if way.transport is Transport.TCP)
    assert impairment.on_tcp(tcp, frozenset(), SINCE) is None


@pytest.mark.parametrize(("seconds", "told"), [(0, False), (9, False), (10, True), (3600, True)])
def test_a_missing_connection_is_told_when_it_lasts(seconds: int, *, told: bool) -> None:
    said = impairment.disconnected(SINCE, SINCE + timedelta(seconds=seconds), None)
    assert (said is not None) is told
    assert said is None or "06:30:05 UTC: no answer; see that UDP or TCP to the gateways passes" in said


def test_what_the_far_end_says_is_told_as_it_is() -> None:
    said = impairment.disconnected(SINCE, SINCE + timedelta(seconds=60), "wrong key")
    assert said is not None
    assert said.endswith("UTC: wrong key")


def test_every_impaired_tunnel_is_a_problem() -> None:
    tunnels = [
        TunnelReport(id=name, state=TunnelState.CONNECTED, impairment=why)
        for name, why in (("a", None), ("b", "slow"), ("c", "away"))
    ]
    problems = report.impairments(tunnels)
    assert [one.detail for one in problems] == ["tunnel b: slow", "tunnel c: away"]
    assert {one.type for one in problems} == {"urn:causeway:problem:tunnel-impaired"}
