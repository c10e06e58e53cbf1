"""Segments that every path carries: what both ends of a connection settle on."""

from __future__ import annotations

import socket

import pytest

from causeway_wire import segments


@pytest.mark.parametrize("told", ["listens", "connects"])
@pytest.mark.parametrize(("family", "here"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_either_end_keeps_both_directions_small(family: int, here: str, told: str) -> None:
    with socket.socket(family) as door, socket.socket(family) as caller:
        segments.keep_small(door if told == "listens" else caller)
        door.bind((here, 0))
        door.listen()
        caller.connect(door.getsockname())
        with door.accept()[0] as accepted:
            for one in (caller, accepted):
                assert one.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG) <= segments.SEGMENT_OCTETS
