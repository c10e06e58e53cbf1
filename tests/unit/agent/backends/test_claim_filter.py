"""The ranges that a socket filter looks for."""

from __future__ import annotations

from ipaddress import IPv4Address

from hypothesis import given
from hypothesis import strategies as st

from causeway_agent.backends.segment import claim_filter

ADDRESSES = st.lists(st.integers(1, 2**32 - 1).map(IPv4Address), max_size=200)


@given(ADDRESSES, st.integers(1, 70))
def test_every_address_is_in_one_of_few_ranges(addresses: list[IPv4Address], most: int) -> None:
    found = claim_filter.ranges(addresses, most=most)
    assert len(found) <= most
    assert all(any(first <= int(address) <= last for first, last in found) for address in addresses)
    if len(set(addresses)) <= most:
        assert sum(last - first + 1 for first, last in found) == len(set(addresses))


@given(ADDRESSES)
def test_programs_stay_short_enough_for_their_jumps(addresses: list[IPv4Address]) -> None:
    assert len(claim_filter.claims4(addresses)) < 150
    assert len(claim_filter.claims6(addresses)) < 150
