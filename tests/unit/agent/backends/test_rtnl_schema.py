"""Octets of rtnetlink messages: what is written is read back, what is damaged is passed over."""

from __future__ import annotations

import ipaddress
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from causeway_agent.backends.kernel import rtnl_schema
from causeway_agent.backends.kernel.rtnl_schema import Attributes, Message


def back(message: Message) -> Message:
    return Message(message.family, message.octets())


def test_a_route_is_the_octets_that_the_kernel_reads() -> None:
    message = Message(rtnl_schema.ROUTE)
    message["family"], message["dst_len"], message["type"] = 2, 32, 1
    message.add("RTA_DST", ipaddress.ip_address("192.0.2.7")).add("RTA_OIF", 5)
    assert message.octets() == (
        bytes((2, 32, 0, 0, 0, 0, 0, 1))
        + bytes(4)
        + b"\x08\0\x01\0\xc0\0\x02\x07"
        + b"\x08\0\x04\0\x05\0\0\0"
    )


@given(st.text("abcdefgh", min_size=1, max_size=15), st.integers(0, 2**32 - 1), st.integers(0, 4094))
def test_nests_come_back_as_they_were(name: str, mtu: int, vlan: int) -> None:
    message = Message(rtnl_schema.LINK).add("IFLA_IFNAME", name).add("IFLA_MTU", mtu)
    message.add("IFLA_LINKINFO", {"IFLA_INFO_KIND": "vlan", "IFLA_INFO_DATA": {"IFLA_VLAN_ID": vlan}})
    seen = back(message)
    assert (seen.get_attr("IFLA_IFNAME"), seen.get_attr("IFLA_MTU")) == (name, mtu)
    assert seen.get_attr("IFLA_LINKINFO").get_attr("IFLA_INFO_DATA").get_attr("IFLA_VLAN_ID") == vlan
    assert seen.get_attr("IFLA_ADDRESS") is None


@given(st.ip_addresses())
def test_addresses_of_both_families_come_back(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    assert back(Message(rtnl_schema.NEIGHBOUR).add("NDA_DST", address)).get_attr("NDA_DST") == address


def test_an_adapter_s_address_is_written_with_colons() -> None:
    message = Message(rtnl_schema.LINK).add("IFLA_ADDRESS", "02:ca:05:00:00:01")
    assert back(message).get_attr("IFLA_ADDRESS") == "02:ca:05:00:00:01"


def test_a_field_that_the_header_does_not_have_is_refused() -> None:
    with pytest.raises(KeyError):
        Message(rtnl_schema.RULE)["dst_length"] = 1


@given(st.binary(max_size=64))
def test_no_octets_make_the_reader_fail(data: bytes) -> None:
    Attributes(rtnl_schema.LINK.table, data)


def test_an_attribute_that_claims_no_length_ends_the_reading() -> None:
    data = struct.pack("=HHI", 8, 4, 1500) + struct.pack("=HH", 0, 13) + bytes(8)
    found = Attributes(rtnl_schema.LINK.table, data)
    assert (found.get_attr("IFLA_MTU"), found.get_attr("IFLA_TXQLEN")) == (1500, None)
