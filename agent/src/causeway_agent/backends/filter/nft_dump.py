"""What nftables holds, asked for over nfnetlink (linux/netfilter/nf_tables.h), piece by piece.

Not through libnftables: whatever it is asked to list, it first fetches every element of every set, which
takes seconds and 200 MB once there are 100,000 public rules.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from causeway_agent.backends.filter import nfnetlink
from causeway_agent.backends.filter.nfnetlink import Nfnetlink

GET_TABLES, GET_CHAINS, GET_RULES, GET_SETS, GET_ELEMENTS, GET_OBJECTS = 1, 4, 7, 10, 13, 19
"""NFT_MSG_GET*."""

_ELEMENTS_TABLE, _ELEMENTS_SET, _ELEMENTS = 1, 2, 3
_NFT = 10 << 8
_ATTEMPTS = 20
_WALKS, _GROWING = 100, 0.005
"""How often elements are read before they are given up, and seconds in between."""

_Element = TypeVar("_Element")


def dump(sock: Nfnetlink, kind: int, *, family: int, attributes: bytes = b"") -> list[bytes]:
    """The attributes of every answer. Raises OSError: the kernel's, or EINTR when rules keep changing."""
    for _ in range(_ATTEMPTS):
        with contextlib.suppress(InterruptedError):
            answers = sock.dump(_NFT | kind, nfnetlink.generic(family) + attributes, whole=True)
            return [bytes(answer) for answer in answers]
    raise InterruptedError(errno.EINTR, os.strerror(errno.EINTR))


def settled(walk: Callable[[], list[_Element]], key: Callable[[_Element], object]) -> list[_Element]:
    """The elements of a set, read again where one came twice.

    A set that was just filled is a hash table that still grows, for milliseconds. A dump walks it in pieces,
    and each may find another order than the one before (net/netfilter/nft_set_hash.c, nft_rhash_walk): some
    elements come twice then, and others not at all. Raises OSError: that of `walk`, or EINTR.
    """
    for _ in range(_WALKS):
        elements = walk()
        if len(set(map(key, elements))) == len(elements):
            return elements
        time.sleep(_GROWING)
    raise InterruptedError(errno.EINTR, os.strerror(errno.EINTR))


def elements(sock: Nfnetlink, name: str, *, table: str, family: int) -> list[bytes]:
    """The attributes of every element of a set, as one walk finds them (`settled`). Raises OSError."""
    which = nfnetlink.text(_ELEMENTS_TABLE, table) + nfnetlink.text(_ELEMENTS_SET, name)
    answers = dump(sock, GET_ELEMENTS, family=family, attributes=which)
    listed = (parse(answer).get(_ELEMENTS, b"") for answer in answers)
    return [bytes(each) for one in listed for _, each in nfnetlink.attributes(memoryview(one))]


def parse(data: bytes) -> Mapping[int, bytes]:
    """Attributes by kind."""
    return {kind: bytes(value) for kind, value in nfnetlink.attributes(memoryview(data))}


def name(data: bytes) -> str:
    """The name that an attribute holds."""
    return data.rstrip(b"\0").decode()


def number(data: bytes) -> int:
    """The number that an attribute holds."""
    return int.from_bytes(data, "big")
