"""Packets of one device as the kernel sees them come and go (packet(7)), read by a capture process.

The socket gets its filter before it is bound: no packet slips in unasked. The kernel counts what it had to
drop because nobody read in time.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from causeway_agent.errors import BackendError
from causeway_agent.plan.capture import program as capture_filter
from causeway_agent.plan.capture.program import LinkLayer, Wanted

BUFFER_BYTES = 4 * 1024 * 1024
"""The kernel's queue for packets not read yet."""
RESERVE_BYTES = 32 * 1024 * 1024
"""Room on the disk that a capture leaves free."""

# linux/if_packet.h, linux/if_ether.h, linux/if_arp.h, asm-generic/socket.h
_SOL_PACKET = 263
_STATISTICS = 6
_AUXILIARY = 8
_EVERY_PROTOCOL = 3
_OUTGOING = 4
_VLAN_VALID, _VLAN_KIND_VALID = 0x10, 0x40
_ATTACH_FILTER = 26
_TIMESTAMP_NS = 35
_RECEIVE_BUFFER_FORCE = 33
_ETHERNET_KINDS = frozenset({1, 772})
_RAW_KINDS = frozenset({519, 65534})

_AUXILIARY_DATA = struct.Struct("IIIHHHH")
"""struct tpacket_auxdata: status, length, kept, two offsets, tag, tag's ethertype."""
_TIME = struct.Struct("qq")
_MAC_PAIR = 12
_TAG_KIND = 0x8100


@dataclass(frozen=True, slots=True)
class Packet:
    """A packet, its length on the line in octets, when (nanoseconds since 1970) and which way."""

    data: bytes
    length: int
    time: int
    outgoing: bool


class CaptureSocket:
    """Made by `opened`."""

    def __init__(self, sock: socket.socket, link: LinkLayer) -> None:
        self._socket = sock
        self.link = link
        self._dropped = 0

    def next(self, seconds: float) -> Packet | None:
        """The next packet, or None when none came within the time. Raises BackendError."""
        ready, _, _ = select.select([self._socket], [], [], max(seconds, 0))
        if not ready:
            return None
        try:
            data, control, _, origin = self._socket.recvmsg(capture_filter.WHOLE, 256, socket.MSG_TRUNC)
        except OSError as error:
            raise BackendError("read packets", error.strerror or str(error)) from error
        notes = {(level, kind): value for level, kind, value in control}
        seconds_, nanoseconds = _TIME.unpack_from(notes[socket.SOL_SOCKET, _TIMESTAMP_NS])
        status, length, _, _, _, tag, kind = _AUXILIARY_DATA.unpack_from(notes[_SOL_PACKET, _AUXILIARY])
        if status & _VLAN_VALID:  # the kernel took the tag out; a file wants it back
            kind = kind if status & _VLAN_KIND_VALID else _TAG_KIND
            data = data[:_MAC_PAIR] + struct.pack("!HH", kind, tag) + data[_MAC_PAIR:]
            length += 4
        return Packet(data, length, seconds_ * 10**9 + nanoseconds, origin[2] == _OUTGOING)

    def dropped(self) -> int:
        """Packets the kernel could not hand over since the start: they came faster than they were read."""
        _, dropped = struct.unpack("II", self._socket.getsockopt(_SOL_PACKET, _STATISTICS, 8))
        self._dropped += dropped  # asking resets the kernel's figure
        return self._dropped


@contextlib.contextmanager
def opened(device: str, wanted: Wanted) -> Iterator[CaptureSocket]:
    """The packets wanted that pass the device from now on. Raises BackendError."""
    what = f"capture on {device}"
    try:
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    except OSError as error:
        raise BackendError(what, error.strerror or str(error)) from error
    with sock:
        try:
            link = _link(device)
            _prepare(sock, wanted, link)
            sock.bind((device, _EVERY_PROTOCOL))
        except OSError as error:
            raise BackendError(what, error.strerror or str(error)) from error
        if link is None:
            raise BackendError(what, "its packets begin neither with Ethernet nor with IP")
        yield CaptureSocket(sock, link)


def output(name: str, *, octets: int) -> BinaryIO:
    """A new file that only its owner reads (packets are other people's data), or standard output for `-`.

    Raises BackendError when the name is taken or the disk would not keep room for the agent's own journal.
    """
    what = f"write {name}"
    try:
        if name == "-":
            return os.fdopen(os.dup(1), "wb", buffering=0)
        room = os.statvfs(Path(name).parent)
        if room.f_bavail * room.f_frsize < octets + RESERVE_BYTES:
            raise BackendError(what, "the disk has too little room; take fewer --bytes or write to -")
        return os.fdopen(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb")
    except OSError as error:
        raise BackendError(what, error.strerror or str(error)) from error


def _link(device: str) -> LinkLayer | None:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as probe:
        probe.bind((device, 0))
        kind = probe.getsockname()[3]
    if kind in _ETHERNET_KINDS:
        return LinkLayer.ETHERNET
    return LinkLayer.RAW if kind in _RAW_KINDS else None


def _prepare(sock: socket.socket, wanted: Wanted, link: LinkLayer | None) -> None:
    program = capture_filter.program(wanted, link) if link is not None else ()
    if program:
        code = ctypes.create_string_buffer(capture_filter.encoded(program))
        pointer = struct.pack("HP", len(program), ctypes.addressof(code))
        sock.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, pointer)
    sock.setsockopt(_SOL_PACKET, _AUXILIARY, 1)
    sock.setsockopt(socket.SOL_SOCKET, _TIMESTAMP_NS, 1)
    try:
        sock.setsockopt(socket.SOL_SOCKET, _RECEIVE_BUFFER_FORCE, BUFFER_BYTES)
    except PermissionError:  # needs CAP_NET_ADMIN of the first user namespace
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
