"""The gateway's door: what is queued for admission, what is shown to servers, what is refused, by name."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from causeway_agent.backends.gateway import echo_message, first_packet, flow_map
from causeway_agent.backends.gateway.first_packet import Door, Memory
from causeway_agent.backends.gateway.flow_map import FlowMap, Source
from causeway_agent.plan.model.processes import FirstPacketFilter
from causeway_controller.trust import tls_crypt
from tests.first_packets import Client

NOW = 1_800_000_000
KEY = tls_crypt.make_server_key()
CLIENT = Client.of(KEY, "acme", "web")
LOOPBACK = ipaddress.IPv4Address("127.0.0.1")
DATA = bytes((9 << 3,)) + bytes(60)


class Clock:
    def now(self) -> datetime:
        return datetime.fromtimestamp(NOW, UTC)

    def monotonic(self) -> float:
        return 1000.0


@pytest.fixture
def memory() -> Memory:
    return Memory()


@pytest.fixture
def doorway() -> Iterator[socket.socket]:
    with first_packet._bind(LOOPBACK, 0) as made:
        yield made


@pytest.fixture
def door(memory: Memory) -> Door:
    return Door(spec(), FlowMap(), Clock(), memory)


def spec(tunnel: str = "web") -> FirstPacketFilter:
    return FirstPacketFilter(
        addresses=(LOOPBACK,),
        port=6180,
        inside="eth1",
        keys=(("acme", KEY),),
        servers=(("acme", tunnel, LOOPBACK, 1195),),
        tags=((CLIENT.tag, "acme", tunnel),) if tunnel == "web" else (),
    )


def send(door: Door, doorway: socket.socket, *packets: bytes) -> Source:
    """Let these arrive; where they came from."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind(("127.0.0.1", 0))
        for packet in packets:
            sender.sendto(packet, doorway.getsockname())
        source = (LOOPBACK, sender.getsockname()[1])
    door._receive(doorway, (LOOPBACK, 6180))
    return source


def test_a_genuine_first_packet_waits_for_admission(door: Door, doorway: socket.socket) -> None:
    packet = CLIENT.packet(NOW)
    source = send(door, doorway, packet)
    admission = door._queue.get_nowait()
    assert (admission.packet, admission.source, admission.tunnel) == (packet, source, ("acme", "web"))
    assert door._queue.empty()


def test_refusals_are_counted_by_name(door: Door, doorway: socket.socket, memory: Memory) -> None:
    stranger = Client.of(tls_crypt.make_server_key(), "acme", "web")
    send(door, doorway, b"hello", CLIENT.forged(NOW), CLIENT.packet(NOW - 400), stranger.packet(NOW), DATA)
    assert memory.counters.refused == {
        "not-a-first-packet": 1,
        "forged": 1,
        "stale": 1,
        "unknown-key": 1,
        "no-tunnel-near": 1,
    }
    assert door._queue.empty()


def test_whoever_holds_a_key_is_told_that_the_line_is_good_and_nobody_else(
    doorway: socket.socket, memory: Memory
) -> None:
    claim = tls_crypt.Claim(tenant="acme", tunnel="spare")
    unnamed = FirstPacketFilter(
        addresses=(LOOPBACK,),
        port=6180,
        inside="eth1",
        keys=(("acme", KEY),),
        servers=(("acme", "spare", LOOPBACK, 1195),),
    )
    door = Door(unnamed, FlowMap(), Clock(), memory)
    asker = echo_message.asker(tls_crypt.make_client_key(KEY, claim).reveal())
    stranger = echo_message.asker(tls_crypt.make_client_key(tls_crypt.make_server_key(), claim).reveal())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind(("127.0.0.1", 0))
        sender.settimeout(5)
        for who in (stranger, asker):
            sender.sendto(echo_message.question(who, b"session!", 3), doorway.getsockname())
        door._receive(doorway, (LOOPBACK, 6180))
        heard = echo_message.answered(sender.recv(2048), asker, b"session!")
        assert heard is not None
        assert heard.sequence == 3
    assert memory.counters.refused == {"echo": 1}
    assert door._queue.empty()


def test_tunnels_nobody_told_of_lead_nowhere(doorway: socket.socket, memory: Memory) -> None:
    send(Door(spec("db"), FlowMap(), Clock(), memory), doorway, CLIENT.packet(NOW))
    assert memory.counters.refused == {"no-such-tunnel": 1}


def test_a_packet_counts_once_whatever_document_came_between(doorway: socket.socket, memory: Memory) -> None:
    packet = CLIENT.packet(NOW)
    send(Door(spec(), FlowMap(), Clock(), memory), doorway, packet)
    send(Door(spec(), FlowMap(), Clock(), memory), doorway, packet)
    assert memory.counters.refused == {"replayed": 1}


@pytest.mark.parametrize("address", ["192.0.2.7", "2001:db8::7"])
def test_flows_are_written_as_the_kernel_concatenates_them(address: str) -> None:
    source = (ipaddress.ip_address(address), 5000)
    key = flow_map.pack(source)
    assert key == source[0].packed + b"\x13\x88\0\0"
    assert flow_map.unpack(key) == source
