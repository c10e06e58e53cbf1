"""A machine that sends more than its tunnel carries is held to a share.

Its neighbours' echoes and new connections get through the same tunnel meanwhile.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from causeway_lab.assembly.lab import Lab, VmRef
from causeway_lab.service import drill
from causeway_lab.world import namespaces
from causeway_lab.world.line.conditions import Blocked, Conditions
from causeway_lab.world.topology import controller_of, original_of, replica_of
from causeway_wire.observed import Transport
from tests.kernel import bridged_lab
from tests.kernel.bridged_lab import HOST, MACS
from tests.kernel.processes_lab import until

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(150)]

TENANT = "acme"
DB, WEB = VmRef(TENANT, "db1"), VmRef(TENANT, "web1")
ROUTER, CONTROLLER = f"{TENANT}-router", controller_of(TENANT)
ECHOES, ANSWERED = 40, 34
"""Echoes sent, and how many must be answered: of a full queue it is half of them."""
_FLOOD = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
with socket.socket(family, socket.SOCK_DGRAM) as sock:
    sock.connect((sys.argv[1], 9))
    while True:
        try:
            sock.send(bytes(int(sys.argv[2])))
        except OSError:  # nobody listens there, which ICMP says now and then; or a buffer is full
            pass
"""
_CONNECT = """
import socket, sys
for _ in range(3):
    try:
        socket.create_connection((sys.argv[1], 9), 4).close()
        print("accepted")
    except ConnectionRefusedError:
        print("answered")
    except OSError:
        print("nothing")
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def extended(lab: Lab) -> AsyncIterator[Lab]:
    """Both VMs of one network are failed over."""
    try:
        await drill.fail_over(lab, (DB, WEB))
        yield lab
    finally:
        await drill.undo(lab, [ref for ref in (DB, WEB) if ref in lab.failed_over()])
        for ref in (DB, WEB):
            await lab.machines.power_on(original_of(ref.tenant, ref.vm))


@asynccontextmanager
async def flooding(machine: str, address: str, *, octets: int = 64) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(
        *namespaces.within(machine, sys.executable, "-c", _FLOOD, address, str(octets))
    )
    try:
        yield
    finally:
        process.kill()
        await process.wait()


async def said(machine: str, *command: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *namespaces.within(machine, *command), stdout=asyncio.subprocess.PIPE
    )
    return (await process.communicate())[0].decode()


async def answered(machine: str, address: str) -> int:
    """How many echoes are."""
    told = await said(machine, "ping", "-n", "-q", "-c", str(ECHOES), "-i", "0.05", "-W", "2", address)
    return int(told.split(" received")[0].split()[-1])


def address_of(lab: Lab, machine: str, version: int) -> str:
    addresses = (one.ip for one in lab.topology.machines[machine].ports[0].addresses)
    return str(next(one for one in addresses if one.version == version))


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("side", ["production", "provider"])
async def test_a_flood_leaves_the_neighbours_their_share(extended: Lab, side: str, version: int) -> None:
    replicas = [replica_of(TENANT, ref.vm) for ref in (DB, WEB)]
    if side == "production":
        (hog, neighbour), (flooded, asked), box = (CONTROLLER, ROUTER), replicas, f"{TENANT}-nea1"
    else:
        (hog, neighbour), (flooded, asked), box = replicas, (CONTROLLER, ROUTER), f"{TENANT}-sp"
    mac = extended.topology.machines[hog].ports[0].mac
    agent, address = extended.agent(box), address_of(extended, asked, version)
    async with asyncio.timeout(30):
        while await answered(neighbour, address) < ANSWERED:
            pass
    async with flooding(hog, address_of(extended, flooded, version)):
        async with asyncio.timeout(40):
            while mac not in {each.mac for each in (await agent.observed()).slowed}:
                pass
        async with asyncio.timeout(60):
            while await answered(neighbour, address) < ANSWERED:
                pass
            while "nothing" in await said(neighbour, sys.executable, "-c", _CONNECT, address):
                pass
        seen = await agent.observed()
    assert {each.mac for each in seen.slowed} == {mac}
    assert seen.problem is not None
    assert "tunnel-full" in seen.problem.type
    assert sum(each.packets for each in seen.counters if each.name == "drop_excess") > 1000


@pytest_asyncio.fixture(loop_scope="session")
async def over_tcp(extended: Lab) -> AsyncIterator[Lab]:
    """The tunnel goes over TCP, on a line of 20 Mbit/s."""
    agent = extended.agent(f"{TENANT}-nea1")
    await extended.lines.change(TENANT, Conditions().changed(rate=20_000_000, blocked=(Blocked.UDP,)))
    async with asyncio.timeout(60):
        while (await agent.observed()).tunnels[0].transport is not Transport.TCP:
            pass
    try:
        yield extended
    finally:
        await extended.lines.change(TENANT, Conditions())


@pytest.mark.parametrize("version", [4, 6])
async def test_a_flood_out_of_the_provider_s_end_over_tcp_leaves_the_neighbours_their_share(
    over_tcp: Lab, version: int
) -> None:
    """Its server reads on when its connection is full, and drops where no device counts."""
    (hog, neighbour), (flooded, asked) = (
        (replica_of(TENANT, ref.vm) for ref in (DB, WEB)),
        (CONTROLLER, ROUTER),
    )
    mac = over_tcp.topology.machines[hog].ports[0].mac
    agent, address = over_tcp.agent(f"{TENANT}-sp"), address_of(over_tcp, asked, version)
    async with asyncio.timeout(30):
        while await answered(neighbour, address) < ANSWERED:
            pass
    async with flooding(hog, address_of(over_tcp, flooded, version), octets=1300):
        async with asyncio.timeout(40):
            while mac not in {each.mac for each in (await agent.observed()).slowed}:
                pass
        async with asyncio.timeout(60):
            while await answered(neighbour, address) < ANSWERED:
                pass
            while "nothing" in await said(neighbour, sys.executable, "-c", _CONNECT, address):
                pass
        seen = await agent.observed()
    assert {each.mac for each in seen.slowed} == {mac}


def test_a_flood_of_frames_leaves_the_neighbours_their_share(tmp_path: Path) -> None:
    with bridged_lab.lab(tmp_path) as lab:
        lab.begin("replica", "other")
        lab.opened()
        with lab.popen("other", "flood", HOST, "40"):
            until(lambda: MACS["other"] in lab.provider.ask("slowed"), 30)
            echoes = ("ping", "-n", "-q", "-c", str(ECHOES), "-i", "0.05", "-W", "2", HOST)
            until(
                lambda: int(lab.inside("replica", *echoes).split(" received")[0].split()[-1]) >= ANSWERED,
                25,
            )
            assert lab.provider.ask("slowed") == [MACS["other"]]
            assert lab.provider.drops("drop_excess_frames") > 1000
