"""Isolation, each probe with its control: without the packet filter the same packets do arrive."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from causeway_lab.assembly.lab import Lab, VmRef
from causeway_lab.demo import proofs
from causeway_lab.service import drill
from causeway_lab.world import capture, namespaces
from causeway_lab.world.console import Console
from causeway_lab.world.topology import original_of
from causeway_wire.problem import ProblemError
from causeway_wire.types import IPAddress

pytestmark = pytest.mark.kernel

DB, WEB = VmRef("acme", "db1"), VmRef("acme", "web1")
CONTROL_SECONDS = 15.0
"""An address that was not resolved is asked for again after a second (arp(7), retrans_time), and what waited
for it is lost after three.
"""
APPLIANCES = ("acme-sp", "acme-nea1")
FORGED = [ipaddress.ip_address(text) for text in ("10.10.0.2", "192.168.20.11", "2001:db8:20::11")]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def extended(lab: Lab) -> AsyncIterator[Lab]:
    """The lab with one VM failed over."""
    try:
        await drill.fail_over(lab, [DB])
        yield lab
    finally:
        if DB in lab.failed_over():
            await lab.undo([DB])
        await lab.machines.power_on(original_of(DB.tenant, DB.vm))


@contextlib.contextmanager
def unfiltered(lab: Lab) -> Iterator[None]:
    """Both appliances without their packet filter, and with agents that cannot repair it meanwhile."""
    pids = [pid for name in APPLIANCES if (pid := lab.agent_pid(name)) is not None]
    assert len(pids) == len(APPLIANCES)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        for name in APPLIANCES:
            namespaces.run(name, "nft", "flush", "ruleset")
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


async def repaired(lab: Lab) -> None:
    """Until the agents have put their tables back, and forward again: lost twice within a minute, a filter
    has to stand for some seconds first.
    """
    async with asyncio.timeout(60):
        for name in APPLIANCES:
            while "causeway" not in namespaces.run(name, "nft", "list", "tables"):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await asyncio.sleep(1)  # within which a lost filter is noticed, and counted
        for name in APPLIANCES:
            while not await ready(lab, name):  # noqa: ASYNC110
                await asyncio.sleep(0.2)


async def ready(lab: Lab, name: str) -> bool:
    """Whether the appliance is as its document says."""
    try:
        return (await lab.agent(name).ready()).healthy
    except ProblemError:
        return False


async def arrives(
    sender: Console, receiver: Console, source: IPAddress, address: IPAddress, *, seconds: float = 0.3
) -> bool:
    """Whether a packet of this source, forged or not, arrives within so many seconds; sent once a second."""
    async with capture.Capture(receiver.name) as seen:
        began = time.monotonic()
        sent = 0
        while (passed := time.monotonic() - began) < seconds:
            if passed >= sent:
                await sender.call("spoof", source=str(source), address=str(address))
                sent += 1
            if any(flow.source == source for flow in seen.result.flows):
                return True
            await asyncio.sleep(0.02)
    return False


def _target(lab: Lab, source: IPAddress) -> IPAddress:
    """The production VM's address of the same family."""
    return next(address for address in lab.vm(WEB).addresses if address.version == source.version)


@pytest.mark.parametrize("forged", FORGED, ids=str)
async def test_a_replica_cannot_forge_its_source(extended: Lab, forged: IPAddress) -> None:
    replica, web = extended.replica(DB), extended.original(WEB)
    target = _target(extended, forged)
    own = next(each for each in extended.vm(DB).addresses if each.version == forged.version)
    # The way is open, and the replica knows it: agents that stand still answer no solicitation.
    assert await arrives(replica, web, own, target, seconds=CONTROL_SECONDS)
    assert not await arrives(replica, web, forged, target)
    with unfiltered(extended):
        assert await arrives(replica, web, forged, target, seconds=CONTROL_SECONDS)
    await repaired(extended)
    assert not await arrives(replica, web, forged, target)


@pytest.mark.parametrize("version", [4, 6])
async def test_a_replica_that_is_not_failed_over_sends_nothing_out(extended: Lab, version: int) -> None:
    old, addresses = proofs.old_replica(extended, "acme")
    web = extended.original(WEB)
    own = next(address for address in addresses if address.version == version)
    target = _target(extended, own)
    # Nobody tells it where production is; it is taken to have found out.
    mac = extended.tenant("acme").server.vlans["net1"].mac
    entry = (str(target), "lladdr", mac, "dev", "eth0")
    namespaces.run(old.name, "ip", "neigh", "replace", *entry, "nud", "permanent")
    try:
        assert not await arrives(old, web, own, target)
        with unfiltered(extended):
            assert await arrives(old, web, own, target, seconds=CONTROL_SECONDS)
    finally:
        await repaired(extended)
        namespaces.run(old.name, "ip", "neigh", "del", *entry)
    assert not await arrives(old, web, own, target)


async def test_a_deleted_filter_is_back_by_itself(extended: Lab) -> None:
    for name in APPLIANCES:
        namespaces.run(name, "nft", "flush", "ruleset")
    await repaired(extended)
    await proofs.reachable(
        extended.original(WEB),
        extended.vm(DB).addresses,
        host="acme-db1-replica",
        client=proofs.addresses_of(extended, "acme-web1"),
    )
