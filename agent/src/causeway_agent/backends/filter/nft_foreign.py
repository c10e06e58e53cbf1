"""Tables of others in nftables: what they drop or translate is lost to ours, what they accept is not.

Told and left alone: somebody who watches an appliance with a table of his own is welcome.
"""

from __future__ import annotations

from collections.abc import Container, Iterator

from causeway_agent.backends.filter import nft_dump
from causeway_agent.backends.filter.nfnetlink import KeptLink, Nfnetlink
from causeway_agent.backends.filter.nft_fingerprint import FAMILIES
from causeway_agent.errors import BackendError

_NAMES = {1: "inet", 2: "ip", 3: "arp", 5: "netdev", 7: "bridge", 10: "ip6"}
"""linux/netfilter.h: NFPROTO_*."""
_CHAIN_TABLE, _CHAIN_HOOK = 1, 4
"""linux/netfilter/nf_tables.h: NFTA_CHAIN_*."""


def read(link: KeptLink, ours: Container[str]) -> frozenset[str]:
    """Tables that are not ours and have a chain that sees packets, in words.

    Blocks for a millisecond. Raises BackendError.
    """
    try:
        with link.use() as sock:
            return frozenset(
                f"nftables table {kind} {table}"
                for family, kind in _NAMES.items()
                for table in _seeing(sock, family)
                if family not in FAMILIES or table not in ours
            )
    except OSError as error:
        raise BackendError("list the tables of others", error.strerror or str(error)) from error


def _seeing(sock: Nfnetlink, family: int) -> Iterator[str]:
    """Tables of the family with a chain that the kernel shows packets."""
    for entry in nft_dump.dump(sock, nft_dump.GET_CHAINS, family=family):
        fields = nft_dump.parse(entry)
        if _CHAIN_HOOK in fields:
            yield nft_dump.name(fields[_CHAIN_TABLE])
