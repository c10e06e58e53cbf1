"""Packets as lines."""

from __future__ import annotations

import struct
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from causeway_agent.plan.capture import text as capture_text
from causeway_agent.plan.capture.program import LinkLayer
from tests import frames_of_packets as made

A, B = ip_address("192.0.2.1"), ip_address("192.0.2.2")
A6, B6 = ip_address("2001:db8::1"), ip_address("2001:db8::2")


def error(kind: int, code: int, rest: int, about: made.Made) -> bytes:
    return struct.pack("!BBHI", kind, code, 0, rest) + about.data


def icmp(inner: bytes) -> made.Made:
    outer = made.four(B, A, protocol="icmp")
    return made.Made(outer.data[:20] + inner, outer.kind, outer.hosts, "icmp")


@pytest.mark.parametrize(
    ("packet", "text"),
    [
        (made.four(A, B), "192.0.2.1:40000 > 192.0.2.2:443 tcp [SA]"),
        (made.four(A, B, options=3), "192.0.2.1:40000 > 192.0.2.2:443 tcp [SA]"),
        (made.four(A, B, protocol="udp"), "192.0.2.1:40000 > 192.0.2.2:443 udp"),
        (made.four(A, B, protocol="icmp"), "192.0.2.1 > 192.0.2.2 icmp echo request 7 seq 1"),
        (made.four(A, B, protocol="other"), "192.0.2.1 > 192.0.2.2 protocol 132"),
        (made.four(A, B, fragment=True), "192.0.2.1 > 192.0.2.2 protocol 6 fragment at 64"),
        (made.six(A6, B6), "[2001:db8::1]:40000 > [2001:db8::2]:443 tcp [SA]"),
        (made.six(A6, B6, protocol="other"), "2001:db8::1 > 2001:db8::2 protocol 132"),
        (made.solicitation(A6, B6), "2001:db8::1 > ff02::1 icmp6 who has 2001:db8::2?"),
        (made.solicitation(A6, B6, kind=136), "2001:db8::1 > ff02::1 icmp6 2001:db8::2 is here"),
        (
            icmp(error(3, 4, 1400, made.four(A, B))),
            (
                "192.0.2.2 > 192.0.2.1 icmp unreachable (needs fragmentation, mtu 1400), "
                "about 192.0.2.1:40000 > 192.0.2.2:443 tcp"
            ),
        ),
        (
            icmp(error(3, 3, 0, made.four(A, B, protocol="icmp"))),
            "192.0.2.2 > 192.0.2.1 icmp unreachable (port), about 192.0.2.1 > 192.0.2.2 protocol 1",
        ),
        (
            made.six(B6, A6, protocol="icmp", inner=error(2, 0, 1400, made.six(A6, B6))),
            (
                "2001:db8::2 > 2001:db8::1 icmp6 packet too big (mtu 1400), "
                "about [2001:db8::1]:40000 > [2001:db8::2]:443 tcp"
            ),
        ),
        (
            made.six(B6, A6, protocol="icmp", inner=error(1, 0, 0, made.six(A6, B6))),
            (
                "2001:db8::2 > 2001:db8::1 icmp6 unreachable (no route), "
                "about [2001:db8::1]:40000 > [2001:db8::2]:443 tcp"
            ),
        ),
    ],
)
def test_a_packet_reads_the_same_on_adapters_and_tun_devices(packet: made.Made, text: str) -> None:
    assert capture_text.summary(LinkLayer.RAW, packet.data) == text
    assert capture_text.summary(LinkLayer.ETHERNET, packet.framed()) == text
    assert capture_text.summary(LinkLayer.ETHERNET, packet.framed(tag=0x8100)) == f"vlan 110 {text}"


@pytest.mark.parametrize(
    ("packet", "text"),
    [
        (made.arp(A, B), "arp who has 192.0.2.2? tell 192.0.2.1 (02:00:00:00:00:01)"),
        (made.arp(A, B, operation=2), "arp 192.0.2.1 is at 02:00:00:00:00:01"),
    ],
)
def test_arp_is_told_as_question_and_answer(packet: made.Made, text: str) -> None:
    assert capture_text.summary(LinkLayer.ETHERNET, packet.framed()) == text


def test_a_fragmented_ipv6_packet_is_told_by_its_first_fragment() -> None:
    whole = made.six(A6, B6)
    fragment = bytes([6, 0, 0, 1]) + bytes(4)
    first = whole.data[:6] + bytes([44]) + whole.data[7:40] + fragment + whole.data[40:]
    assert capture_text.summary(LinkLayer.RAW, first).endswith("> [2001:db8::2]:443 tcp [SA]")
    later = first[:40] + bytes([6, 0, 0, 8]) + first[44:]
    assert capture_text.summary(LinkLayer.RAW, later).endswith("protocol 6 fragment at 8")


def test_a_line_says_when_which_way_and_how_long() -> None:
    packet = made.four(A, B, protocol="udp")
    told = capture_text.line(LinkLayer.RAW, packet.data, time=3_661_000_002_000, length=1500, outgoing=True)
    assert told == "01:01:01.000002 out 192.0.2.1:40000 > 192.0.2.2:443 udp 1500 bytes"


@given(st.binary(max_size=120), st.sampled_from(LinkLayer), st.sampled_from([0, 4, 6]))
def test_no_packet_is_too_strange_for_a_line(data: bytes, link: LinkLayer, version: int) -> None:
    framed = made.MACS + struct.pack("!H", made.KINDS[version]) + data
    for strange in (data, framed):
        assert "\n" not in capture_text.summary(link, strange)
