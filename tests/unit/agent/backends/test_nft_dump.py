"""Answers of nftables, read."""

from __future__ import annotations

import pytest

from causeway_agent.backends.filter import nfnetlink, nft_dump


def test_a_nested_attribute_is_known_by_its_kind_alone() -> None:
    nested = nfnetlink.nested(3, nfnetlink.text(1, "causeway") + nfnetlink.attribute(2, b"\0\0\1\0"))
    inner = nft_dump.parse(nft_dump.parse(nested)[3])
    assert nft_dump.name(inner[1]) == "causeway"
    assert nft_dump.number(inner[2]) == 256


def test_elements_of_a_table_that_grows_are_read_until_none_comes_twice() -> None:
    """As seen of a set of 2,000 elements right after it was filled: 2,000 came, 1,819 of them different."""
    walks = iter([["a", "b", "a"], ["b", "b", "b"], ["c", "a", "b"], ["never asked"]])
    assert nft_dump.settled(lambda: next(walks), str) == ["c", "a", "b"]


def test_a_set_that_never_settles_is_an_interruption(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nft_dump, "_GROWING", 0.0)
    with pytest.raises(InterruptedError):
        nft_dump.settled(lambda: ["a", "a"], str)
