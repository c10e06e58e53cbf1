"""Digests of nftables tables by what they mean: equal for the same rules, whatever made them.

Tables, chains, rules, sets and the elements of those that a policy fills. Left out is what tells nothing of
the rules (handles, numbers of anonymous sets, the order in which chains and sets were made, the table's own
name), and what packets put into sets, what public rules and the loop guard fill, and counters: none of that
makes a policy another one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Container, Iterable, Iterator, Mapping

from causeway_agent.backends.filter import nfnetlink, nft_dump
from causeway_agent.backends.filter.nfnetlink import KeptLink, Nfnetlink
from causeway_agent.errors import BackendError

FAMILIES = (1, 3, 7)
"""inet, arp, bridge (linux/netfilter.h, NFPROTO_*)."""

# linux/netfilter/nf_tables.h
_TABLE_NAME, _TABLE_FLAGS = 1, 2
_DORMANT = 0x1
_CHAIN_TABLE, _CHAIN_NAME = 1, 3
_CHAIN_TOLD = (3, 4, 5, 7, 10, 12)
"""Name, hook, policy, type, flags, user data."""
_RULE_TABLE, _RULE_CHAIN, _RULE_EXPRESSIONS, _RULE_USERDATA = 1, 2, 4, 7
_SET_TABLE, _SET_NAME, _SET_FLAGS = 1, 2, 3
_SET_TOLD = (3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 15)
"""Flags, types, lengths, policy, description, times, user data, object type."""
_EXPRESSION_NAME, _EXPRESSION_DATA = 1, 2
_LOOKUP_SET = 1
_ANONYMOUS, _TIMEOUT, _DYNAMIC = 0x1, 0x10, 0x20

_Fields = Mapping[int, bytes]
_Anonymous = Mapping[str, bytes]
"""What an anonymous set holds, by the name that the kernel gave it."""


Digests = Mapping[str, bytes]
"""Of every table, set and chain, by family, kind and name: `1 set guarded`. What a set holds has a digest of
its own, `1 elements guarded`: the sum of those of its elements, so that what one more or one less makes of it
can be reckoned.
"""
_MODULUS = 1 << 256


def read(link: KeptLink, table: str, *, filled: Container[str]) -> Digests:
    """Digests of the tables of this name; elements of the sets in `filled` are no part of them. Empty when
    there are none, or they go while they are read.

    Blocks for milliseconds. Raises BackendError.
    """
    try:
        with link.use() as sock:
            return {
                f"{family} {what}": digest
                for family in FAMILIES
                for what, digest in _table(sock, family, table, filled)
            }
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise BackendError("read the packet filter", error.strerror or str(error)) from error


def added(one: bytes, other: bytes) -> bytes:
    """The digest of what two sets hold together that have no element in common."""
    return _octets(int.from_bytes(one, "big") + int.from_bytes(other, "big"))


def removed(whole: bytes, part: bytes) -> bytes:
    """The digest of what is left of a set."""
    return _octets(int.from_bytes(whole, "big") - int.from_bytes(part, "big"))


def _sum(elements: Iterable[bytes]) -> bytes:
    return _octets(sum(int.from_bytes(hashlib.sha256(each).digest(), "big") for each in elements))


def _octets(number: int) -> bytes:
    return (number % _MODULUS).to_bytes(32, "big")


def _digest(parts: Iterable[bytes]) -> bytes:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(4, "big") + part)
    return digest.digest()


def _table(sock: Nfnetlink, family: int, table: str, filled: Container[str]) -> Iterator[tuple[str, bytes]]:
    yield from (("table", b"") for _ in _tables(sock, family, table))
    sets, anonymous = _sets(sock, family, table, filled)
    yield from sets.items()
    of_table = nfnetlink.text(_RULE_TABLE, table)
    rules: dict[str, list[bytes]] = {}
    for entry in nft_dump.dump(sock, nft_dump.GET_RULES, family=family, attributes=of_table):
        fields = nft_dump.parse(entry)
        rules.setdefault(nft_dump.name(fields[_RULE_CHAIN]), []).append(_rule(fields, anonymous))
    chains = nft_dump.dump(sock, nft_dump.GET_CHAINS, family=family)
    for fields in _of(table, chains, _CHAIN_TABLE, _CHAIN_NAME):
        name = nft_dump.name(fields[_CHAIN_NAME])
        yield f"chain {name}", _digest((_told(fields, _CHAIN_TOLD), *rules.get(name, ())))


def is_dormant(link: KeptLink, table: str) -> bool:
    """Whether a table of this name was put to sleep: it is there, and no packet sees it.

    No part of the digest, because the tables it is compared with sleep always. Raises BackendError.
    """
    try:
        with link.use() as sock:
            return any(
                nft_dump.number(fields.get(_TABLE_FLAGS, b"")) & _DORMANT
                for family in FAMILIES
                for fields in _tables(sock, family, table)
            )
    except OSError as error:
        raise BackendError("read the packet filter", error.strerror or str(error)) from error


def _tables(sock: Nfnetlink, family: int, table: str) -> list[_Fields]:
    return _of(table, nft_dump.dump(sock, nft_dump.GET_TABLES, family=family), _TABLE_NAME, _TABLE_NAME)


def _sets(
    sock: Nfnetlink, family: int, table: str, filled: Container[str]
) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Digests of named sets and of their elements, and of the anonymous sets, which are parts of rules."""
    named: dict[str, bytes] = {}
    anonymous: dict[str, bytes] = {}
    of_table = nfnetlink.text(_SET_TABLE, table)
    listed = nft_dump.dump(sock, nft_dump.GET_SETS, family=family, attributes=of_table)
    for fields in _of(table, listed, _SET_TABLE, _SET_NAME):
        name, flags = nft_dump.name(fields[_SET_NAME]), nft_dump.number(fields.get(_SET_FLAGS, b""))
        told = _told(fields, _SET_TOLD)
        ours = name not in filled and not flags & (_TIMEOUT | _DYNAMIC)
        elements = _elements(sock, family, table, name) if ours else []
        if flags & _ANONYMOUS:
            anonymous[name] = _digest((told, _sum(elements)))
        else:
            named[f"set {name}"], named[f"elements {name}"] = _digest((told,)), _sum(elements)
    return named, anonymous


def _elements(sock: Nfnetlink, family: int, table: str, name: str) -> list[bytes]:
    """The elements of a set. Raises OSError."""
    return nft_dump.settled(lambda: nft_dump.elements(sock, name, table=table, family=family), bytes)


def _rule(fields: _Fields, anonymous: _Anonymous) -> bytes:
    expressions = memoryview(fields.get(_RULE_EXPRESSIONS, b""))
    parts = [_expression(bytes(each), anonymous) for _, each in nfnetlink.attributes(expressions)]
    return b"".join([*parts, fields.get(_RULE_USERDATA, b"")])


def _expression(data: bytes, anonymous: _Anonymous) -> bytes:
    """An expression; where it looks into an anonymous set, with what that holds instead of its name."""
    fields = nft_dump.parse(data)
    if nft_dump.name(fields[_EXPRESSION_NAME]) != "lookup":
        return data
    lookup = nft_dump.parse(fields[_EXPRESSION_DATA])
    content = anonymous.get(nft_dump.name(lookup[_LOOKUP_SET]))
    if content is None:
        return data
    return b"lookup" + _told({**lookup, _LOOKUP_SET: content}, sorted(lookup))


def _of(table: str, entries: list[bytes], of: int, key: int) -> list[_Fields]:
    """Those that belong to the table, by name."""
    parsed = (nft_dump.parse(entry) for entry in entries)
    return sorted(
        (fields for fields in parsed if nft_dump.name(fields[of]) == table), key=lambda fields: fields[key]
    )


def _told(fields: _Fields, kinds: Collection[int]) -> bytes:
    return b"".join(nfnetlink.attribute(kind, fields[kind]) for kind in kinds if kind in fields)
