"""Addresses that are held: said again, listened for, defended; with a real neighbour at the other end."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Iterator
from ipaddress import ip_address, ip_interface

import pytest

from causeway_agent.backends.segment import frames
from causeway_agent.backends.segment.neighbours import PacketNeighbours
from causeway_agent.plan.model.objects import Address, Claim, ProxyNeighbour
from causeway_agent.plan.model.target import Target
from causeway_agent.plan.steer import holdings
from causeway_wire.desired import Claims, Desired, LateAnswer, Partial, StaleAnswer, TenantRole
from causeway_wire.observed import DuplicateState
from tests import documents
from tests.kernel import watching as watched
from tests.kernel.stalls import stalls
from tests.kernel.watching import (
    NIC,
    SPACE,
    Appliance,
    answering_late,
    becomes,
    claim,
    forget,
    mac_of_ours,
    says,
    turns,
)
from tests.neighbour_wire import OTHER_MAC, answers, arp, colon, learned, mac_of, send, solicitation, tagged
from tests.wired import addresses, run, segment

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(60)]

FOUR, SIX = "192.168.0.20", "2001:db8::20"
OWN = "192.168.0.6"
replace = documents.replace
DEFAULTS = Claims()
PARTIAL = Partial(replicas=(documents.replica(20, "net-0", FOUR, SIX),))


@pytest.fixture(autouse=True)
def production() -> Iterator[None]:
    """An adapter of ours, wired to a host of production."""
    with segment(NIC, SPACE, "accept_dad=0"):
        addresses(SPACE, "host", "192.168.0.30/24", "2001:db8::30/64")
        yield


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    watched.hurry(monkeypatch)


def document(claims: Claims) -> Desired:
    whole = documents.tenant(PARTIAL)
    assert isinstance(whole.role, TenantRole)
    return replace(whole, role=replace(whole.role, claims=claims))


@contextlib.asynccontextmanager
async def watching(claims: Claims = DEFAULTS) -> AsyncIterator[Appliance]:
    """A tenant appliance's watch."""
    own = Address(NIC, ip_interface(f"{OWN}/24"))
    proxies = frozenset(ProxyNeighbour(NIC, ip_address(each), claimed=True) for each in (FOUR, SIX))
    target = Target(management=own, devices=frozenset({NIC}), addresses=frozenset({own}), proxies=proxies)
    async with watched.watching(document(claims), target) as appliance:
        yield appliance


@pytest.mark.parametrize("address", [FOUR, SIX])
async def test_a_neighbour_that_missed_the_announcement_hears_the_next(quick: None, address: str) -> None:
    async with watching() as appliance:
        await appliance.watch.announce(Claim(NIC, ip_address(address)))
        for _ in range(6):  # more often than the schedule after a claim has entries
            forget(address)
            await turns(address)


@pytest.mark.parametrize(
    ("address", "frame"),
    [
        (FOUR, arp(1, OTHER_MAC, FOUR, "192.168.0.1")),
        (FOUR, arp(2, OTHER_MAC, FOUR, FOUR)),
        (OWN, arp(1, OTHER_MAC, OWN, OWN)),
        (SIX, solicitation(OTHER_MAC, SIX, "2001:db8::1")),
        *((SIX, frame) for frame in frames.announcements(ip_address(SIX), OTHER_MAC)),
    ],
    ids=["asks", "announces", "is the appliance", "asks over IPv6", "announces over IPv6"],
)
async def test_a_machine_that_uses_an_address_of_ours_is_told(
    quick: None, address: str, frame: bytes
) -> None:
    async with watching() as appliance:
        await becomes(lambda: bool(appliance.neighbours._held))
        await asyncio.to_thread(send, SPACE, frame)
        await appliance.tells(address, DuplicateState.CONTESTED, OTHER_MAC)
        assert appliance.state.trouble is not None
        assert colon(OTHER_MAC) in appliance.state.trouble.detail
        assert str(appliance.state.trouble.pointer).startswith(("/role/failover/replicas/0", "/nics/0"))
        await becomes(lambda: appliance.state.trouble is None and not appliance.state.contested)


@pytest.mark.parametrize("address", [FOUR, SIX])
async def test_the_original_that_returns_in_silence_is_told(quick: None, address: str) -> None:
    """It says nothing by itself and only answers others, whom we do not hear."""
    theirs = mac_of(SPACE)
    async with watching() as appliance:
        await becomes(lambda: bool(appliance.neighbours._held))
        run("ip", "-n", SPACE, "addr", "add", address, "dev", "host")
        await appliance.tells(address, DuplicateState.CONTESTED, theirs)
        run("ip", "-n", SPACE, "addr", "del", address, "dev", "host")
        await becomes(lambda: not appliance.state.contested)


async def test_neighbours_that_followed_another_machine_are_told_when_it_is_gone(
    quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A router that keeps what it learned for hours must not wait for the next of the rare announcements."""
    monkeypatch.setattr(holdings, "PERIOD", 60.0)
    async with watching() as appliance:
        await becomes(lambda: bool(appliance.neighbours._held))
        await asyncio.sleep(holdings.GAPS[-1])  # by then it is said that the address is held, the only time
        forget(FOUR)
        await asyncio.to_thread(send, SPACE, says(OTHER_MAC, FOUR))
        await appliance.tells(FOUR, DuplicateState.CONTESTED, OTHER_MAC)
        assert learned(SPACE, FOUR, "host") == colon(OTHER_MAC)
        await becomes(lambda: not appliance.state.contested)
        await turns(FOUR)


@pytest.mark.parametrize("address", [FOUR, SIX])
async def test_who_was_stopped_says_again_what_it_holds(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    """A paused or moved machine: neighbours and switches have forgotten it; the next round is far."""
    monkeypatch.setattr(holdings, "GAPS", (0.05, 0.1, 0.1, 0.1))
    async with watching() as appliance:
        await becomes(lambda: bool(appliance.neighbours._held))
        await asyncio.sleep(1)  # what is said at the start has been said
        forget(address)
        assert learned(SPACE, address, "host") == colon(OTHER_MAC)
        again = f"kill -STOP {os.getpid()}; sleep {holdings.AWAY_SECONDS + 2}; kill -CONT {os.getpid()}"
        stopper = await asyncio.create_subprocess_exec("sh", "-c", again)
        await turns(address)
        assert await stopper.wait() == 0


async def test_a_site_that_comes_back_is_told_and_holds_nobody_up(quick: None) -> None:
    """Tunnels are asked ten times a second in the same loop whether they live."""
    many = [str(ip_address("192.168.0.50") + n) for n in range(200)]
    replicas = tuple(documents.replica(n, "net-0", each) for n, each in enumerate(many))
    whole = documents.tenant(Partial(replicas=replicas))
    own = Address(NIC, ip_interface(f"{OWN}/24"))
    proxies = frozenset(ProxyNeighbour(NIC, ip_address(each), claimed=True) for each in many)
    target = Target(management=own, devices=frozenset({NIC}), addresses=frozenset({own}), proxies=proxies)
    async with watched.watching(whole, target) as appliance, stalls() as longest:
        await becomes(lambda: bool(appliance.neighbours._held))
        await asyncio.to_thread(send, SPACE, *(says(OTHER_MAC, each) for each in many))
        await becomes(lambda: len(appliance.state.contested) == len(many))
        assert appliance.state.trouble is not None
    assert max(longest) < 0.5


async def test_an_adapter_of_our_own_is_no_other_machine(quick: None) -> None:
    ours = bytes.fromhex("020000000055")
    async with watching() as appliance:
        await becomes(lambda: bool(appliance.neighbours._held))
        await asyncio.to_thread(send, SPACE, arp(1, ours, FOUR, FOUR), arp(1, OTHER_MAC, OWN, OWN))
        await becomes(lambda: bool(appliance.told(OWN)))
        assert not appliance.told(FOUR)


@pytest.mark.parametrize(("address", "other"), [(FOUR, SIX), (SIX, FOUR)])
async def test_a_late_answer_takes_the_claim_back_until_its_machine_is_silent(
    quick: None, address: str, other: str
) -> None:
    theirs = mac_of(SPACE)
    async with watching() as appliance:
        with answering_late(address, 0.3):
            await claim(appliance, address)
            await appliance.tells(address, DuplicateState.RELEASED, theirs)
            appliance.recompile()
            assert appliance.state.target is not None
            assert {each.address for each in appliance.state.target.proxies} == {ip_address(other)}
            assert appliance.state.trouble is not None
            await asyncio.sleep(2.5)
            assert appliance.told(address)
        await becomes(lambda: not appliance.state.contested)
        appliance.recompile()
        assert appliance.state.target == appliance.whole


async def test_a_late_answer_is_only_told_where_the_document_says_so(quick: None) -> None:
    async with watching(Claims(late_answer=LateAnswer.KEEP)) as appliance:
        with answering_late(FOUR, 0.3):
            await claim(appliance, FOUR)
            await becomes(lambda: DuplicateState.CONTESTED in appliance.told(FOUR))
        assert not appliance.state.released


@pytest.mark.parametrize("address", [FOUR, SIX])
async def test_a_stale_answer_that_the_document_names_is_told_and_no_trouble(
    quick: None, address: str
) -> None:
    stale = StaleAnswer(address=ip_address(address), mac=colon(OTHER_MAC))
    async with watching(Claims(anyway=(stale,))) as appliance:
        await becomes(lambda: bool(appliance.neighbours._held))
        await asyncio.to_thread(send, SPACE, says(OTHER_MAC, address))
        await appliance.tells(address, DuplicateState.OVERRIDDEN, OTHER_MAC)
        assert appliance.state.trouble is None
        another = bytes.fromhex("020000009902")
        await asyncio.to_thread(send, SPACE, says(another, address))
        await appliance.tells(address, DuplicateState.CONTESTED, another)


@pytest.mark.parametrize("address", [FOUR, SIX])
async def test_a_machine_of_another_vlan_is_none_of_this_segment(quick: None, address: str) -> None:
    """On a trunk others may have the same address; a tag of priority alone names no VLAN."""
    async with watching() as appliance:
        await becomes(lambda: bool(appliance.neighbours._held))
        await asyncio.to_thread(send, SPACE, tagged(says(OTHER_MAC, address), "81000005"))
        await asyncio.sleep(0.3)
        assert not appliance.told(address)
        await asyncio.to_thread(send, SPACE, tagged(says(OTHER_MAC, address), "8100e000"))
        await appliance.tells(address, DuplicateState.CONTESTED, OTHER_MAC)


async def test_who_answers_in_another_vlan_is_in_the_way_of_no_claim() -> None:
    neighbours = PacketNeighbours(probes=1, interval=1.0)
    wanted = [Claim(NIC, ip_address(each)) for each in (FOUR, SIX)]
    try:
        for tags, found in (("81000005", {}), ("", dict.fromkeys(wanted, colon(OTHER_MAC)))):
            probing = asyncio.create_task(neighbours.probe(wanted))
            await asyncio.sleep(0.05)
            await asyncio.to_thread(
                send, SPACE, *(tagged(says(OTHER_MAC, each), tags) for each in (FOUR, SIX))
            )
            assert await probing == found
    finally:
        await neighbours.aclose()


async def test_a_probe_for_a_held_address_is_answered_as_its_owner_would(quick: None) -> None:
    async with watching() as appliance:
        await becomes(lambda: bool(appliance.neighbours._held))
        asked = arp(1, OTHER_MAC, "0.0.0.0", FOUR)
        told = [each for each in await asyncio.to_thread(answers, SPACE, asked) if each[:6] == OTHER_MAC]
        assert {each[20:32] for each in told} == {b"\0\2" + mac_of_ours() + ip_address(FOUR).packed}
        free = arp(1, OTHER_MAC, "0.0.0.0", "192.168.0.21")
        assert not [each for each in await asyncio.to_thread(answers, SPACE, free) if each[:6] == OTHER_MAC]


async def test_a_thousand_addresses_are_announced_through_one_socket(quick: None) -> None:
    neighbours = PacketNeighbours()
    try:
        for number in range(1000):
            await neighbours.announce(Claim(NIC, ip_address(int(ip_address("10.0.0.1")) + number)))
        assert len(neighbours._segments) == 1
    finally:
        await neighbours.aclose()


async def test_a_device_that_was_made_anew_is_heard_again(quick: None) -> None:
    async with watching() as appliance:
        await becomes(lambda: bool(appliance.neighbours._held))
        run("ip", "link", "delete", NIC)
        run("ip", "link", "add", NIC, "type", "veth", "peer", "name", "host", "netns", SPACE)
        run("ip", "-n", SPACE, "link", "set", "host", "up")
        run("ip", "link", "set", NIC, "up")
        ask = arp(1, OTHER_MAC, FOUR, "192.168.0.1")

        def noticed() -> bool:
            send(SPACE, ask)
            return bool(appliance.told(FOUR))

        await becomes(noticed)
