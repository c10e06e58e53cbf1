"""Single Ethernet frames, made and read: ARP (RFC 826) and ICMP echo (RFC 792), tagged (IEEE 802.1Q) or not.

Pure.
"""

from __future__ import annotations

import struct
from ipaddress import IPv4Address

from causeway_lab.world.frames import Frame

_IPV4, _ARP, _TAGGED = 0x0800, 0x0806, 0x8100
_REQUEST, _REPLY = 1, 2
_ICMP, _ECHO, _ECHO_REPLY = 1, 8, 0
_LIFE, _IDENTIFIER = 64, 0x6180
_IPV6, _HOP_BY_HOP, _ICMPV6 = 0x86DD, 0, 58
_GROUP_REPORTS = frozenset({131, 132, 143})


def arp_request(mac: bytes, address: IPv4Address, asked: IPv4Address, *, tag: int | None) -> bytes:
    """Who has that address? Tell this one."""
    head = struct.pack("!HHBBH", 1, _IPV4, 6, 4, _REQUEST)
    body = head + mac + address.packed + bytes(6) + asked.packed
    return b"\xff" * 6 + mac + _kind(_ARP, tag) + body


def arp_owner(frame: Frame, address: IPv4Address) -> bytes | None:
    """The MAC address that a reply says the address has; None when the frame is no such reply."""
    octets = frame.octets
    kind, operation = struct.unpack_from("!12xH6xH", octets.ljust(22, b"\0"))
    if kind != _ARP or operation != _REPLY or octets[28:32] != address.packed:
        return None
    return octets[22:28]


def echo(
    mac: bytes,
    to: bytes,
    source: IPv4Address,
    destination: IPv4Address,
    *,
    sequence: int,
    tag: int | None,
) -> bytes:
    """An echo request in an IPv4 packet, sent to this MAC address."""
    body = struct.pack("!BBHHH", _ECHO, 0, 0, _IDENTIFIER, sequence) + bytes(56)
    icmp = body[:2] + _sum(body) + body[4:]
    head = struct.pack(
        "!BBHHHBBH4s4s",
        *(0x45, 0, 20 + len(icmp), sequence, 0, _LIFE, _ICMP, 0),
        *(source.packed, destination.packed),
    )
    return to + mac + _kind(_IPV4, tag) + head[:10] + _sum(head) + head[12:] + icmp


def is_echo_reply(frame: Frame, source: IPv4Address) -> bool:
    """Whether the frame is an answer of this address to one of our echo requests."""
    octets = frame.octets.ljust(42, b"\0")
    (kind,) = struct.unpack_from("!H", octets, 12)
    return (
        kind == _IPV4
        and octets[23] == _ICMP
        and octets[26:30] == source.packed
        and octets[34] == _ECHO_REPLY
        and octets[38:40] == _IDENTIFIER.to_bytes(2, "big")
    )


def is_group_report(frame: Frame) -> bool:
    """Whether a machine says which multicast groups it is in or leaves (MLD: RFC 2710, RFC 3810)."""
    octets = frame.octets.ljust(63, b"\0")
    (kind,) = struct.unpack_from("!H", octets, 12)
    carried = (kind, octets[20], octets[54])
    return carried == (_IPV6, _HOP_BY_HOP, _ICMPV6) and octets[62] in _GROUP_REPORTS


def _kind(ethertype: int, tag: int | None) -> bytes:
    return (b"" if tag is None else struct.pack("!HH", _TAGGED, tag)) + struct.pack("!H", ethertype)


def _sum(octets: bytes) -> bytes:
    """The internet checksum (RFC 1071) of an even number of octets."""
    total: int = sum(struct.unpack(f"!{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return (total ^ 0xFFFF).to_bytes(2, "big")
