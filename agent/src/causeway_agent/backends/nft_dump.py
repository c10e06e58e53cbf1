"""What nftables holds, asked for over nfnetlink (linux/netfilter/nf_tables.h), piece by piece.

Not through libnftables: whatever it is asked to list, it first fetches every element of every set, which
takes seconds and 200 MB once there are 100,000 public rules.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Self

SECONDS = 2.0
"""Longest time for each of the kernel's answers."""

# linux/netfilter/nfnetlink.h: NFNL_SUBSYS_NFTABLES; linux/netlink.h
_NETFILTER = 12
_NFT = 10 << 8
_REQUEST, _DUMP, _INTERRUPTED = 0x1, 0x300, 0x10
_ERROR, _DONE = 2, 3
_TYPE_MASK = 0x3FFF
_HEADER = struct.Struct("=IHHII")
_GENERIC = struct.Struct("!BBH")
_ATTRIBUTE = struct.Struct("=HH")
_BUFFER = 1 << 17
_ATTEMPTS = 20

GET_CHAINS, GET_RULES, GET_SETS, GET_ELEMENTS, GET_OBJECTS = 4, 7, 10, 13, 19
"""NFT_MSG_GET*."""


class Dumps:
    """A socket for dumps, one after the other. Blocking: the kernel answers while it is asked."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETFILTER)
        self._socket.settimeout(SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def dump(self, kind: int, *, family: int, attributes: bytes = b"") -> list[bytes]:
        """The attributes of every answer. Raises OSError: of the kernel, or when rules keep changing."""
        for _ in range(_ATTEMPTS):
            answers = self._once(kind, family, attributes)
            if answers is not None:
                return answers
        raise TimeoutError("the packet filter kept changing while it was read")

    def _once(self, kind: int, family: int, attributes: bytes) -> list[bytes] | None:
        """None when something changed meanwhile."""
        body = _GENERIC.pack(family, 0, 0) + attributes
        flags = _REQUEST | _DUMP
        self._socket.sendto(_HEADER.pack(_HEADER.size + len(body), _NFT | kind, flags, 0, 0) + body, (0, 0))
        answers: list[bytes] = []
        whole = True
        while True:
            for answer, marks, payload in _messages(self._socket.recv(_BUFFER)):
                whole = whole and not marks & _INTERRUPTED
                if answer == _DONE:
                    return answers if whole else None
                if answer == _ERROR:
                    code = -int(struct.unpack_from("=i", payload)[0])
                    raise OSError(code, os.strerror(code))
                answers.append(payload[_GENERIC.size :])


def attribute(kind: int, value: bytes) -> bytes:
    """One attribute, padded."""
    length = _ATTRIBUTE.size + len(value)
    return _ATTRIBUTE.pack(length, kind) + value + b"\0" * (_aligned(length) - length)


def text(kind: int, value: str) -> bytes:
    """One attribute that holds a name."""
    return attribute(kind, value.encode() + b"\0")


def parse(data: bytes) -> Mapping[int, bytes]:
    """Attributes by kind."""
    return dict(entries(data))


def entries(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Attributes in order; a list has many of one kind."""
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        yield kind & _TYPE_MASK, data[_ATTRIBUTE.size : length]
        data = data[_aligned(length) :]


def name(data: bytes) -> str:
    """The name that an attribute holds."""
    return data.rstrip(b"\0").decode()


def number(data: bytes) -> int:
    """The number that an attribute holds."""
    return int.from_bytes(data, "big")


def _messages(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    while len(data) >= _HEADER.size:
        length, kind, flags, _, _ = _HEADER.unpack_from(data)
        yield kind, flags, data[_HEADER.size : length]
        data = data[_aligned(length) :]


def _aligned(length: int) -> int:
    return max(length + 3 & ~3, 4)
