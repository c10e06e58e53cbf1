"""Router advertisements and solicitations (RFC 4861, 4.1 and 4.2), built and parsed."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv6Address

from causeway_agent.backends.segment import frames
from causeway_agent.plan.model.processes import RouterAdvertiser
from causeway_wire.types import IPNetwork

SOLICITATION = 133
ADVERTISEMENT = 134

_ETHERNET = 14
_HEADER = struct.Struct("!IHBB16s16s")
_ICMPV6, _HOPS = 58, 255
_ADVERTISEMENT = struct.Struct("!BBHBBHII")
_PREFIX = struct.Struct("!BBBBIII16s")
_HOP_LIMIT = 64
_MANAGED, _OTHER = 0x80, 0x40
_ON_LINK, _AUTONOMOUS = 0x80, 0x40
_INTERFACE_BITS = 64
_VALID, _PREFERRED = 30 * 24 * 3600, 7 * 24 * 3600
"""Seconds: the standard's defaults (RFC 4861, 6.2.1)."""


@dataclass(frozen=True, slots=True)
class Solicitation:
    """A host looks for a router; a `source` of `::` is a host without an address."""

    source: IPv6Address
    mac: bytes


@dataclass(frozen=True, slots=True)
class Sender:
    """The router: its link-local address (RFC 4861, 6.1.2) and MAC address."""

    address: IPv6Address
    mac: bytes


def advertisement(
    spec: RouterAdvertiser, sender: Sender, *, to: Solicitation | None = None, leaving: bool = False
) -> bytes:
    """The frame to all nodes, or to the host that asked; `leaving`: this is no default router any more."""
    flags = _MANAGED * spec.managed | _OTHER * spec.other
    lifetime = 0 if leaving else spec.lifetime
    body = _ADVERTISEMENT.pack(ADVERTISEMENT, 0, 0, _HOP_LIMIT, flags, lifetime, 0, 0)
    body += struct.pack("!BB6s", 1, 1, sender.mac) + struct.pack("!BBHI", 5, 1, 0, spec.mtu)
    body += b"".join(_prefix(prefix, autonomous=spec.autonomous) for prefix in spec.prefixes)
    if to is None:
        everyone = frames.ALL_NODES
        return frames.icmpv6(frames.group_mac(everyone), sender.mac, sender.address, everyone, body)
    return frames.icmpv6(to.mac, sender.mac, sender.address, to.source, body)


def parse_solicitation(frame: bytes) -> Solicitation | None:
    """The router solicitation in a frame, when it is valid (RFC 4861, 6.1.1); None for any other frame."""
    start = _ETHERNET + _HEADER.size
    if len(frame) < start + 8 or frame[12:14] != frames.ETHERTYPE_IPV6.to_bytes(2, "big"):
        return None
    _, length, following, hops, source, _ = _HEADER.unpack_from(frame, _ETHERNET)
    if (following, hops, frame[start], frame[start + 1]) != (_ICMPV6, _HOPS, SOLICITATION, 0) or length < 8:  # noqa: PLR2004
        return None
    address = IPv6Address(source)
    return None if address.is_multicast else Solicitation(address, frame[6:12])


def _prefix(prefix: IPNetwork, *, autonomous: bool) -> bytes:
    makes = autonomous and prefix.prefixlen == _INTERFACE_BITS
    flags = _ON_LINK | _AUTONOMOUS * makes
    network = prefix.network_address.packed
    return _PREFIX.pack(3, 4, prefix.prefixlen, flags, _VALID, _PREFERRED, 0, network)
