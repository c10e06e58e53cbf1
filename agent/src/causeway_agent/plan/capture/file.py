"""Capture files: classic pcap (draft-ietf-opsawg-pcap), which every packet tool reads.

Nanosecond timestamps in the byte order of the network, so that the same packets are the same file everywhere.
"""

from __future__ import annotations

import struct

from causeway_agent.plan.capture.program import LinkLayer

SNAP = 0x40000
"""Octets of a packet at most."""

_MAGIC_NANOSECONDS = 0xA1B23C4D
_VERSION = (2, 4)
_LINK_TYPES = {LinkLayer.ETHERNET: 1, LinkLayer.RAW: 101}
"""LINKTYPE_ETHERNET and LINKTYPE_RAW (draft-ietf-opsawg-pcaplinktype)."""
_HEADER = struct.Struct(">IHHiIII")
_RECORD = struct.Struct(">IIII")
_NANOSECONDS = 10**9

HEADER_BYTES = _HEADER.size
RECORD_BYTES = _RECORD.size


def header(link: LinkLayer) -> bytes:
    """What a file of packets of this link layer begins with."""
    return _HEADER.pack(_MAGIC_NANOSECONDS, *_VERSION, 0, 0, SNAP, _LINK_TYPES[link])


def record(data: bytes, *, time: int, length: int) -> bytes:
    """One packet: its octets, when (nanoseconds since 1970, UTC) and how long it was on the line."""
    seconds, rest = divmod(time, _NANOSECONDS)
    return _RECORD.pack(seconds & 0xFFFFFFFF, rest, len(data), length) + data
