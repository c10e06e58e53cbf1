"""What our packet filter costs: processor time per packet on each appliance of an extension.

The VPN processes stand still meanwhile, so that a sender's system calls carry each packet as far as the tun
device's queue (tenant and provider appliance) or the server's full socket (gateway), and the sender's
processor time is the whole way through one appliance. Without means: our table asleep, or on the gateway,
which is nothing without translation, the translation alone. Both take turns in one run.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import statistics
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

from benchmarks import report, world
from causeway_lab.assembly.lab import Lab
from causeway_lab.service import drill
from causeway_lab.world import namespaces, topology
from causeway_lab.world.topology import INTERNET_HOST, original_of, replica_of

ROUNDS = 15
TARGET = 0.8
"""Microseconds per packet and appliance."""
TENANT, PROVIDER, GATEWAY = "acme-nea1", "acme-sp", "gateway1"
_ASLEEP = "add table inet causeway { flags dormant; }\n"
_AWAKE = "add table inet causeway\n"
_EMPTY = "flush chain inet causeway screen\nflush chain inet causeway forward\n"
_TRANSLATION = f"{_EMPTY}add chain inet causeway forward {{ policy accept; }}\n"
_SECONDS = 0.4
_SENDER = """
import socket, sys, time
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sender.connect((sys.argv[2], 9))
send = lambda: sender.send(bytes(1400))
"""
_RAW_SENDER = """
import socket, struct, sys, time
source, port, target = sys.argv[2], int(sys.argv[3]), sys.argv[4]
udp = struct.pack("!HHHH", port, 6180, 8 + 1440, 0) + bytes([0x48]) + bytes(1439)
addresses = socket.inet_aton(source) + socket.inet_aton(target)
packet = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 1, 0x4000, 64, 17, 0) + addresses + udp
sender = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
send = lambda: sender.sendto(packet, (target, 0))
"""
_MEASURE = """
for _ in range(3000):
    send()
end, sent, began = time.monotonic() + float(sys.argv[1]), 0, time.process_time()
while time.monotonic() < end:
    for _ in range(100):
        send()
    sent += 100
print((time.process_time() - began) / sent * 1e6)
"""


@dataclass(frozen=True)
class Way:
    """A packet's way through one appliance, and what the appliance is without our filter."""

    name: str
    appliance: str
    sender: str
    command: tuple[str, ...]
    without: str
    again: str
    """The commands that put the filter in force again."""
    beside: str
    """What is left without it."""
    found: dict[bool, list[float]] = field(default_factory=lambda: {True: [], False: []})

    async def measure(self, *, filtered: bool) -> None:
        """Microseconds per packet, once."""
        process = await asyncio.create_subprocess_exec(
            *namespaces.within(self.sender, *self.command), stdout=asyncio.subprocess.PIPE
        )
        output, _ = await asyncio.wait_for(process.communicate(), 30)
        self.found[filtered].append(float(output))


async def figures() -> list[report.Figure]:
    """Measure in a lab of its own."""
    async with world.lab(topology.build(tenants=1, networks=1, gateways=1)) as lab:
        await drill.fail_over(lab, [world.VM])
        await world.settle()
        ways = _ways()
        async with _still(lab):
            for _ in range(ROUNDS):
                for way in ways:
                    await way.measure(filtered=True)
                    with _changed(way):
                        await way.measure(filtered=False)
    return [_figure(way) for way in ways]


def _ways() -> tuple[Way, ...]:
    known = namespaces.run(GATEWAY, "nft", "list", "set", "inet", "causeway", "known")
    flow = re.search(r"([\d.]+) \. (\d+)", known)
    if flow is None:
        raise RuntimeError("no tunnel is connected over UDP")
    web, replica = original_of("acme", "web1"), replica_of("acme", "db1")
    udp = (sys.executable, "-c", _SENDER + _MEASURE, str(_SECONDS))
    raw = (sys.executable, "-c", _RAW_SENDER + _MEASURE, str(_SECONDS), flow[1], flow[2], "203.0.113.10")
    chains = "".join(
        namespaces.run(GATEWAY, "nft", "list", "chain", "inet", "causeway", name)
        for name in ("screen", "forward")
    )
    none, translation = "no filter", "translation alone"
    return (
        Way("production to tunnel", TENANT, web, (*udp, "192.168.10.12"), _ASLEEP, _AWAKE, none),
        Way("replica to tunnel", PROVIDER, replica, (*udp, "192.168.10.11"), _ASLEEP, _AWAKE, none),
        Way("through the gateway", GATEWAY, INTERNET_HOST, raw, _TRANSLATION, _EMPTY + chains, translation),
    )


@contextlib.contextmanager
def _changed(way: Way) -> Iterator[None]:
    namespaces.run(way.appliance, "nft", "-f", "-", text=way.without)
    try:
        yield
    finally:
        namespaces.run(way.appliance, "nft", "-f", "-", text=way.again)


@contextlib.asynccontextmanager
async def _still(lab: Lab) -> AsyncIterator[None]:
    """Agents and VPN processes stand still."""
    stopped = [pid for name in (TENANT, PROVIDER, GATEWAY) for pid in world.pids(name, "openvpn")]
    stopped += [pid for name in (TENANT, PROVIDER, GATEWAY) if (pid := lab.agent_pid(name)) is not None]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in stopped:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def _figure(way: Way) -> report.Figure:
    costs = [mine - bare for mine, bare in zip(way.found[True], way.found[False], strict=True)]
    bare = statistics.median(way.found[False])
    name = f"our filter, {way.name}"
    beside = f"{way.beside}, {bare:.2f}"
    return report.figure(name, costs, "us/packet", target=TARGET, better="lower", compared_with=beside)
