"""Netlink datagrams become words, whatever is in them."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from causeway_agent.backends.kernel import kernel_events


def message(kind: int, payload: bytes = b"") -> bytes:
    return struct.pack("=IHHII", 16 + len(payload), kind, 0, 0, 0) + payload + bytes(-len(payload) % 4)


@pytest.mark.parametrize(
    ("datagram", "words"),
    [
        (message(16), ["link"]),
        (message(20) + message(25), ["address", "route"]),
        (message(28), []),
        (message(32, b"abc") + message(33), ["rule", "rule"]),
        (message(10 << 8 | 6), []),
    ],
)
def test_each_message_is_told_by_its_kind(datagram: bytes, words: list[str]) -> None:
    assert list(kernel_events.reasons(datagram)) == words


@given(st.binary(max_size=200))
def test_broken_datagrams_end_the_reading_not_the_agent(datagram: bytes) -> None:
    assert isinstance(list(kernel_events.reasons(datagram)), list)
