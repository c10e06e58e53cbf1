"""Frames of a socket that always has another one."""

from __future__ import annotations

import asyncio
import socket

from causeway_agent.backends.segment.attention import Attention


async def test_a_socket_that_always_has_a_frame_leaves_others_their_turn() -> None:
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with here, there:
        here.settimeout(0)
        there.settimeout(0)
        attention, read = Attention(here, 100.0), 0

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
