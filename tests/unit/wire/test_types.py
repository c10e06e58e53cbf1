"""Scalars: addresses are objects, secrets stay hidden."""

from __future__ import annotations

import copy
import ipaddress

import msgspec
import pytest
from hypothesis import given

from causeway_wire import types
from tests import strategies


@given(strategies.ADDRESSES)
def test_an_address_arrives_as_an_object_of_its_family(address: types.IPAddress) -> None:
    parsed = types.parse_scalar(types.IPAddress, types.format_scalar(address))
    assert parsed == address
    assert type(parsed) is type(address)


@pytest.mark.parametrize("text", ["192.0.2.1/24", "2001:db8::1/64", "192.0.2.0/33", "lan", ""])
def test_a_prefix_with_host_bits_is_no_network(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        types.parse_scalar(types.IPNetwork, text)


def test_a_number_is_no_address() -> None:
    with pytest.raises(ValueError, match="Expected `str`"):
        types.parse_scalar(types.IPAddress, 3221225985)


def test_a_type_that_nobody_declared_is_a_defect() -> None:
    with pytest.raises(NotImplementedError):
        types.parse_scalar(ipaddress.IPv4Address, "192.0.2.1")


@pytest.mark.parametrize("good", ["a", "0", "db.acme-1", "a" * 63])
def test_names_fit_certificates_and_file_names(good: str) -> None:
    assert msgspec.convert(good, types.Name) == good


@pytest.mark.parametrize("bad", ["", "-a", "a-", "A", "a_b", "a/b", "../a", "a b", "a\n", "a" * 64])
def test_names_that_do_not_fit_are_refused(bad: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(bad, types.Name)


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="timezone"):
        msgspec.convert("2026-11-22T12:00:00", types.Timestamp)


def test_a_secret_is_compared_by_its_value_and_shown_by_none() -> None:
    secret = types.Secret("tls-crypt key")
    assert secret == types.Secret("tls-crypt key") != types.Secret("another")
    assert hash(secret) == hash(types.Secret("tls-crypt key"))
    assert secret.reveal() == "tls-crypt key"
    assert [str(secret), repr(secret), f"{secret}", f"{[secret]}"] == [
        *["Secret(****)"] * 3,
        "[Secret(****)]",
    ]
    assert types.format_scalar_masked(secret) == "****"


def test_a_secret_survives_a_copy() -> None:
    assert copy.deepcopy(types.Secret("x")) == types.Secret("x")


@pytest.mark.parametrize(
    "text",
    [
        *("fe80::1%eth0", "2001:db8::1%x\nup x", "::ffff:192.0.2.1", "192.0.2.01", "192.0.2", "1", ""),
        *("192.0.2.1\n", " 192.0.2.1", "192.0.2.1/32", "::1\x00", "\u0661.2.3.4", "0x7f.0.0.1"),
    ],
)
def test_an_address_is_written_in_one_way(text: str) -> None:
    with pytest.raises(ValueError, match=r"no IPv4 or IPv6 address|IPv4-mapped"):
        types.parse_address(text)


@pytest.mark.parametrize(
    "text",
    [
        *("192.0.2.0", "192.0.2.0/255.255.255.0", "192.0.2.0/0.0.0.255", "192.0.2.0/024", "192.0.2.0/\u0662"),
        *("fe80::%x/64", "fe80::%x\ny/64", "::ffff:192.0.2.0/120", "192.0.2.0/24\n", "/24", "192.0.2.0/33"),
    ],
)
def test_a_prefix_is_written_in_one_way(text: str) -> None:
    for parse in (types.parse_network, types.parse_interface):
        with pytest.raises(ValueError, match=r"prefix length|IPv4-mapped|does not appear to be"):
            parse(text)
