"""What is told about a tunnel that works by another way than meant, or not at all."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime

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
    told = impairment.on_tcp(WAYS, frozenset(), SINCE, {})
    assert told == (
        "the tunnel goes over TCP: UDP of gateway 198.51.100.1:6180, [2001:db8::2]:6180 does not answer "
        "since 2026-11-28 06:30:05 UTC; let UDP pass"
    )


def test_a_gateway_that_answers_points_at_the_server_behind() -> None:
    told = impairment.on_tcp(WAYS, frozenset({1}), SINCE, {})
    assert told is not None
    assert "gateway [2001:db8::2]:6180 answers over UDP, but no VPN server behind it since 2026" in told


def test_a_tunnel_that_knows_tcp_only_is_as_it_was_meant() -> None:
    tcp = tuple(way for way in WAYS if way.transport is Transport.TCP)
    assert impairment.on_tcp(tcp, frozenset(), SINCE, {}) is None


def test_gateways_of_another_time_point_at_the_clocks() -> None:
    told = impairment.on_tcp(WAYS, frozenset({0, 1}), SINCE, {0: -600.0, 1: 90_000.0})
    assert told == (
        "the tunnel goes over TCP: clocks differ too much for UDP: that of gateway 198.51.100.1:6180 is 10 "
        "minutes behind the one here, that of gateway [2001:db8::2]:6180 is 25 hours ahead of the one here; "
        "set the one that is wrong (timedatectl)"
    )


def test_a_gateway_of_our_time_that_answers_is_told_before_one_of_another() -> None:
    told = impairment.on_tcp(WAYS, frozenset({0, 1}), SINCE, {0: -600.0})
    assert told is not None
    assert "no VPN server behind it" in told


@pytest.mark.parametrize("words", ["certificate has expired", "certificate is not yet valid"])
def test_a_certificate_s_dates_are_told_with_the_clock_once(words: str) -> None:
    why = f"certificate refused: {words}: CN=a"
    told = impairment.dated(impairment.dated(why, SINCE), SINCE)
    assert told == (
        f"{why}; the clock here says 2026-11-28 06:30:05 UTC: set it if it is wrong (timedatectl), else have "
        "the certificate renewed"
    )


@pytest.mark.parametrize("why", [None, "no answer", "certificate refused: CN=a, must be b"])
def test_other_reasons_have_nothing_to_do_with_the_clock(why: str | None) -> None:
    assert impairment.dated(why, SINCE) == why


@pytest.mark.parametrize(("seconds", "told"), [(0, False), (9, False), (10, True), (3600, True)])
def test_a_missing_connection_is_told_when_it_lasts(seconds: int, *, told: bool) -> None:
    said = impairment.disconnected(SINCE, float(seconds), None)
    assert (said is not None) is told
    assert said is None or "06:30:05 UTC: no answer; see that UDP or TCP to the gateways passes" in said


def test_what_the_far_end_says_is_told_as_it_is() -> None:
    said = impairment.disconnected(SINCE, 60.0, "wrong key")
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
