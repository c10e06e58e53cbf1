"""Frames as they are on a wire: both directions of a device, with the 802.1Q tag that the kernel takes off.

An AF_PACKET socket (packet(7)). On the fabric's end of an adapter's cable, what does not leave is what the
machine behind it sent.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from causeway_lab.world import namespaces

_ETH_P_ALL = 0x0003
# linux/if_packet.h: the kernel takes a tag off before a frame is seen, and tells it beside
_SOL_PACKET, _PACKET_AUXDATA, _STATUS_VLAN_VALID = 263, 8, 0x10
_LONGEST = 2048


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame without its tag; that is beside it."""

    octets: bytes
    tag: int | None
    leaving: bool
    """Whether this end sent it."""


@contextlib.contextmanager
def listening(place: str, device: str) -> Iterator[socket.socket]:
    """A socket that hears a device of the namespace from now on, and can send there."""
    protocol = socket.htons(_ETH_P_ALL)
    with namespaces.open_socket(place, socket.AF_PACKET, socket.SOCK_RAW, protocol) as adapter:
        adapter.setsockopt(_SOL_PACKET, _PACKET_AUXDATA, 1)
        adapter.bind((device, 0))
        yield adapter


def heard(adapter: socket.socket) -> list[Frame]:
    """What came since the last call."""
    found = []
    with contextlib.suppress(BlockingIOError):
        while True:
            octets, auxiliary, _, address = adapter.recvmsg(_LONGEST, 64)
            found.append(Frame(octets, _tag(auxiliary), address[2] == socket.PACKET_OUTGOING))
    return found


def _tag(auxiliary: Sequence[tuple[int, int, bytes]]) -> int | None:
    """From struct tpacket_auxdata: status first, the tag's control information at octet 16."""
    for level, kind, data in auxiliary:
        if (level, kind) == (_SOL_PACKET, _PACKET_AUXDATA):
            status, control = struct.unpack_from("=I12xH", data)
            return control & 0xFFF if status & _STATUS_VLAN_VALID else None
    return None
