"""Frames that the two ends of a bridged tunnel speak: probes into the segment, everything else in the tap.

All carry the EtherType that IEEE 802 sets aside for local experiments. Frames in the tap go to a group
address that no bridge forwards (IEEE 802.1Q, 8.6.3), so that they end at the far appliance.
"""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass

ETHERTYPE = 0x88B5
NUMBER_OCTETS = 16

_EVERYONE = b"\xff" * 6
NEAREST = bytes.fromhex("0180c200000e")
"""Where frames in the tap go: what comes out of it for this address, the far appliance itself has said."""
_MAGIC = b"CWLG"
_FORMAT = struct.Struct(f"!6s6sH4sBx{NUMBER_OCTETS}sI")
_SHORTEST = 60
"""Octets of an Ethernet frame without its check sequence (IEEE 802.3, 4.4.2)."""


class Kind(enum.IntEnum):
    """What a frame says."""

    PROBE = 1
    """Sent into the segment; must not arrive anywhere else."""
    HELLO = 2
    """The number that our probes carry."""
    ECHO = 3
    REPLY = 4
    HOST = 5
    """Nothing but its source address: that of a host behind us."""


_KINDS = frozenset(Kind)


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame, without its addresses."""

    kind: Kind
    number: bytes = bytes(NUMBER_OCTETS)
    sequence: int = 0


def build(frame: Frame, source: bytes) -> bytes:
    """The frame as it is sent from this MAC address."""
    to = _EVERYONE if frame.kind is Kind.PROBE else NEAREST
    data = _FORMAT.pack(to, source, ETHERTYPE, _MAGIC, frame.kind, frame.number, frame.sequence)
    return data.ljust(_SHORTEST, b"\0")


def parse(data: bytes) -> Frame | None:
    """What a frame says; None when it is none of ours."""
    if len(data) < _FORMAT.size:
        return None
    _, _, ethertype, magic, kind, number, sequence = _FORMAT.unpack_from(data)
    if (ethertype, magic) != (ETHERTYPE, _MAGIC) or kind not in _KINDS:
        return None
    return Frame(Kind(kind), number, sequence)
