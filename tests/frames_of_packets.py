"""Packets made by hand, with what they are meant to be beside their octets."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from causeway_wire.types import IPAddress

MACS = bytes.fromhex("020000000002020000000001")
NUMBERS = {
    4: {"tcp": 6, "udp": 17, "icmp": 1, "other": 132},
    6: {"tcp": 6, "udp": 17, "icmp": 58, "other": 132},
}
KINDS = {4: 0x0800, 6: 0x86DD, 0: 0x0806}


@dataclass(frozen=True)
class Made:
    """A packet from its network header on."""

    data: bytes
    kind: int
    """EtherType."""
    hosts: frozenset[IPAddress]
    protocol: str
    ports: frozenset[int] = frozenset()
    fragment: bool = False

    def framed(self, *, tag: int | None = None) -> bytes:
        """In an Ethernet frame, behind a VLAN tag of this type if given."""
        tagged = b"" if tag is None else struct.pack("!HH", tag, 110)
        return MACS + tagged + struct.pack("!H", self.kind) + self.data


def four(
    source: IPAddress,
    destination: IPAddress,
    *,
    protocol: str = "tcp",
    ports: tuple[int, int] = (40000, 443),
    options: int = 0,
    fragment: bool = False,
) -> Made:
    """IPv4; `options` in words, `fragment` is a later one."""
    inner = upper(protocol, ports)
    first = struct.pack(
        "!BBHHHBBH",
        0x45 + options,
        0,
        20 + 4 * options + len(inner),
        1,
        8 if fragment else 0,
        64,
        NUMBERS[4][protocol],
        0,
    )
    data = first + source.packed + destination.packed + bytes(4 * options) + inner
    known = frozenset(ports) if protocol in {"tcp", "udp"} else frozenset[int]()
    return Made(data, KINDS[4], frozenset({source, destination}), protocol, known, fragment)


def six(
    source: IPAddress,
    destination: IPAddress,
    *,
    protocol: str = "tcp",
    ports: tuple[int, int] = (40000, 443),
    inner: bytes | None = None,
) -> Made:
    """IPv6 without extension headers."""
    inside = upper(protocol, ports) if inner is None else inner
    first = struct.pack("!IHBB", 6 << 28, len(inside), NUMBERS[6][protocol], 64)
    known = frozenset(ports) if protocol in {"tcp", "udp"} else frozenset[int]()
    data = first + source.packed + destination.packed + inside
    return Made(data, KINDS[6], frozenset({source, destination}), protocol, known)


def solicitation(source: IPAddress, target: IPAddress, *, kind: int = 135) -> Made:
    """A neighbour solicitation (135) or advertisement (136) about `target`, sent to everyone."""
    everyone = type(source)("ff02::1")
    made = six(source, everyone, protocol="icmp", inner=struct.pack("!BBHI", kind, 0, 0, 0) + target.packed)
    return Made(made.data, made.kind, made.hosts | {target}, "icmp")


def arp(sender: IPAddress, target: IPAddress, *, operation: int = 1) -> Made:
    """A request, or a reply."""
    first = struct.pack("!HHBBH", 1, KINDS[4], 6, 4, operation)
    data = first + MACS[6:] + sender.packed + MACS[:6] + target.packed
    return Made(data, KINDS[0], frozenset({sender, target}), "arp")


def upper(protocol: str, ports: tuple[int, int]) -> bytes:
    """The header behind IP's."""
    if protocol == "tcp":
        return struct.pack("!HHIIBBHHH", *ports, 0, 0, 0x50, 0x12, 0, 0, 0)
    if protocol == "udp":
        return struct.pack("!HHHH", *ports, 8, 0)
    if protocol == "icmp":
        return struct.pack("!BBHHH", 8, 0, 0, 7, 1)
    return bytes(16)
