"""Attributes of nfnetlink messages: made, told apart, and read back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from causeway_agent.backends import nft_dump

FIELDS = st.lists(st.tuples(st.integers(1, 200), st.binary(max_size=40)), max_size=8)


@given(FIELDS)
def test_attributes_are_read_as_they_were_made(fields: list[tuple[int, bytes]]) -> None:
    made = b"".join(nft_dump.attribute(kind, value) for kind, value in fields)
    assert len(made) % 4 == 0
    assert list(nft_dump.entries(made)) == fields


def test_a_nested_attribute_is_known_by_its_kind_alone() -> None:
    nested = nft_dump.attribute(0x8000 | 3, nft_dump.text(1, "causeway"))
    inner = nft_dump.parse(nested)[3]
    assert nft_dump.name(nft_dump.parse(inner)[1]) == "causeway"


def test_a_garbled_length_ends_the_reading() -> None:
    assert len(list(nft_dump.entries(b"\0\0\1\0" * 3))) == 3


def test_numbers_are_big_endian() -> None:
    assert nft_dump.number(b"\0\0\1\0") == 256
