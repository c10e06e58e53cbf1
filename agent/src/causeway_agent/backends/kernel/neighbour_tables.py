"""The kernel's tables of neighbours: how full they are, and more room in them.

One table per family serves all network namespaces of a machine (net/core/neighbour.c), so that its limits are
settings of the machine, which a namespace without privilege does not even see. When it is full the kernel
drops packets to everybody whom it does not know yet, without a word: it only counts (rtnetlink(7)).
"""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from causeway_agent import errors
from causeway_agent.engine.ports import NeighbourTable

ROOM: Final = {"gc_thresh1": 4096, "gc_thresh2": 12288, "gc_thresh3": 16384}
"""As the image sets them: below the first nothing is cleaned up, above the last nobody new is taken in."""
_SETTINGS: Final = "/proc/sys/net/ipv{version}/neigh/default/{name}"

# linux/netlink.h, linux/rtnetlink.h, linux/neighbour.h
_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_NEW_TABLE, _GET_TABLE, _DONE, _ERROR = 64, 66, 3, 2
_REQUEST_DUMP = 0x1 | 0x300
_THIRD_THRESHOLD, _CONFIGURATION, _STATISTICS = 4, 5, 7
_ENTRIES_AT = 4
_FULL_AT = 10 * 8
"""Offsets in `struct ndt_config` and `struct ndt_stats`."""
_READ = 65536
_VERSIONS: Final[Mapping[int, int]] = {socket.AF_INET: 4, socket.AF_INET6: 6}


def read() -> tuple[NeighbourTable, ...]:
    """Both tables; raises BackendError."""
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as sock:
            sock.settimeout(1)
            request = struct.pack("B3x", socket.AF_UNSPEC)
            length = _HEADER.size + len(request)
            sock.send(_HEADER.pack(length, _GET_TABLE, _REQUEST_DUMP, 1, 0) + request)
            found = {table.version: table for table in _tables(sock)}
    except OSError as error:
        reason = error.strerror or str(error)
        raise errors.BackendError("read the tables of neighbours", reason) from error
    return tuple(found[version] for version in sorted(found))


def make_room() -> None:
    """Raise the limits to `ROOM` where this process may and they are lower; elsewhere they stay."""
    for version in _VERSIONS.values():
        for name, wanted in ROOM.items():
            path = Path(_SETTINGS.format(version=version, name=name))
            with contextlib.suppress(OSError, ValueError):
                if int(path.read_text()) < wanted:
                    path.write_text(str(wanted))


def _tables(sock: socket.socket) -> Iterator[NeighbourTable]:
    while True:
        data = sock.recv(_READ)
        offset = 0
        while offset + _HEADER.size <= len(data):
            length, kind, *_ = _HEADER.unpack_from(data, offset)
            if kind in {_DONE, _ERROR}:
                return
            yield from _table(data[offset + _HEADER.size : offset + length])
            offset += (length + 3) & ~3


def _table(message: bytes) -> Iterator[NeighbourTable]:
    """The table, unless the message is about the settings of one device."""
    version = _VERSIONS.get(message[0])
    fields = dict(_attributes(message[4:]))
    if version is None or not fields.keys() >= {_THIRD_THRESHOLD, _CONFIGURATION, _STATISTICS}:
        return
    (limit,) = struct.unpack_from("=I", fields[_THIRD_THRESHOLD])
    (entries,) = struct.unpack_from("=I", fields[_CONFIGURATION], _ENTRIES_AT)
    (refused,) = struct.unpack_from("=Q", fields[_STATISTICS], _FULL_AT)
    yield NeighbourTable(version, entries, limit, refused)


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    offset = 0
    while offset + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if length < _ATTRIBUTE.size:
            return
        yield kind & 0x3FFF, data[offset + _ATTRIBUTE.size : offset + length]
        offset += (length + 3) & ~3
