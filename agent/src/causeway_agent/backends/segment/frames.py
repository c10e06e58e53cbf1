"""Ethernet frames of ARP (RFC 826, RFC 5227) and neighbour discovery (RFC 4861), built and parsed."""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from causeway_wire.types import IPAddress

BROADCAST = b"\xff" * 6
ETHERTYPE_IPV4 = 0x0800
ETHERTYPE_ARP = 0x0806
ETHERTYPE_IPV6 = 0x86DD
SOLICITATION = 135
ADVERTISEMENT = 136

_ETHERNET = struct.Struct("!6s6sH")
_ARP = struct.Struct("!HHBBH6s4s6s4s")
_ARP_REQUEST, _ARP_REPLY = 1, 2
_ARP_ETHERNET_IPV4 = (1, 0x0800, 6, 4)
_NO_MAC = b"\0" * 6
_NO_ADDRESS = IPv4Address(0)

_IPV6 = struct.Struct("!IHBB16s16s")
_ICMPV6 = 58
_HOPS = 255
"""A neighbour message that crossed a router has fewer (RFC 4861, 7.1)."""
_MESSAGE = struct.Struct("!BBHI16s")
_SOURCE_OPTION, _TARGET_OPTION = 1, 2
_SOLICITED, _OVERRIDE = 1 << 30, 1 << 29
_ANY = IPv6Address(0)
ALL_NODES = IPv6Address("ff02::1")
"""Multicast group of every node of a link (RFC 4291, 2.7.1)."""
_SOLICITED_NODE = int(IPv6Address("ff02::1:ff00:0"))


@dataclass(frozen=True, slots=True)
class Claim:
    """Somebody says that it has this address."""

    address: IPAddress
    mac: bytes


@dataclass(frozen=True, slots=True)
class Probe:
    """Somebody asks whether an address is free, before it takes it."""

    address: IPAddress
    mac: bytes


@dataclass(frozen=True, slots=True)
class Solicitation:
    """A neighbour solicitation: who asks, and for what. A `source` of `::` is a duplicate address probe."""

    target: IPv6Address
    source: IPv6Address
    mac: bytes


def solicited_node(target: IPv6Address) -> IPv6Address:
    """The multicast group that a node with this address listens to (RFC 4291, 2.7.1)."""
    return IPv6Address(_SOLICITED_NODE | int(target) & 0xFFFFFF)


def probe(address: IPAddress, mac: bytes) -> bytes:
    """Ask who has the address without claiming it: RFC 5227, 2.1.1 and RFC 4862, 5.4.2."""
    if isinstance(address, IPv4Address):
        return _arp(BROADCAST, _ARP_REQUEST, (mac, _NO_ADDRESS), (_NO_MAC, address))
    group = solicited_node(address)
    body = _MESSAGE.pack(SOLICITATION, 0, 0, 0, address.packed)
    return icmpv6(group_mac(group), mac, _ANY, group, body)


def announcements(address: IPAddress, mac: bytes) -> tuple[bytes, ...]:
    """Tell everyone that the address is here: gratuitous ARP as request and as reply, because some stacks
    heed only one of them, or an unsolicited advertisement that overrides what caches hold (RFC 4861, 7.2.6).
    """
    if isinstance(address, IPv4Address):
        return (
            _arp(BROADCAST, _ARP_REQUEST, (mac, address), (_NO_MAC, address)),
            _arp(BROADCAST, _ARP_REPLY, (mac, address), (mac, address)),
        )
    return (_advertisement(address, mac, (group_mac(ALL_NODES), ALL_NODES), _OVERRIDE),)


def proxy_advertisement(asked: Solicitation, mac: bytes) -> bytes:
    """Answer a solicitation on behalf of its target.

    Not overriding (RFC 4861, 7.2.8): should the target itself be on the segment, its own answer wins.
    """
    return _advertisement(asked.target, mac, (asked.mac, asked.source), _SOLICITED)


def parse_claim(frame: bytes) -> Claim | None:
    """What an ARP packet or a neighbour advertisement claims; None for any other frame.

    An ARP probe claims nothing: its sender address is empty.
    """
    message = _parse_message(frame, ADVERTISEMENT)
    if message is not None:
        source_mac, _, target, options = message
        return Claim(target, _option(options, _TARGET_OPTION) or source_mac)
    if len(frame) < _ETHERNET.size + _ARP.size or frame[12:14] != ETHERTYPE_ARP.to_bytes(2, "big"):
        return None
    *layout, _, sender, address, _, _ = _ARP.unpack_from(frame, _ETHERNET.size)
    if tuple(layout) != _ARP_ETHERNET_IPV4 or not any(address):
        return None
    return Claim(ipaddress.ip_address(address), sender)


def parse_use(frame: bytes) -> Claim | Probe | None:
    """What an ARP packet or neighbour message says about an address: that its sender has it, be it by asking
    for another one from it, or that it would like to know whether it is free.
    """
    claim = parse_claim(frame)
    if claim is not None:
        return claim
    asked = parse_solicitation(frame)
    if asked is not None:
        if asked.source.is_unspecified:
            return Probe(asked.target, asked.mac)
        return Claim(asked.source, asked.mac)
    if len(frame) < _ETHERNET.size + _ARP.size or frame[12:14] != ETHERTYPE_ARP.to_bytes(2, "big"):
        return None
    *layout, operation, mac, sender, _, target = _ARP.unpack_from(frame, _ETHERNET.size)
    if tuple(layout) != _ARP_ETHERNET_IPV4 or operation != _ARP_REQUEST or any(sender) or not any(target):
        return None
    return Probe(ipaddress.ip_address(target), mac)


def defence(asked: Probe, mac: bytes) -> bytes:
    """Tell who probed for an IPv4 address that it is taken (RFC 5227, 2.1.1)."""
    address = IPv4Address(int(asked.address))
    return _arp(asked.mac, _ARP_REPLY, (mac, address), (asked.mac, _NO_ADDRESS))


def sender(frame: bytes) -> bytes:
    """The MAC address that a frame was sent under."""
    return frame[6:12]


def parse_solicitation(frame: bytes) -> Solicitation | None:
    """The neighbour solicitation in a frame; None for any other frame."""
    message = _parse_message(frame, SOLICITATION)
    if message is None:
        return None
    source_mac, source, target, options = message
    return Solicitation(target, source, _option(options, _SOURCE_OPTION) or source_mac)


def _arp(
    to: bytes, operation: int, sender: tuple[bytes, IPv4Address], target: tuple[bytes, IPv4Address]
) -> bytes:
    ends = (sender[0], sender[1].packed, target[0], target[1].packed)
    return _ETHERNET.pack(to, sender[0], ETHERTYPE_ARP) + _ARP.pack(*_ARP_ETHERNET_IPV4, operation, *ends)


def _advertisement(target: IPv6Address, mac: bytes, to: tuple[bytes, IPv6Address], flags: int) -> bytes:
    option = struct.pack("!BB6s", _TARGET_OPTION, 1, mac)
    body = _MESSAGE.pack(ADVERTISEMENT, 0, 0, flags, target.packed) + option
    return icmpv6(to[0], mac, target, to[1], body)


def icmpv6(to: bytes, mac: bytes, source: IPv6Address, destination: IPv6Address, body: bytes) -> bytes:
    """A frame with this ICMPv6 message (RFC 4443), its checksum filled in, that has crossed no router."""
    ends = (source.packed, destination.packed)
    pseudo = b"".join(ends) + struct.pack("!II", len(body), _ICMPV6)
    body = body[:2] + checksum(pseudo + body).to_bytes(2, "big") + body[4:]
    header = _IPV6.pack(6 << 28, len(body), _ICMPV6, _HOPS, *ends)
    return _ETHERNET.pack(to, mac, ETHERTYPE_IPV6) + header + body


def _parse_message(frame: bytes, kind: int) -> tuple[bytes, IPv6Address, IPv6Address, bytes] | None:
    """Sender's MAC, source, target and options of a valid neighbour message of this kind (RFC 4861, 7.1).

    The checksum is not compared: sender and receiver may have left it to hardware that a virtual link lacks.
    """
    start = _ETHERNET.size + _IPV6.size
    if len(frame) < start + _MESSAGE.size or frame[12:14] != ETHERTYPE_IPV6.to_bytes(2, "big"):
        return None
    _, source_mac, _ = _ETHERNET.unpack_from(frame)
    _, length, following, hops, source, _ = _IPV6.unpack_from(frame, _ETHERNET.size)
    found, code, _, _, target = _MESSAGE.unpack_from(frame, start)
    address = IPv6Address(target)
    if (following, hops, found, code) != (_ICMPV6, _HOPS, kind, 0) or address.is_multicast:
        return None
    return source_mac, IPv6Address(source), address, frame[start + _MESSAGE.size : start + length]


def _option(options: bytes, kind: int) -> bytes | None:
    """The link-layer address in an option of this kind."""
    while len(options) >= 8 and options[1]:  # noqa: PLR2004 - the smallest option
        if options[0] == kind:
            return options[2:8]
        options = options[8 * options[1] :]
    return None


def group_mac(group: IPv6Address) -> bytes:
    """The MAC address of an IPv6 multicast group (RFC 2464, 7)."""
    return b"\x33\x33" + group.packed[-4:]


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071) of an even number of octets."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
