"""Sockets that the API is served at."""

from __future__ import annotations

import socket

import pytest

from causeway_controller.app import listening
from causeway_controller.errors import StartError
from causeway_controller.settings import Listen
from causeway_wire import segments


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_what_is_accepted_has_small_segments(address: str) -> None:
    with (
        listening.tcp_socket(Listen(address=address, port=0), "tls.listen") as door,
        socket.create_connection(door.getsockname()[:2]),
        door.accept()[0] as accepted,
    ):
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG) <= segments.SEGMENT_OCTETS


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_place_that_is_taken_names_the_setting(address: str) -> None:
    with listening.tcp_socket(Listen(address=address, port=0), "tls.listen") as door:
        taken = Listen(address=address, port=door.getsockname()[1])
        with pytest.raises(StartError, match=r"cannot be listened at .* correct tenants\.listen"):
            listening.tcp_socket(taken, "tenants.listen")
