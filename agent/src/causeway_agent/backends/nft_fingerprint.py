"""A digest of our tables as they are in the kernel: whether somebody changed them since we loaded them.

Chains, rules, sets and the elements of those that a policy fills. Left out is what packets put into sets,
what the table of public rules and the loop guard fill, and counters: none of that makes a policy another one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterator

from causeway_agent.backends import nfnetlink, nft_dump
from causeway_agent.backends.nfnetlink import KeptLink, Nfnetlink
from causeway_agent.errors import BackendError

FAMILIES = (1, 3, 7)
"""inet, arp, bridge (linux/netfilter.h, NFPROTO_*)."""

# linux/netfilter/nf_tables.h
_CHAIN_TABLE, _RULE_TABLE, _SET_TABLE = 1, 1, 1
_CHAIN_USE, _CHAIN_COUNTERS = 6, 8
_SET_NAME, _SET_FLAGS, _SET_HANDLE = 2, 3, 16
_ELEMENTS_TABLE, _ELEMENTS_SET, _ELEMENTS = 1, 2, 3
_ANONYMOUS, _TIMEOUT, _DYNAMIC = 0x1, 0x10, 0x20


def read(link: KeptLink, table: str, *, filled: Container[str]) -> str:
    """The digest of the tables of this name; elements of the sets in `filled` are no part of it.

    Blocks for milliseconds. Raises BackendError.
    """
    digest = hashlib.sha256()
    try:
        with link.use() as sock:
            for family in FAMILIES:
                for part in _table(sock, family, table, filled):
                    digest.update(len(part).to_bytes(4, "big") + part)
    except OSError as error:
        raise BackendError("read the packet filter", error.strerror or str(error)) from error
    return digest.hexdigest()


def _table(sock: Nfnetlink, family: int, table: str, filled: Container[str]) -> Iterator[bytes]:
    chains = nft_dump.dump(sock, nft_dump.GET_CHAINS, family=family)
    yield from (_chain(chain) for chain in chains if _is(nft_dump.parse(chain)[_CHAIN_TABLE], table))
    of_table = nfnetlink.text(_RULE_TABLE, table)
    yield from nft_dump.dump(sock, nft_dump.GET_RULES, family=family, attributes=of_table)
    for entry in _sets(sock, family, table):
        fields = nft_dump.parse(entry)
        # Newer kernels add how many elements there are.
        yield b"".join(nfnetlink.attribute(*field) for field in fields.items() if field[0] <= _SET_HANDLE)
        name = nft_dump.name(fields[_SET_NAME])
        flags = nft_dump.number(fields.get(_SET_FLAGS, b""))
        if name not in filled and not flags & (_ANONYMOUS | _TIMEOUT | _DYNAMIC):
            yield from sorted(_elements(sock, family, table, name))


def _sets(sock: Nfnetlink, family: int, table: str) -> list[bytes]:
    listed = nft_dump.dump(sock, nft_dump.GET_SETS, family=family)
    return [entry for entry in listed if _is(nft_dump.parse(entry)[_SET_TABLE], table)]


def _chain(chain: bytes) -> bytes:
    fields = nft_dump.parse(chain)
    return b"".join(
        nfnetlink.attribute(*field)
        for field in fields.items()
        if field[0] not in {_CHAIN_USE, _CHAIN_COUNTERS}
    )


def _elements(sock: Nfnetlink, family: int, table: str, name: str) -> Iterator[bytes]:
    which = nfnetlink.text(_ELEMENTS_TABLE, table) + nfnetlink.text(_ELEMENTS_SET, name)
    for answer in nft_dump.dump(sock, nft_dump.GET_ELEMENTS, family=family, attributes=which):
        listed = nft_dump.parse(answer).get(_ELEMENTS, b"")
        yield from (bytes(element) for _, element in nfnetlink.attributes(memoryview(listed)))


def _is(data: bytes, table: str) -> bool:
    return nft_dump.name(data) == table
