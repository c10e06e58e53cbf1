"""Translation of the site's source ports, so that a flow can get another outer port in mid-flow.

Pure. Addresses stay as they are: the site's router translates those. What comes in for a port that leads
nowhere, or no longer, is refused, as any such device does.
"""

from __future__ import annotations

import random
import struct

from causeway_lab.world.line import packets
from causeway_lab.world.line.packets import ETHERNET, ICMP, ICMPV6, TCP, UDP

_PORTS = range(20_000, 60_000)
_CHECKSUM_AT = {UDP: 6, TCP: 16}
_ICMP_HEADER = 8

Inner = tuple[int, bytes, int]
"""Protocol, address and port of the site's end of a flow."""
Outer = Inner


class PortTranslator:
    """The table of one line."""

    def __init__(self) -> None:
        self.chance = random.Random()  # noqa: S311 - no secret
        self._outer: dict[Inner, int] = {}
        self._inner: dict[Outer, int] = {}

    def rebind(self) -> None:
        """Forget every flow: its next packet out gets another port, what is sent to the old one is lost."""
        self._outer.clear()
        self._inner.clear()

    def out(self, frame: bytes) -> bytes:
        """The frame with its outer source port; as it is when it has no ports."""
        at = _ports_at(frame, ETHERNET)
        if at is None:
            return frame
        inner = (packets.protocol(frame), packets.source_at(frame, ETHERNET), _port(frame, at))
        outer = self._outer.get(inner)
        if outer is None:
            outer = self._new(inner)
        return _with_port(frame, at, at, outer, protocol=inner[0])

    def back(self, frame: bytes) -> bytes | None:
        """The frame with the inner destination port; None when no flow has it."""
        if _is_icmp(frame):
            return self._error_back(frame)
        at = _ports_at(frame, ETHERNET)
        if at is None:
            return frame
        key = (packets.protocol(frame), packets.destination_at(frame, ETHERNET), _port(frame, at + 2))
        inner = self._inner.get(key)
        return None if inner is None else _with_port(frame, at, at + 2, inner, protocol=key[0])

    def _error_back(self, frame: bytes) -> bytes | None:
        """An ICMP error quotes a packet of ours with its outer source port (RFC 5508, 4)."""
        if not packets.is_error(frame):
            return frame
        icmp = packets.payload_at(frame, ETHERNET)
        quoted = icmp + _ICMP_HEADER
        at = _ports_at(frame, quoted)
        if at is None or len(frame) < at + 2:
            return frame
        key = (packets.protocol_at(frame, quoted), packets.source_at(frame, quoted), _port(frame, at))
        inner = self._inner.get(key)
        if inner is None:
            return None
        changed = bytearray(frame)
        struct.pack_into("!H", changed, at, inner)
        _adjust(changed, icmp + 2, key[2], inner)
        return bytes(changed)

    def _new(self, inner: Inner) -> int:
        protocol, address, _ = inner
        while True:
            port = self.chance.choice(_PORTS)
            if (protocol, address, port) not in self._inner:
                break
        self._outer[inner] = port
        self._inner[protocol, address, port] = inner[2]
        return port


def _is_icmp(frame: bytes) -> bool:
    return packets.protocol(frame) in {ICMP, ICMPV6}


def _ports_at(frame: bytes, ip: int) -> int | None:
    """Where the ports are of the IP packet that begins at `ip`; None where there are none."""
    if packets.protocol_at(frame, ip) not in _CHECKSUM_AT or packets.is_later_fragment(frame, ip):
        return None
    return packets.payload_at(frame, ip)


def _port(frame: bytes, at: int) -> int:
    return int.from_bytes(frame[at : at + 2], "big")


def _with_port(frame: bytes, ports: int, at: int, port: int, *, protocol: int) -> bytes:
    changed = bytearray(frame)
    before = _port(frame, at)
    struct.pack_into("!H", changed, at, port)
    sum_at = ports + _CHECKSUM_AT[protocol]
    if protocol == TCP or _port(frame, sum_at):  # a UDP checksum of 0 means none (RFC 768)
        _adjust(changed, sum_at, before, port)
    return bytes(changed)


def _adjust(frame: bytearray, at: int, before: int, after: int) -> None:
    """Keep the checksum at `at` true after a change of one word (RFC 1624, equation 3)."""
    total = (~int.from_bytes(frame[at : at + 2], "big") & 0xFFFF) + (~before & 0xFFFF) + after
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    struct.pack_into("!H", frame, at, ~total & 0xFFFF)
