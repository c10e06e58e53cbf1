"""Addresses that name no host, and prefixes that overlap."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from causeway_wire import address_kinds
from causeway_wire.types import IPNetwork

PREFIXES = st.lists(
    st.builds(
        lambda number, length: IPv4Network((number >> (32 - length) << (32 - length), length)),
        st.integers(0, 2**32 - 1).map(lambda number: number & 0xE8000038),
        st.sampled_from([4, 5, 8, 26, 29, 32]),
    )
    | st.builds(lambda length: IPv6Network((0, length)), st.integers(0, 128)),
    max_size=12,
)
"""Few different bits, so that many nest."""


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("0.0.0.0", "unspecified"),
        ("0.1.2.3", "unspecified"),
        ("127.0.0.1", "loopback"),
        ("169.254.1.1", "link-local"),
        ("224.0.0.1", "multicast"),
        ("239.255.255.255", "multicast"),
        ("240.0.0.1", "reserved"),
        ("255.255.255.255", "reserved"),
        ("::", "unspecified"),
        ("::1", "loopback"),
        ("::7f00:1", "reserved"),
        ("64:ff9b::1", "reserved"),
        ("fe80::1", "link-local"),
        ("ff02::1", "multicast"),
        ("1.0.0.0", None),
        ("100.64.0.1", None),
        ("192.168.0.1", None),
        ("223.255.255.255", None),
        ("2001:db8::1", None),
        ("fd00::1", None),
    ],
)
def test_what_is_nobodys_address(address: str, why: str | None) -> None:
    assert address_kinds.special(ip_address(address)) == why


@pytest.mark.parametrize(
    ("prefix", "address", "whole"),
    [
        ("192.0.2.0/24", "192.0.2.0", True),
        ("192.0.2.0/24", "192.0.2.255", True),
        ("192.0.2.0/24", "192.0.2.1", False),
        ("192.0.2.0/24", "198.51.100.0", False),
        ("192.0.2.0/31", "192.0.2.0", False),
        ("192.0.2.1/32", "192.0.2.1", False),
        ("2001:db8::/64", "2001:db8::", True),
        ("2001:db8::/64", "2001:db8::ffff:ffff:ffff:ffff", False),
        ("2001:db8::/127", "2001:db8::", False),
        ("2001:db8::/64", "192.0.2.0", False),
    ],
)
def test_what_stands_for_a_network_as_a_whole(prefix: str, address: str, *, whole: bool) -> None:
    assert address_kinds.names_network([ip_network(prefix)], ip_address(address)) is whole


@pytest.mark.parametrize(
    ("prefix", "fits"),
    [
        ("0.0.0.0/0", False),
        ("::/0", False),
        ("128.0.0.0/1", False),
        ("127.0.0.0/30", False),
        ("224.0.0.0/8", False),
        ("fe80::/64", False),
        ("192.0.2.0/31", False),
        ("192.0.2.1/32", False),
        ("2001:db8::/127", False),
        ("2001:db8::1/128", False),
        ("192.0.2.0/30", True),
        ("10.0.0.0/8", True),
        ("100.64.0.0/10", True),
        ("2001:db8::/126", True),
        ("2001:db8::/32", True),
    ],
)
def test_where_hosts_can_live(prefix: str, *, fits: bool) -> None:
    assert (address_kinds.no_hosts(ip_network(prefix)) is None) is fits


@pytest.mark.parametrize(
    ("mac", "fits"),
    [
        ("00:00:00:00:00:00", False),
        ("ff:ff:ff:ff:ff:ff", False),
        ("01:00:5e:00:00:01", False),
        ("33:33:00:00:00:01", False),
        ("02:00:00:00:00:01", True),
        ("00:50:56:00:00:01", True),
    ],
)
def test_what_adapters_are_called(mac: str, *, fits: bool) -> None:
    assert (address_kinds.no_adapter(mac) is None) is fits


@given(PREFIXES)
def test_overlaps_are_found_exactly_where_comparing_all_with_all_finds_some(listed: list[IPNetwork]) -> None:
    pairs = {
        (later, earlier)
        for later, one in enumerate(listed)
        for earlier, other in enumerate(listed[:later])
        if one.version == other.version and one.overlaps(other)
    }
    found = list(address_kinds.overlapping(listed))
    assert set(found) <= pairs
    assert bool(found) == bool(pairs)
    assert len({later for later, _ in found}) == len(found)
