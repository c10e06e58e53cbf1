"""A watch over what an appliance holds, a real neighbour at the other end, and nothing else of the former."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterator
from ipaddress import ip_address

import pytest

from causeway_agent.backends.host.clock import SystemClock
from causeway_agent.backends.segment import frames
from causeway_agent.backends.segment.neighbours import PacketNeighbours
from causeway_agent.engine import watch
from causeway_agent.engine.state import InForce, State
from causeway_agent.engine.watch import Watch
from causeway_agent.plan.model.objects import Claim
from causeway_agent.plan.model.target import Facts, Target
from causeway_agent.plan.steer import holdings
from causeway_wire.desired import Desired
from causeway_wire.observed import DuplicateState
from tests.neighbour_wire import OTHER_MAC, colon, learned
from tests.wired import beside, run

NIC, SPACE = "cwwatch0", "cwwatched"

_LATE = """
    import ipaddress, socket, sys, time
    from causeway_agent.backends.segment import frames
    device, wanted, seconds = sys.argv[1], ipaddress.ip_address(sys.argv[2]), float(sys.argv[3])
    kind = 0x0806 if wanted.version == 4 else 0x86dd
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(kind))
    sock.bind((device, kind))
    mac = sock.getsockname()[4]
    def asks(frame):
        if wanted.version == 6:
            return frame[20] == 58 and frame[54] == 135 and frame[62:78] == wanted.packed
        return frame[20:22] == b"\\0\\1" and frame[38:42] == wanted.packed != frame[28:32]
    print("ready", flush=True)
    while True:
        frame, origin = sock.recvfrom(200)
        if origin[2] == 4 or not asks(frame):
            continue
        time.sleep(seconds)
        if wanted.version == 6:
            sock.send(*frames.announcements(wanted, mac))
            continue
        head = frame[6:12] + mac + frame[12:20] + b"\\0\\2"
        sock.send(head + mac + wanted.packed + frame[22:32])
"""
"""A machine that answers for an address, but not at once."""


def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same schedule, in a hurry."""
    monkeypatch.setattr(holdings, "GAPS", (0.05, 0.3, 0.5, 0.5))
    monkeypatch.setattr(holdings, "PERIOD", 1.0)
    monkeypatch.setattr(holdings, "ASK_SECONDS", 0.5)
    monkeypatch.setattr(holdings, "QUIET_SECONDS", 2.0)
    monkeypatch.setattr(watch, "COUNT_SECONDS", 1.0)


class Appliance:
    """An appliance's watch over its segment, without the rest of it."""

    def __init__(self, document: Desired, target: Target) -> None:
        self.whole = target
        devices = {colon(mac_of_ours()): NIC, "02:00:00:00:00:55": "eth9"}
        self.state = State(in_force=InForce.of(document), target=target)
        self.state.facts = Facts(
            appliance="a", devices=devices, vpn_uid=None, key_directory="", run_directory=""
        )
        self.neighbours = PacketNeighbours()
        self.watch = Watch(self.neighbours, clock=SystemClock(), state=self.state)

    def told(self, address: str) -> dict[DuplicateState, str]:
        """What is told about an address: with whose MAC address."""
        return {each.state: each.mac for each in self.state.contested if each.address == ip_address(address)}

    async def tells(self, address: str, state: DuplicateState, mac: bytes) -> None:
        """Wait until this is told about the address."""
        await becomes(lambda: self.told(address) == {state: colon(mac)})

    def recompile(self) -> None:
        """What the next look of the reconciler does."""
        self.state.target = holdings.without(self.whole, self.state.released)


def mac_of_ours() -> bytes:
    listed = json.loads(run("ip", "-j", "link", "show", NIC))
    return bytes.fromhex(listed[0]["address"].replace(":", ""))


@contextlib.asynccontextmanager
async def watching(document: Desired, target: Target) -> AsyncIterator[Appliance]:
    """The watch while the body runs; the document and what became of it."""
    appliance = Appliance(document, target)
    task = asyncio.ensure_future(appliance.watch.run())
    try:
        yield appliance
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await appliance.neighbours.aclose()


async def becomes(condition: Callable[[], bool], *, seconds: float = 10) -> bool:
    async with asyncio.timeout(seconds):
        while not await asyncio.to_thread(condition):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.05)
    return True


async def turns(address: str) -> None:
    """Wait until the neighbour looks for the address here."""
    await becomes(lambda: learned(SPACE, address, "host") == colon(mac_of_ours()))


def forget(address: str) -> None:
    """The neighbour has another machine's MAC address for it, and no word of ours arrived."""
    entry = ("ip", "-n", SPACE, "neigh", "replace", address)
    run(*entry, "lladdr", colon(OTHER_MAC), "dev", "host", "nud", "reachable")


@contextlib.contextmanager
def answering_late(address: str, seconds: float) -> Iterator[None]:
    """The neighbour has the address, and says so this late."""
    with beside(SPACE, _LATE, "host", address, str(seconds)):
        yield


async def claim(appliance: Appliance, address: str) -> None:
    """As a change does it: ask, and announce when nobody answers."""
    wanted = Claim(NIC, ip_address(address))
    assert await appliance.watch.probe([wanted]) == {}
    await appliance.watch.announce(wanted)


def says(mac: bytes, address: str) -> bytes:
    """A frame by which this machine has the address."""
    return frames.announcements(ip_address(address), mac)[-1]
