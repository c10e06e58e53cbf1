"""Guests wait longer where appliances are slow."""

from __future__ import annotations

import asyncio
import socket

from causeway_lab.world import guest, probes


def test_patience_that_was_asked_for_is_multiplied() -> None:
    asked = {"address": "192.0.2.1", "patience": 0.5}
    assert guest.patient(probes.ping, asked, 8.0) == {**asked, "patience": 4.0, "tries": 8}
    assert guest.patient(probes.ping, asked, 1.0) == {**asked, "tries": 1}


def test_so_is_a_probe_s_own() -> None:
    assert guest.patient(probes.http, {"address": "192.0.2.1"}, 8.0)["patience"] == 16.0


def test_a_probe_that_waits_for_nothing_is_left_alone() -> None:
    asked = {"source": "192.0.2.9", "address": "192.0.2.1"}
    assert guest.patient(probes.spoof, asked, 8.0) == asked


async def test_a_datagram_that_is_lost_is_sent_again() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.setblocking(False)  # noqa: FBT003 - positional only
        loop, port = asyncio.get_running_loop(), server.getsockname()[1]
        asking = asyncio.create_task(probes.udp(address="127.0.0.1", port=port, patience=1.0, tries=4))
        first, _ = await loop.sock_recvfrom(server, 2048)
        second, peer = await loop.sock_recvfrom(server, 2048)
        assert first == second
        await loop.sock_sendto(server, second, peer)
        assert (await asking)["answered"]
