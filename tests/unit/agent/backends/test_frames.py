"""Frames are what the RFCs say, octet by octet, and foreign or broken ones are not taken for answers."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from causeway_agent.backends.segment import frames

MAC = bytes.fromhex("020000000001")
PEER = bytes.fromhex("020000000002")
FOUR = ipaddress.IPv4Address("192.0.2.20")
SIX = ipaddress.IPv6Address("2001:db8::12:3456")
ASKER = ipaddress.IPv6Address("2001:db8::1")


def test_an_arp_probe_claims_nothing() -> None:
    assert frames.probe(FOUR, MAC).hex() == (
        "ffffffffffff" + MAC.hex() + "0806"
        "0001080006040001" + MAC.hex() + "00000000" + "000000000000" + "c0000214"
    )
    assert frames.parse_claim(frames.probe(FOUR, MAC)) is None


def test_a_duplicate_address_probe_goes_to_the_solicited_node_group_from_nowhere() -> None:
    frame = frames.probe(SIX, MAC)
    assert frame[:6].hex() == "3333ff123456"
    assert frame[38:54] == ipaddress.IPv6Address("ff02::1:ff12:3456").packed
    assert frames.parse_solicitation(frame) == frames.Solicitation(SIX, ipaddress.IPv6Address("::"), MAC)
    assert len(frame) == 14 + 40 + 24


@pytest.mark.parametrize("address", [FOUR, SIX])
def test_announcements_claim_the_address(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    claims = [frames.parse_claim(frame) for frame in frames.announcements(address, MAC)]
    assert set(claims) == {frames.Claim(address, MAC)}


def test_arp_is_announced_as_request_and_as_reply() -> None:
    request, reply = frames.announcements(FOUR, MAC)
    assert (request[20:22], reply[20:22]) == (b"\0\1", b"\0\2")
    assert request[:6] == reply[:6] == b"\xff" * 6


def test_an_unsolicited_advertisement_overrides_and_a_proxys_answer_does_not() -> None:
    (announcement,) = frames.announcements(SIX, MAC)
    answer = frames.proxy_advertisement(frames.Solicitation(SIX, ASKER, PEER), MAC)
    assert announcement[58:62].hex() == "20000000"
    assert answer[58:62].hex() == "40000000"
    assert answer[:6] == PEER
    assert answer[38:54] == ASKER.packed


@given(
    target=st.ip_addresses(v=6).filter(lambda address: not address.is_multicast),
    source=st.ip_addresses(v=6),
    mac=st.binary(min_size=6, max_size=6),
)
def test_every_neighbour_message_has_a_valid_checksum(
    target: ipaddress.IPv6Address, source: ipaddress.IPv6Address, mac: bytes
) -> None:
    answer = frames.proxy_advertisement(frames.Solicitation(target, source, PEER), mac)
    pseudo = answer[22:54] + len(answer[54:]).to_bytes(4, "big") + (58).to_bytes(4, "big")
    assert frames.checksum(pseudo + answer[54:]) == 0
    assert frames.parse_claim(answer) == frames.Claim(target, mac)


@given(st.binary(max_size=120))
def test_noise_is_no_claim_and_no_solicitation(noise: bytes) -> None:
    for ethertype in (b"\x08\x06", b"\x86\xdd"):
        frame = bytes(12) + ethertype + noise
        frames.parse_claim(frame)
        assert frames.parse_solicitation(frame[:60]) is None


def test_a_message_that_crossed_a_router_is_not_believed() -> None:
    (announcement,) = frames.announcements(SIX, MAC)
    routed = announcement[:21] + b"\xfe" + announcement[22:]
    assert frames.parse_claim(announcement) is not None
    assert frames.parse_claim(routed) is None


@pytest.mark.parametrize("length", range(0, 78, 7))
def test_a_truncated_frame_is_no_claim(length: int) -> None:
    for address in (FOUR, SIX):
        for frame in frames.announcements(address, MAC):
            if length < len(frame) - 8:
                assert frames.parse_claim(frame[:length]) is None
