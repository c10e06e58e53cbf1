"""The frames that prove a trunk."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address

import pytest

from causeway_lab.world import capture, tagged_frames
from causeway_lab.world.frames import Frame

MAC, OTHER_MAC = bytes.fromhex("02ca05000001"), bytes.fromhex("02ca05000002")
OURS, THEIRS = IPv4Address("192.168.10.12"), IPv4Address("192.168.10.11")


def arrived(octets: bytes) -> Frame:
    return Frame(octets, tag=None, leaving=False)


def reply_to(request: bytes) -> bytes:
    """The other side's ARP reply."""
    return MAC + OTHER_MAC + request[12:20] + b"\0\2" + OTHER_MAC + THEIRS.packed + request[22:32]


def test_a_question_carries_its_tag_between_the_addresses_and_the_type() -> None:
    bare, marked = (tagged_frames.arp_request(MAC, OURS, THEIRS, tag=tag) for tag in (None, 120))
    assert bare[12:14] == b"\x08\x06"
    assert marked[12:18] == b"\x81\x00\x00\x78\x08\x06"
    assert marked[:12] + marked[16:] == bare
    assert bare[-4:] == THEIRS.packed


@pytest.mark.parametrize("broken", [b"", b"\x08\x06", bytes(60)])
def test_noise_is_no_answer(broken: bytes) -> None:
    assert tagged_frames.arp_owner(arrived(broken), THEIRS) is None
    assert not tagged_frames.is_echo_reply(arrived(broken), THEIRS)


def test_only_a_reply_about_the_address_names_its_owner() -> None:
    asked = tagged_frames.arp_request(MAC, OURS, THEIRS, tag=None)
    assert tagged_frames.arp_owner(arrived(asked), THEIRS) is None
    assert tagged_frames.arp_owner(arrived(reply_to(asked)), THEIRS) == OTHER_MAC
    assert tagged_frames.arp_owner(arrived(reply_to(asked)), OURS) is None


def total(octets: bytes) -> int:
    """Ones' complement sum: all ones where the checksum fits (RFC 1071)."""
    value: int = sum(struct.unpack(f"!{len(octets) // 2}H", octets))
    return (value & 0xFFFF) + (value >> 16)


def test_an_echo_request_is_a_packet_that_hosts_accept() -> None:
    frame = tagged_frames.echo(MAC, OTHER_MAC, OURS, THEIRS, sequence=7, tag=None)
    assert frame[:12] == OTHER_MAC + MAC
    assert capture.parse(frame) == capture.Flow("icmp", OURS, THEIRS)
    assert total(frame[14:34]) == 0xFFFF
    assert total(frame[34:]) == 0xFFFF
    assert not tagged_frames.is_echo_reply(arrived(frame), OURS)
    answer = bytearray(frame)
    answer[26:34] = THEIRS.packed + OURS.packed
    answer[34] = 0
    assert tagged_frames.is_echo_reply(arrived(bytes(answer)), THEIRS)


def report(*, options: int = 0, carried: int = 58, kind: int = 143) -> Frame:
    """A report of MLDv2 as Linux sends it: behind a hop-by-hop header with a router alert (RFC 3810, 5)."""
    head = (
        b"\x60"
        + bytes(3)
        + struct.pack("!HBB", 36, options, 1)
        + bytes(16)
        + bytes.fromhex("ff02")
        + bytes(14)
    )
    alert = bytes((carried, 0)) + bytes.fromhex("050200000100")
    octets = bytes.fromhex("333300000016") + MAC + b"\x86\xdd" + head + alert + bytes((kind,)) + bytes(27)
    return arrived(octets)


@pytest.mark.parametrize("kind", [131, 132, 143])
def test_a_report_of_groups_is_known(kind: int) -> None:
    assert tagged_frames.is_group_report(report(kind=kind))


@pytest.mark.parametrize(
    "frame",
    [report(kind=135), report(options=58), report(carried=6), arrived(b""), arrived(bytes(80))],
)
def test_nothing_else_is_a_report_of_groups(frame: Frame) -> None:
    assert not tagged_frames.is_group_report(frame)
