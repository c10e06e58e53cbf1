"""Probes, announcements and the responder, with a real neighbour's kernel at the other end of the wire."""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import replace

import pytest

from causeway_agent import errors
from causeway_agent.backends.segment import neighbour_responder, neighbours
from causeway_agent.plan.model.objects import Claim
from causeway_agent.plan.model.processes import NeighbourResponder
from tests.kernel.serving import serving

pytestmark = pytest.mark.kernel

NIC = "cwwire0"
SPACE = "cwpeer"
PATIENCE = 15.0
_PEERS_LINK = ("ip", "-json", "link", "show", "eth0")


def run(*command: str, check: bool = True) -> str:
    return subprocess.run(command, check=check, capture_output=True, text=True).stdout


def peer(*command: str, check: bool = True) -> str:
    return run("ip", "netns", "exec", SPACE, *command, check=check)


def mac(text: str) -> str:
    address: str = json.loads(text)[0]["address"]
    return address


def carries(text: str) -> bool:
    """Whether the device sends what it is given: until its carrier was noticed, it drops all of it."""
    state: str = json.loads(text)[0]["operstate"]
    return state == "UP"


@pytest.fixture(autouse=True)
def segment() -> Iterator[None]:
    """An adapter of ours wired to a host with 192.0.2.7 and 2001:db8::7."""
    run("ip", "netns", "add", SPACE)
    run("ip", "link", "add", NIC, "type", "veth", "peer", "name", "eth0", "netns", SPACE)
    for command in (
        ("ip", "address", "add", "192.0.2.7/24", "dev", "eth0"),
        ("ip", "address", "add", "2001:db8::7/64", "dev", "eth0", "nodad"),
        ("ip", "link", "set", "eth0", "up"),
    ):
        peer(*command)
    run("ip", "link", "set", NIC, "up")
    while not (carries(run("ip", "-json", "link", "show", NIC)) and carries(peer(*_PEERS_LINK))):
        time.sleep(0.01)
    yield
    run("ip", "link", "delete", NIC)
    run("ip", "netns", "delete", SPACE)


def claim(text: str, device: str = NIC) -> Claim:
    return Claim(device=device, address=ipaddress.ip_address(text))


def entry(address: str) -> dict[str, object]:
    """What the peer's neighbour cache holds."""
    found = json.loads(peer("ip", "-json", "neighbour", "show", address) or "[]")
    return dict(found[0]) if found else {}


async def test_those_who_answer_are_found_and_free_addresses_are_not() -> None:
    taken = [claim("192.0.2.7"), claim("2001:db8::7")]
    free = [claim(f"192.0.2.{n}") for n in range(20, 40)] + [claim("2001:db8::20")]
    theirs = mac(peer("ip", "-json", "link", "show", "eth0"))
    started = time.monotonic()
    found = await neighbours.PacketNeighbours().probe([*taken, *free])
    assert time.monotonic() - started < 0.6
    assert found == dict.fromkeys(taken, theirs)


async def test_a_probe_that_everyone_answered_ends_at_once_and_leaves_no_trace() -> None:
    started = time.monotonic()
    found = await neighbours.PacketNeighbours(interval=5).probe([claim("192.0.2.7"), claim("2001:db8::7")])
    assert len(found) == 2
    assert time.monotonic() - started < 1
    ours = mac(run("ip", "-json", "link", "show", NIC))
    assert ours not in peer("ip", "neighbour", "show", "dev", "eth0")


async def test_probing_nothing_finds_nothing() -> None:
    assert await neighbours.PacketNeighbours().probe([]) == {}


@pytest.mark.parametrize("address", ["192.0.2.20", "2001:db8::20"])
async def test_an_announcement_replaces_what_the_neighbour_remembers(address: str) -> None:
    peer(
        "ip",
        "neighbour",
        "replace",
        address,
        "lladdr",
        "02:00:00:00:00:99",
        "dev",
        "eth0",
        "nud",
        "reachable",
    )
    await neighbours.PacketNeighbours().announce(claim(address))
    assert entry(address)["lladdr"] == mac(run("ip", "-json", "link", "show", NIC))


async def test_a_missing_device_is_an_error_that_names_it() -> None:
    for address in ("192.0.2.20", "2001:db8::20"):
        with pytest.raises(errors.BackendError, match="cwnosuch"):
            await neighbours.PacketNeighbours().probe([claim(address, "cwnosuch"), claim("192.0.2.7")])
        with pytest.raises(errors.BackendError, match="cwnosuch"):
            await neighbours.PacketNeighbours().announce(claim(address, "cwnosuch"))


SPEC = NeighbourResponder(
    device=NIC,
    prefixes=(ipaddress.ip_network("2001:db8::/64"),),
    excluded=(ipaddress.ip_address("2001:db8::21"),),
)


def responding(spec: NeighbourResponder = SPEC) -> AbstractAsyncContextManager[asyncio.Task[None]]:
    return serving(functools.partial(neighbour_responder.respond, spec))


def ask_for(address: str, *, source: str = "eth0") -> dict[str, object]:
    """The peer sends a packet to the address, so its kernel solicits for it; what it knows in the end.

    It asks three times, a second apart (RFC 4861, 10), and a packet's patience is no measure of that: one
    that gives up after a second does so when the second question is asked. There is no entry at all while
    other tests' neighbours fill the table, which is one for all namespaces: then it did not ask.
    """
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        found = entry(address)
        if not found:
            peer("ping", "-6", "-c1", "-W1", "-I", source, address, check=False)
        elif found["state"] != ["INCOMPLETE"]:
            return found
        time.sleep(0.02)
    return entry(address)


async def test_the_neighbours_kernel_believes_the_responder() -> None:
    async with responding():
        found = await asyncio.to_thread(ask_for, "2001:db8::9")
        assert found["lladdr"] == mac(run("ip", "-json", "link", "show", NIC))
        assert found["state"] == ["REACHABLE"]


async def test_who_is_not_failed_over_is_told_nothing_as_with_arp() -> None:
    async with responding(replace(SPEC, askers=frozenset({ipaddress.ip_address("2001:db8::6")}))):
        assert "lladdr" not in await asyncio.to_thread(ask_for, "2001:db8::9")
        peer("ip", "address", "replace", "2001:db8::6/64", "dev", "eth0", "nodad")
        peer("ip", "neighbour", "flush", "dev", "eth0")
        found = await asyncio.to_thread(ask_for, "2001:db8::9", source="2001:db8::6")
        assert found["lladdr"] == mac(run("ip", "-json", "link", "show", NIC))


async def test_excluded_addresses_and_duplicate_probes_stay_unanswered() -> None:
    async with responding():
        assert "lladdr" not in await asyncio.to_thread(ask_for, "2001:db8::21")
        peer("ip", "address", "add", "2001:db8::22/64", "dev", "eth0")
        await asyncio.sleep(2.5)
        assert "dadfailed" not in peer("ip", "address", "show", "dev", "eth0")
        assert "tentative" not in peer("ip", "address", "show", "dev", "eth0", "to", "2001:db8::22")


async def test_the_responder_ends_with_its_device() -> None:
    async with responding() as task:
        run("ip", "link", "set", NIC, "down")
        with pytest.raises(errors.BackendError, match="Network is down"):
            async with asyncio.timeout(5):
                await task
