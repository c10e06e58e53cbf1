"""The frames that prove a trunk."""

from __future__ import annotations

import ipaddress

import pytest

from causeway_controller.lab.chapters import trunk

MAC = bytes.fromhex("02ca05000001")


def test_a_question_carries_its_tag_between_the_addresses_and_the_type() -> None:
    bare, marked = trunk.request(MAC, None), trunk.request(MAC, 120)
    assert bare[12:14] == b"\x08\x06"
    assert marked[12:18] == b"\x81\x00\x00\x78\x08\x06"
    assert marked[:12] + marked[16:] == bare
    assert bare[-4:] == trunk.ADDRESS.ip.packed


@pytest.mark.parametrize("broken", [b"", b"\x08\x06", bytes(60)])
def test_noise_is_no_answer(broken: bytes) -> None:
    assert not trunk.is_answer(broken, trunk.ADDRESS.ip)


def test_only_a_reply_about_the_address_is_an_answer() -> None:
    asked = trunk.request(MAC, None)
    assert not trunk.is_answer(asked, trunk.ADDRESS.ip)
    reply = asked[:20] + b"\0\2" + asked[22:28] + trunk.ADDRESS.ip.packed + asked[32:]
    assert trunk.is_answer(reply, trunk.ADDRESS.ip)
    assert not trunk.is_answer(reply, ipaddress.IPv4Address("192.168.120.1"))
