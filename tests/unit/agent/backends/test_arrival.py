"""When a packet arrived is known however late it is read."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from causeway_agent.backends.host import arrival


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """One that sends to another, which notes arrivals."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as there,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as here,
    ):
        here.bind(("127.0.0.1", 0))
        there.connect(here.getsockname())
        arrival.note(here)
        _until_noted(there, here)
        yield there, here


def _until_noted(there: socket.socket, here: socket.socket) -> None:
    """The kernel begins to note a moment after it was told to (net/core/dev.c, net_enable_timestamp)."""
    deadline, came = time.monotonic() + 10, float("inf")
    while came > time.monotonic() - 0.01:
        assert time.monotonic() < deadline
        there.send(b"early")
        time.sleep(0.02)
        _, came = arrival.receive(here)


def test_what_is_read_late_has_come_when_it_came(pair: tuple[socket.socket, socket.socket]) -> None:
    there, here = pair
    before = time.monotonic()
    there.send(b"first")
    after = time.monotonic()
    time.sleep(0.1)
    packet, when = arrival.receive(here)
    assert packet == b"first"
    assert before - 0.005 <= when <= after + 0.005
    with pytest.raises(BlockingIOError):
        arrival.receive(here)


@pytest.mark.parametrize("step", [-3600.0, 3600.0])
def test_a_clock_that_was_set_meanwhile_costs_a_second_at_most(
    pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch, step: float
) -> None:
    there, here = pair
    there.send(b"first")
    clock = time.time
    monkeypatch.setattr(time, "time", lambda: clock() + step)
    _, when = arrival.receive(here)
    assert 0 <= time.monotonic() - when < 1.5


def test_a_socket_that_notes_nothing_tells_when_it_was_read(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    there, here = pair
    here.setsockopt(socket.SOL_SOCKET, 35, 0)
    there.send(b"first")
    time.sleep(0.05)
    before = time.monotonic()
    assert arrival.receive(here)[1] >= before
