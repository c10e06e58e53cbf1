"""Elements of nftables sets and maps as octets, in bulk (linux/netfilter/nf_tables.h)."""

from __future__ import annotations

import operator
import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from causeway_agent.backends.filter import nfnetlink, nft_dump
from causeway_agent.backends.filter.nfnetlink import Message, Nfnetlink
from causeway_agent.plan.filter import door, public_elements
from causeway_agent.plan.filter.public_elements import Elements, Kind
from causeway_agent.plan.filter.skeleton import TABLE

Counts = tuple[int, int]
"""Packets and octets."""

SETS: Final[Mapping[str, Kind]] = {**public_elements.SETS, **door.ELEMENTS}
"""Every set whose elements are read or changed here."""

_NEW, _GET, _DELETE = (10 << 8 | number for number in (12, 13, 14))
_INET = 1
_TABLE_NAME, _SET_NAME, _LIST = 1, 2, 3
_ELEMENT = 1
_KEY, _DATA, _EXPRESSION, _KEY_END = 1, 2, 7, 10
_VALUE = 1
_EXPRESSION_DATA = 2
_BYTES, _PACKETS = 1, 2
_CHUNK: Final = 60_000
"""Octets of elements in one message: the length of an attribute has 16 bits."""
_COUNTER = b"counter\0"
_COUNTED = "24sQ4sQ"
"""A counter after the key: the headers around its name, octets, a header, packets."""


def change(link: Nfnetlink, delete: Elements, add: Elements) -> int:
    """Delete, then add, in one transaction; raises OSError, then nothing has changed. The number of
    transactions.

    Where the kernel limits the size of a transaction (`Nfnetlink.room`), a larger change takes several, the
    deletions first: in between there is less than before and after, never more.
    """
    messages = [*_messages(_DELETE, 0, delete), *_messages(_NEW, nfnetlink.CREATE, add)]
    size = sum(len(body) + 64 for _, _, body in messages)
    room = link.room(size)
    batch: list[Message] = []
    filled = made = 0
    for message in messages:
        length = len(message[2]) + 64
        if batch and filled + length > room:
            link.transact(batch)
            batch, filled, made = [], 0, made + 1
        batch.append(message)
        filled += length
    link.transact(batch)
    return made + bool(batch)


def read(link: Nfnetlink, name: str) -> dict[bytes, bytes]:
    """Keys and data of all elements of a set; raises OSError (ENOENT: the set or its table is missing)."""
    kind = SETS[name]
    return {key: data for key, data, _ in _dump(link, name, kind)}


def count(link: Nfnetlink, name: str) -> dict[bytes, Counts]:
    """Counters of all elements of a set by key; raises OSError."""
    return {key: counts for key, _, counts in _dump(link, name, SETS[name])}


def count_some(link: Nfnetlink, name: str, keys: Iterable[bytes]) -> dict[bytes, Counts]:
    """Counters of these elements; for sets without intervals. Raises OSError."""
    kind = SETS[name]
    found = {}
    for key in keys:
        listed = b"".join(_encoded(_DELETE, kind, {key: b""}))
        body = _head(name) + nfnetlink.nested(_LIST, listed)
        for answer in link.ask(_GET, body):
            found.update({key: counts for key, _, counts in _listed(answer, kind)})
    return found


def _messages(number: int, flags: int, elements: Elements) -> Iterator[Message]:
    for name, held in elements.items():
        kind, head = SETS[name], _head(name)
        encoded = _encoded(number, kind, held)
        step = max(_CHUNK // (len(encoded[0]) if encoded else 1), 1)
        for start in range(0, len(encoded), step):
            listed = b"".join(encoded[start : start + step])
            yield number, flags, head + nfnetlink.nested(_LIST, listed)


def _head(name: str) -> bytes:
    head = nfnetlink.generic(_INET)
    return head + nfnetlink.text(_TABLE_NAME, TABLE) + nfnetlink.text(_SET_NAME, name)


def _encoded(number: int, kind: Kind, held: Mapping[bytes, bytes]) -> list[bytes]:
    """Every element as attributes. All of one set are alike, so only key and data differ."""
    with_data = number == _NEW and kind.data
    parts = [nfnetlink.nested(_KEY, nfnetlink.attribute(_VALUE, bytes(kind.key)))[: -kind.key]]
    if kind.interval:
        parts.append(nfnetlink.nested(_KEY_END, nfnetlink.attribute(_VALUE, bytes(kind.key)))[: -kind.key])
    if with_data:
        parts.append(nfnetlink.nested(_DATA, nfnetlink.attribute(_VALUE, bytes(kind.data)))[: -kind.data])
    size = sum(map(len, parts)) + kind.key * (2 if kind.interval else 1) + (kind.data if with_data else 0)
    first = nfnetlink.nested(_ELEMENT, bytes(size))[:-size] + parts[0]
    if kind.interval:
        last, octets = parts[1], kind.key
        if with_data:
            middle = parts[2]
            return [first + k[:octets] + last + k[octets:] + middle + data for k, data in held.items()]
        return [first + k[:octets] + last + k[octets:] for k in held]
    if with_data:
        middle = parts[1]
        return [first + k + middle + data for k, data in held.items()]
    return [first + k for k in held]


def _dump(link: Nfnetlink, name: str, kind: Kind) -> list[tuple[bytes, bytes, Counts]]:
    def walk() -> list[tuple[bytes, bytes, Counts]]:
        return [each for answer in link.dump(_GET, _head(name)) for each in _listed(answer, kind)]

    return nft_dump.settled(walk, operator.itemgetter(0))


def _listed(answer: memoryview, kind: Kind) -> Iterable[tuple[bytes, bytes, Counts]]:
    for number, content in nfnetlink.attributes(answer):
        if number == _LIST:
            return _alike(content, kind) or [
                _decoded(each, kind) for _, each in nfnetlink.attributes(content)
            ]
    return ()


def _alike(content: memoryview, kind: Kind) -> list[tuple[bytes, bytes, Counts]]:
    """All elements at once, where they come in the form that kernels write today; else none."""
    if kind.interval:
        return []
    # The kernel does not mark attributes that hold others (NLA_F_NESTED).
    first = nfnetlink.attribute(_KEY, nfnetlink.attribute(_VALUE, bytes(kind.key)))[: -kind.key]
    layout = struct.Struct(f"!4s{len(first)}s{kind.key}s" + (_COUNTED if kind.counted else f"8s{kind.data}s"))
    if len(content) % layout.size:
        return []
    if kind.counted:
        return [
            (key, b"", (packets, octets))
            for _, head, key, name, octets, _, packets in layout.iter_unpack(content)
            if head == first and name[8:16] == _COUNTER
        ]
    return [(key, data, (0, 0)) for _, head, key, _, data in layout.iter_unpack(content) if head == first]


def _decoded(element: memoryview, kind: Kind) -> tuple[bytes, bytes, Counts]:
    key = end = data = b""
    counts = (0, 0)
    for number, content in nfnetlink.attributes(element):
        if number == _KEY:
            key = bytes(content[4 : 4 + kind.key])
        elif number == _KEY_END:
            end = bytes(content[4 : 4 + kind.key])
        elif number == _DATA:
            data = bytes(content[4 : 4 + kind.data])
        elif number == _EXPRESSION:
            counts = _counter(content)
    return key + (end or key) if kind.interval else key, data, counts


def _counter(expression: memoryview) -> Counts:
    for number, content in nfnetlink.attributes(expression):
        if number == _EXPRESSION_DATA:
            figures = dict(nfnetlink.attributes(content))
            return int.from_bytes(figures[_PACKETS], "big"), int.from_bytes(figures[_BYTES], "big")
    return 0, 0
