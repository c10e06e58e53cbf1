"""Named counters of our tables, read over nfnetlink (linux/netfilter/nf_tables.h).

Not through libnftables: asked for counters it fetches every element of every set first, which takes seconds
once there are 100,000 public rules.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator

from causeway_agent.errors import BackendError

SECONDS = 2.0
"""Longest time for the kernel's answer."""

_NETFILTER = 12
_NFT = 10 << 8
_NEW_OBJECT, _GET_OBJECT = _NFT | 18, _NFT | 19
_REQUEST, _DUMP = 0x1, 0x300
_ERROR, _DONE = 2, 3
_TABLE, _NAME, _TYPE, _DATA = 1, 2, 3, 4
_COUNTER = 1
_BYTES, _PACKETS = 1, 2
_TYPE_MASK = 0x3FFF
_HEADER = struct.Struct("IHHII")
_GENERIC = struct.Struct("!BBH")
_ATTRIBUTE = struct.Struct("HH")
_EVERY_FAMILY = 0
_BUFFER = 1 << 16
_WHAT = "read the packet filter's counters"


def read(table: str) -> dict[str, tuple[int, int]]:
    """Packets and octets by name of counter, in the tables of this name of all families.

    Raises BackendError.
    """
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETFILTER) as sock:
            sock.settimeout(SECONDS)
            sock.sendto(_request(), (0, 0))
            return dict(_answers(sock, table))
    except OSError as error:
        raise BackendError(_WHAT, error.strerror or str(error)) from error


def _request() -> bytes:
    body = _GENERIC.pack(_EVERY_FAMILY, 0, 0)
    body += _ATTRIBUTE.pack(_ATTRIBUTE.size + 4, _TYPE) + struct.pack("!I", _COUNTER)
    return _HEADER.pack(_HEADER.size + len(body), _GET_OBJECT, _REQUEST | _DUMP, 1, 0) + body


def _answers(sock: socket.socket, table: str) -> Iterator[tuple[str, tuple[int, int]]]:
    while True:
        for kind, body in _messages(sock.recv(_BUFFER)):
            if kind == _DONE:
                return
            if kind == _ERROR:
                code = -int(struct.unpack_from("i", body)[0])
                raise OSError(code, os.strerror(code))
            found = dict(_attributes(body[_GENERIC.size :])) if kind == _NEW_OBJECT else {}
            if found.get(_TABLE) == table.encode() + b"\0" and _number(found[_TYPE]) == _COUNTER:
                figures = dict(_attributes(found[_DATA]))
                name = found[_NAME].rstrip(b"\0").decode()
                yield name, (_number(figures[_PACKETS]), _number(figures[_BYTES]))


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= _HEADER.size:
        length, kind, _, _, _ = _HEADER.unpack_from(data)
        yield kind, data[_HEADER.size : length]
        data = data[_aligned(length) :]


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        yield kind & _TYPE_MASK, data[_ATTRIBUTE.size : length]
        data = data[_aligned(length) :]


def _aligned(length: int) -> int:
    return max(length + 3 & ~3, 4)


def _number(data: bytes) -> int:
    return int.from_bytes(data, "big")
