"""Answers of nftables, read."""

from __future__ import annotations

from causeway_agent.backends import nfnetlink, nft_dump


def test_a_nested_attribute_is_known_by_its_kind_alone() -> None:
    nested = nfnetlink.nested(3, nfnetlink.text(1, "causeway") + nfnetlink.attribute(2, b"\0\0\1\0"))
    inner = nft_dump.parse(nft_dump.parse(nested)[3])
    assert nft_dump.name(inner[1]) == "causeway"
    assert nft_dump.number(inner[2]) == 256
