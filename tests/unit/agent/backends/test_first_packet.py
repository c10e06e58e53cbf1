"""The gateway's door: rate per source, one use per packet, fresh packets only, and what nftables is told."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta

import pytest

from causeway_agent.backends import first_packet
from causeway_agent.backends.first_packet import BURST, WINDOW, Buckets, Counters, Door, Seen
from causeway_agent.plan.processes import FirstPacketFilter
from tests.unit.agent.backends import test_wrapped_key as packets

NOW = datetime.fromtimestamp(packets.NOW, UTC)
PUBLIC = (ipaddress.IPv4Address("198.51.100.1"), 6180)
SERVER = (ipaddress.IPv4Address("10.0.0.2"), 1195)


class Clock:
    def __init__(self) -> None:
        self.moment = NOW

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return self.moment.timestamp()


class Nft:
    async def run(self, text: str) -> str:
        return ""


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def door(clock: Clock) -> Door:
    spec = FirstPacketFilter(
        addresses=(PUBLIC[0],),
        port=PUBLIC[1],
        inside="eth1",
        keys=(("acme", packets.SECRET),),
        servers=(("acme", "acme-web", *SERVER),),
    )
    return Door(spec, Nft(), clock, Counters())


def judge(door: Door, packet: bytes, host: str = "192.0.2.7") -> str:
    verdict = door._judge(packet, host, 5000, PUBLIC)
    return verdict if isinstance(verdict, str) else "admitted"


async def test_a_fresh_genuine_packet_leads_to_its_server_once(door: Door) -> None:
    packet = packets.first_packet()
    admission = door._judge(packet, "192.0.2.7", 5000, PUBLIC)
    assert not isinstance(admission, str)
    assert (admission.server, admission.tunnel) == (SERVER, ("acme", "acme-web"))
    assert judge(door, packet, "192.0.2.8") == "replayed"


@pytest.mark.parametrize("minutes", [-6, 6])
async def test_a_packet_of_another_time_is_stale(door: Door, clock: Clock, minutes: int) -> None:
    clock.moment = NOW + timedelta(minutes=minutes)
    assert judge(door, packets.first_packet()) == "stale"


async def test_tunnels_nobody_told_of_and_other_families_lead_nowhere(door: Door) -> None:
    elsewhere = packets.first_packet(metadata=b'\0{"tenant": "acme", "tunnel": "acme-db"}')
    assert judge(door, elsewhere) == "no-such-tunnel"
    assert judge(door, packets.first_packet(), "2001:db8::7") == "no-such-tunnel"


async def test_refusals_are_named(door: Door) -> None:
    assert judge(door, b"hello") == "not-a-first-packet"
    assert judge(door, packets.first_packet(packets.OTHER)) == "unknown-key"
    assert judge(door, packets.first_packet(forged=True)) == "forged"


async def test_a_source_that_sends_too_much_is_not_looked_at(door: Door) -> None:
    for _ in range(BURST):
        judge(door, b"hello")
    assert judge(door, packets.first_packet()) == "rate"
    assert judge(door, packets.first_packet(), "192.0.2.8") == "admitted"


def test_a_bucket_fills_again_and_their_number_is_bounded() -> None:
    buckets = Buckets()
    assert [buckets.take("a", 0.0) for _ in range(BURST + 1)] == [True] * BURST + [False]
    assert buckets.take("a", 1.0)
    for number in range(20_000):
        buckets.take(str(number), 2.0)
    assert len(buckets._levels) == first_packet._SOURCES


def test_a_tag_is_known_as_long_as_its_packet_can_be_fresh() -> None:
    seen = Seen()
    assert seen.add(b"x", 0.0)
    assert not seen.add(b"x", 2 * WINDOW - 1)
    assert seen.add(b"y", 2 * WINDOW + 1)
    assert list(seen._tags) == [b"y"]


def test_nftables_is_told_by_family() -> None:
    four, six = (ipaddress.IPv4Address("192.0.2.7"), 5000), (ipaddress.IPv6Address("2001:db8::7"), 5000)
    assert first_packet.admit_text(four, SERVER).splitlines() == [
        "add element inet causeway flows { 192.0.2.7 . 5000 : 10.0.0.2 . 1195 }",
        "add element inet causeway known { 192.0.2.7 . 5000 }",
    ]
    assert first_packet.forget_text(six).splitlines() == [
        "delete element inet causeway flows6 { 2001:db8::7 . 5000 }",
        "delete element inet causeway known6 { 2001:db8::7 . 5000 }",
    ]
