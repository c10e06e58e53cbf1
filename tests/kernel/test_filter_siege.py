"""Somebody changes the packet filter again and again: what is forged stops all the same, and stays stopped.

Each attack has its control: with the agent paused, the same packets do arrive. A real agent, on a provider's
appliance in partial and in full failover; other roles and bridged networks are in the tests beside this one.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import struct
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address, ip_address
from pathlib import Path
from typing import Self

import msgspec
import pytest
import pytest_asyncio

from causeway_controller.fleet.client import AgentClient
from causeway_wire.desired import (
    Desired,
    Extension,
    Failover,
    Full,
    FullNetwork,
    Partial,
    ProviderRole,
    Replica,
)
from causeway_wire.observed import ApplianceState, Observed
from causeway_wire.problem import ProblemError, ProblemType
from causeway_wire.types import IPAddress
from tests.real_appliance import Appliance

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(180)]

REPLICA4, REPLICA6 = ip_address("192.168.0.20"), ip_address("2001:db8:0::20")
FORGED = {4: ip_address("10.66.0.1"), 6: ip_address("2001:db8:66::1")}
FAR = {4: ip_address("192.168.0.77"), 6: ip_address("2001:db8:0::77")}
"""Hosts of production, behind the tunnel."""
INTERNET = {4: ip_address("203.0.113.200"), 6: ip_address("2001:db8:cafe::200")}
PARTIAL = Partial(replicas=(Replica(vm="vm", network="net-0", addresses=(REPLICA4, REPLICA6)),))
FULL = Full(networks=(FullNetwork(network="net-0", internet=True),))
BRIDGED = Partial(
    replicas=(Replica(vm="vm", network="net-0", addresses=(REPLICA4, REPLICA6), macs=("02:00:00:00:00:20",)),)
)
BRIDGE_DEEDS = {
    "everything is flushed": "flush ruleset",
    "the bridge's table is deleted": "delete table bridge causeway",
    "what is forged is accepted first": "insert rule bridge causeway forward accept",
}
DEEDS = {
    "everything is flushed": "flush ruleset",
    "the table is deleted": "delete table inet causeway",
    "its rules are deleted": (
        "flush chain inet causeway screen\nflush chain inet causeway forward\n"
        "add chain inet causeway forward { policy accept; }"
    ),
    "the table is put to sleep": "add table inet causeway { flags dormant; }",
    "what is forged is accepted first": (
        "insert rule inet causeway screen accept\ninsert rule inet causeway forward accept"
    ),
    "sets are emptied and the policy accepts": (
        "flush map inet causeway entrances4\nflush map inet causeway entrances6\n"
        "flush chain inet causeway forward\nadd chain inet causeway forward { policy accept; }"
    ),
}
PERIOD = 0.05
_COUNTER = """
    import socket, sys
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
    sock.bind((sys.argv[1], 0))
    sock.setblocking(False)
    for line in sys.stdin:
        count = 0
        while True:
            try:
                count += bytes.fromhex(sys.argv[2]) in sock.recv(2048)[:40]
            except BlockingIOError:
                break
        print(count, flush=True)
"""
_ENEMY = """
    import subprocess, sys, time
    print("begun", flush=True)
    while True:
        subprocess.run(["nft", "-f", "-"], input=sys.argv[1], text=True, stderr=subprocess.DEVNULL)
        time.sleep(float(sys.argv[2]))
"""


@pytest_asyncio.fixture
async def appliance(tmp_path: Path) -> AsyncIterator[Appliance]:
    made = Appliance(1, tmp_path)
    await made.up()
    try:
        yield made
    finally:
        made.down()


class Forger:
    """Sends packets with a forged source into the VLAN without a pause, and counts those that get through."""

    def __init__(self, appliance: Appliance, failover: Failover, version: int) -> None:
        partial = isinstance(failover, Partial)
        there = (FAR if partial else INTERNET)[version]
        # Bridged, it is the frame's own address that is forged: no replica of that address failed over.
        to = "02:00:00:00:00:77" if failover is BRIDGED else appliance.mac(1)
        self._frame = frame(to, FORGED[version], there)
        inside = ("ip", "netns", "exec", appliance.space) if partial else ()
        device = "cwu1195" if partial else "cwa1p0"
        self._command = (*inside, sys.executable, "-c", textwrap.dedent(_COUNTER), device)
        self._there = there.packed.hex()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send)

    def __enter__(self) -> Self:
        self._counter = subprocess.Popen(
            (*self._command, self._there), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.arrived()
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stop.set()
        self._thread.join()
        self._counter.communicate()

    def arrived(self) -> int:
        """How many have passed since the last question: into the tunnel, or out of the uplink."""
        assert self._counter.stdin is not None
        assert self._counter.stdout is not None
        self._counter.stdin.write("?\n")
        self._counter.stdin.flush()
        return int(self._counter.stdout.readline())

    def arrive(self, seconds: float) -> bool:
        """Whether any passes within so many seconds."""
        self.arrived()
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self.arrived():
                return True
            time.sleep(0.05)
        return False

    def _send(self) -> None:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
            sock.bind(("cwa1p1", 0))
            while not self._stop.wait(0.002):
                sock.send(self._frame)


def frame(mac: str, source: IPAddress, destination: IPAddress) -> bytes:
    """A UDP datagram of eight octets, without its checksum, as an Ethernet frame."""
    payload = struct.pack("!HHHH", 4000, 4001, 8, 0)
    ends = source.packed + destination.packed
    if isinstance(source, IPv4Address):
        head = struct.pack("!BBHHHBBH", 0x45, 0, 28, 0, 0, 64, 17, 0) + ends
        words = struct.unpack("!10H", head)
        total = sum(words)
        total = (total & 0xFFFF) + (total >> 16)
        head = head[:10] + struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF) + head[12:]
        kind = b"\x08\x00"
    else:
        head, kind = struct.pack("!IHBB", 6 << 28, 8, 17, 64) + ends, b"\x86\xdd"
    return bytes.fromhex(mac.replace(":", "")) + b"\x02\0\0\0\0\x99" + kind + head + payload


@contextmanager
def enemy(appliance: Appliance, deed: str) -> Iterator[None]:
    """Somebody who does this every 50 ms."""
    command = ("ip", "netns", "exec", appliance.space, sys.executable, "-c", textwrap.dedent(_ENEMY))
    with subprocess.Popen((*command, deed, str(PERIOD)), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "begun\n"
            yield
        finally:
            process.kill()


async def conforming(agent: AgentClient, seconds: float = 40.0) -> Observed:
    """What is observed once nothing is left to repair."""
    async with asyncio.timeout(seconds):
        while True:
            seen = await agent.observed()
            if seen.state is ApplianceState.READY:
                return seen
            await asyncio.sleep(0.1)


@contextmanager
def paused(appliance: Appliance) -> Iterator[None]:
    """The agent does nothing meanwhile."""
    assert appliance.process is not None
    appliance.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        appliance.process.send_signal(signal.SIGCONT)


async def in_force(appliance: Appliance, failover: Failover) -> None:
    async with appliance.open() as agent:
        await agent.apply(document(appliance, failover), escalate=True, timeout=60)


def document(appliance: Appliance, failover: Failover) -> Desired:
    """With the first network bridged where the failover says so: its adapter has no address then."""
    plain = appliance.document(2, failover)
    if failover is not BRIDGED:
        return plain
    assert isinstance(plain.role, ProviderRole)
    first, *others = plain.role.networks
    assert first.tunnel is not None
    tunnel = msgspec.structs.replace(first.tunnel, inner=(), extension=Extension.BRIDGED)
    first = msgspec.structs.replace(first, tunnel=tunnel, gateways=())
    role = msgspec.structs.replace(plain.role, networks=(first, *others))
    uplink, vlan, *rest = plain.nics
    nics = (uplink, msgspec.structs.replace(vlan, addresses=()), *rest)
    return msgspec.structs.replace(plain, role=role, nics=nics)


SIEGES = (
    *(("partial", 4, deed) for deed in DEEDS),
    *((mode, version, deed) for mode, version in (("partial", 6), ("full", 4)) for deed in tuple(DEEDS)[:2]),
)
"""Each takes twelve seconds: every deed once, and two of them wherever else a filter stands."""


@pytest.mark.parametrize(("mode", "version", "deed"), SIEGES)
async def test_forged_packets_stop_within_a_second_whatever_is_done_to_the_filter(
    appliance: Appliance, mode: str, version: int, deed: str
) -> None:
    failover: Failover = PARTIAL if mode == "partial" else FULL
    await in_force(appliance, failover)
    with Forger(appliance, failover, version) as forger:
        assert not forger.arrive(0.5)
        with paused(appliance):
            appliance.inside("nft", DEEDS[deed])
            assert forger.arrive(5), "the control: without the filter they do pass"
        await withstands(appliance, forger, DEEDS[deed])


@pytest.mark.parametrize("deed", BRIDGE_DEEDS)
async def test_forged_frames_stop_within_a_second_where_a_network_is_bridged(
    appliance: Appliance, deed: str
) -> None:
    await in_force(appliance, BRIDGED)
    with Forger(appliance, BRIDGED, 4) as forger:
        assert not forger.arrive(0.5)
        with paused(appliance):
            appliance.inside("nft", BRIDGE_DEEDS[deed])
            assert forger.arrive(5), "the control: without the filter they do pass"
        await withstands(appliance, forger, BRIDGE_DEEDS[deed])


async def withstands(appliance: Appliance, forger: Forger, deed: str) -> None:
    """Nothing forged passes from a second after the siege began, the agent answers and says why, and when it
    is over all is well again.
    """
    async with appliance.open() as agent:
        await conforming(agent)
        with enemy(appliance, deed):
            await asyncio.sleep(1.0)
            assert not await asyncio.to_thread(forger.arrive, 3.0)
            seen = await agent.observed()
            assert seen.state is ApplianceState.DEGRADED
            assert seen.problem is not None
            assert "packet filter" in seen.problem.detail
            with pytest.raises(ProblemError) as refused:
                await agent.put_desired(appliance.document(3), escalate=True)
            assert refused.value.problem.type == ProblemType.UNAVAILABLE.urn
        await conforming(agent)
    assert not forger.arrive(0.5)
