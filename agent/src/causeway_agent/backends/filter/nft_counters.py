"""Named counters of our tables."""

from __future__ import annotations

from collections.abc import Iterator

from causeway_agent.backends.filter import nfnetlink, nft_dump
from causeway_agent.backends.filter.nfnetlink import KeptLink, Nfnetlink
from causeway_agent.errors import BackendError

# linux/netfilter/nf_tables.h
_TABLE, _NAME, _TYPE, _DATA = 1, 2, 3, 4
_COUNTER = 1
_BYTES, _PACKETS = 1, 2
_EVERY_FAMILY = 0
_KIND = nfnetlink.attribute(_TYPE, _COUNTER.to_bytes(4, "big"))


def read(link: KeptLink, table: str) -> dict[str, tuple[int, int]]:
    """Packets and octets by name of counter, in the tables of this name of all families.

    Raises BackendError.
    """
    try:
        with link.use() as sock:
            return dict(_counters(sock, table))
    except OSError as error:
        raise BackendError("read the packet filter's counters", error.strerror or str(error)) from error


def _counters(sock: Nfnetlink, table: str) -> Iterator[tuple[str, tuple[int, int]]]:
    for answer in nft_dump.dump(sock, nft_dump.GET_OBJECTS, family=_EVERY_FAMILY, attributes=_KIND):
        found = nft_dump.parse(answer)
        if nft_dump.name(found[_TABLE]) == table and nft_dump.number(found[_TYPE]) == _COUNTER:
            figures = nft_dump.parse(found[_DATA])
            values = (nft_dump.number(figures[_PACKETS]), nft_dump.number(figures[_BYTES]))
            yield nft_dump.name(found[_NAME]), values
