"""IP packets in Ethernet frames: what a router that forwards them must read, cut and answer.

Pure. Frames carry no VLAN tag: the line is between two routers.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from causeway_lab.world.line.conditions import Blocked
from causeway_wire.types import IPAddress

ETHERNET = 14
IPV4, IPV6 = 0x0800, 0x86DD
TCP, UDP, ICMP, ICMPV6 = 6, 17, 1, 58
_NEIGHBOUR_DISCOVERY = range(133, 138)
"""Router and neighbour solicitations, advertisements, redirects (RFC 4861, 4)."""
_DF, _MF, _OFFSET = 0x4000, 0x2000, 0x1FFF
_UNREACHABLE, _FRAGMENTATION_NEEDED, _PACKET_TOO_BIG = 3, 4, 2
_QUOTED = {4: 548, 6: 1232}
"""Octets of the packet in an error: it stays within 576 (RFC 1812, 4.3.2.3) or 1280 (RFC 4443, 2.4)."""
_V4 = 4
_IPV6_HEADER = 40
_FRAGMENT_HEADER = 44
_END_OF_OPTIONS, _NO_OPERATION, _COPIED = 0, 1, 0x80
_ICMP_ERRORS = {4: frozenset({3, 4, 5, 11, 12}), 6: frozenset(range(128))}


def carried(frame: bytes) -> bool:
    """Whether a line has a say in this frame: IP, but not what neighbours on a segment tell each other."""
    if frame[0] & 1:  # multicast on the segment; no router passes it on
        return False
    kind = int.from_bytes(frame[12:14], "big")
    if kind == IPV4:
        return len(frame) >= ETHERNET + 20
    if kind != IPV6 or len(frame) < ETHERNET + _IPV6_HEADER:
        return False
    return not (
        frame[20] == ICMPV6
        and len(frame) > ETHERNET + _IPV6_HEADER
        and frame[ETHERNET + _IPV6_HEADER] in _NEIGHBOUR_DISCOVERY
    )


def is_ipv4(frame: bytes) -> bool:
    """Of a frame that is carried: whether it is IPv4, not IPv6."""
    return frame[12] == IPV4 >> 8


def protocol(frame: bytes) -> int:
    """The protocol above IP."""
    return protocol_at(frame, ETHERNET)


def protocol_at(frame: bytes, ip: int) -> int:
    """The protocol above the IP packet that begins at `ip`; of IPv6, behind a fragment header at most."""
    if frame[ip] >> 4 == _V4:
        return frame[ip + 9]
    following = frame[ip + 6]
    if following == _FRAGMENT_HEADER and len(frame) > ip + _IPV6_HEADER:
        return frame[ip + _IPV6_HEADER]
    return following


def payload_at(frame: bytes, ip: int) -> int:
    """Where the packet that begins at `ip` has what its protocol names."""
    if frame[ip] >> 4 == _V4:
        return ip + (frame[ip] & 0x0F) * 4
    return ip + _IPV6_HEADER + (8 if frame[ip + 6] == _FRAGMENT_HEADER else 0)


def source_at(frame: bytes, ip: int) -> bytes:
    """The source address of the packet that begins at `ip`."""
    return frame[ip + 12 : ip + 16] if frame[ip] >> 4 == _V4 else frame[ip + 8 : ip + 24]


def destination_at(frame: bytes, ip: int) -> bytes:
    """The destination address of the packet that begins at `ip`."""
    return frame[ip + 16 : ip + 20] if frame[ip] >> 4 == _V4 else frame[ip + 24 : ip + 40]


def is_later_fragment(frame: bytes, ip: int) -> bool:
    """Whether it is a fragment other than the first, which has no ports."""
    if frame[ip] >> 4 == _V4:
        return bool(int.from_bytes(frame[ip + 6 : ip + 8], "big") & _OFFSET)
    if frame[ip + 6] != _FRAGMENT_HEADER:
        return False
    at = ip + _IPV6_HEADER + 2
    return bool(int.from_bytes(frame[at : at + 2], "big") >> 3)


def is_error(frame: bytes) -> bool:
    """Whether it is an ICMP message that quotes a packet."""
    at = payload_at(frame, ETHERNET)
    if protocol(frame) not in {ICMP, ICMPV6} or is_later_fragment(frame, ETHERNET) or at >= len(frame):
        return False
    return frame[at] in _ICMP_ERRORS[4 if is_ipv4(frame) else 6]


def is_blocked(frame: bytes, blocked: tuple[Blocked, ...]) -> bool:
    """Whether the frame is one of these."""
    family = Blocked.IPV4 if is_ipv4(frame) else Blocked.IPV6
    return family in blocked or _BLOCKS.get(protocol(frame)) in blocked


_BLOCKS = {TCP: Blocked.TCP, UDP: Blocked.UDP}


def length(frame: bytes) -> int:
    """Octets of the IP packet, by its own word: short frames are padded (IEEE 802.3)."""
    if is_ipv4(frame):
        return int.from_bytes(frame[16:18], "big")
    return _IPV6_HEADER + int.from_bytes(frame[18:20], "big")


def may_be_fragmented(frame: bytes) -> bool:
    """IPv4 without DF (RFC 791); in IPv6 only the sender fragments."""
    return is_ipv4(frame) and not frame[20] & (_DF >> 8)


def fragments(frame: bytes, mtu: int) -> Iterator[bytes]:
    """The frame's IPv4 packet in pieces of at most `mtu` octets, itself perhaps a fragment (RFC 791, 3.2)."""
    header = (frame[ETHERNET] & 0x0F) * 4
    start, end = ETHERNET + header, ETHERNET + length(frame)
    flags = int.from_bytes(frame[20:22], "big")
    more_after, offset = flags & _MF, flags & _OFFSET
    first = frame[ETHERNET:start]
    later = _later_header(first)
    position = start
    while position < end:
        head = first if position == start else later
        room = (mtu - len(head)) // 8 * 8
        piece = frame[position : min(end, position + room)]
        position += len(piece)
        more = more_after if position >= end else _MF
        yield frame[:ETHERNET] + _ipv4_header(head, len(piece), more | offset) + piece
        offset += len(piece) // 8


def _later_header(first: bytes) -> bytes:
    """The header of fragments after the first: only options whose copied flag is set (RFC 791, 3.1)."""
    kept = bytearray()
    position = 20
    while position < len(first):
        kind = first[position]
        if kind == _END_OF_OPTIONS:
            break
        size = 1 if kind == _NO_OPERATION else max(2, first[position + 1])
        if kind & _COPIED:
            kept += first[position : position + size]
        position += size
    kept += bytes(-len(kept) % 4)
    return bytes((0x40 | (20 + len(kept)) // 4,)) + first[1:20] + bytes(kept)


def _ipv4_header(header: bytes, payload: int, flags: int) -> bytes:
    made = bytearray(header)
    struct.pack_into("!H", made, 2, len(header) + payload)
    struct.pack_into("!H", made, 6, flags)
    struct.pack_into("!H", made, 10, 0)
    struct.pack_into("!H", made, 10, checksum(made))
    return bytes(made)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reporter:
    """Tells senders that a packet is too big, from the line's own addresses."""

    addresses: tuple[IPAddress, ...]

    def too_big(self, frame: bytes, mtu: int) -> bytes | None:
        """The frame back to the sender; None where none may be sent (RFC 1812, 4.3.2.7; RFC 4443, 2.4 e)."""
        version = _V4 if is_ipv4(frame) else 6
        ours = next((one for one in self.addresses if one.version == version), None)
        if ours is None or is_error(frame) or is_later_fragment(frame, ETHERNET):
            return None
        build = _fragmentation_needed if version == _V4 else _packet_too_big
        return frame[6:12] + frame[0:6] + frame[12:14] + build(frame, ours, mtu)


def _fragmentation_needed(frame: bytes, ours: IPAddress, mtu: int) -> bytes:
    quoted = frame[ETHERNET : ETHERNET + min(length(frame), _QUOTED[4])]
    body = bytearray(struct.pack("!BBHHH", _UNREACHABLE, _FRAGMENTATION_NEEDED, 0, 0, mtu) + quoted)
    struct.pack_into("!H", body, 2, checksum(body))
    header = struct.pack("!BBHHHBBH", 0x45, 0xC0, 0, 0, 0, 64, ICMP, 0) + ours.packed + frame[26:30]
    return _ipv4_header(header, len(body), 0) + bytes(body)


def _packet_too_big(frame: bytes, ours: IPAddress, mtu: int) -> bytes:
    quoted = frame[ETHERNET : ETHERNET + min(length(frame), _QUOTED[6])]
    body = bytearray(struct.pack("!BBHI", _PACKET_TOO_BIG, 0, 0, mtu) + quoted)
    ends = ours.packed + frame[22:38]
    pseudo = ends + struct.pack("!II", len(body), ICMPV6)
    struct.pack_into("!H", body, 2, checksum(pseudo + bytes(body)))
    return struct.pack("!IHBB", 0x6000_0000, len(body), ICMPV6, 64) + ends + bytes(body)


def checksum(data: bytes | bytearray) -> int:
    """The internet checksum (RFC 1071)."""
    padded = bytes(data) + b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
