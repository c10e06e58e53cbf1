"""Frames of a socket that always has another one."""

from __future__ import annotations

import asyncio
import socket

from causeway_agent.backends.segment.attention import Attention
from causeway_agent.backends.segment.audience import EVERYBODY, Heard

QUIET, LOUD = b"\2\0\0\0\0\1", b"\2\0\0\0\0\2"


async def test_a_socket_that_always_has_a_frame_leaves_others_their_turn() -> None:
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with here, there:
        here.settimeout(0)
        there.settimeout(0)
        attention, read = Attention(here, 100.0, lambda _: None, "eth1"), 0

        async def listen() -> None:
            nonlocal read
            there.send(b"more")
            while True:
                await attention.frame()
                read += 1
                there.send(b"more")

        listening = asyncio.create_task(listen())
        await asyncio.sleep(0.3)
        listening.cancel()
        assert 5 <= read <= 100
        await asyncio.gather(listening, return_exceptions=True)


async def test_what_waits_of_who_floods_is_thrown_away_and_he_is_let_in_again_later() -> None:
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with here, there:
        here.settimeout(0)
        told: list[Heard] = []
        everybody = asyncio.Event()

        def let_in(heard: Heard) -> None:
            told.append(heard)
            if heard == EVERYBODY:
                everybody.set()

        attention = Attention(here, 100.0, let_in, "eth1")
        for mac in (*[LOUD] * 9, QUIET):
            there.send(QUIET + mac)
        frames = [await attention.frame() for _ in range(6)]
        assert frames == [QUIET + LOUD] * 5 + [QUIET + QUIET]
        assert [LOUD in heard for heard in told] == [False]
        async with asyncio.timeout(5):
            await everybody.wait()


async def test_nothing_is_decided_of_a_socket_that_is_closed() -> None:
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    told: list[Heard] = []
    with here, there:
        here.settimeout(0)
        attention = Attention(here, 100.0, told.append, "eth1")
        for _ in range(9):
            there.send(QUIET + LOUD)
        there.send(QUIET + QUIET)
        for _ in range(6):
            await attention.frame()
    await asyncio.sleep(1.2)
    assert len(told) == 1
