"""A tunnel that is down leaks nothing: what cannot go through it goes nowhere, on either side."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from causeway_lab.assembly.lab import Lab, VmRef
from causeway_lab.service import drill
from causeway_lab.world import capture, namespaces
from causeway_lab.world.topology import INTERNET_HOST, original_of

pytestmark = pytest.mark.kernel

DB, WEB = VmRef("acme", "db1"), VmRef("acme", "web1")
PROVIDER_ROUTER, PRODUCTION_ROUTER = "sp-router", "acme-router"
INTERNET = "203.0.113.99"


@pytest_asyncio.fixture(loop_scope="session")
async def cut(lab: Lab) -> AsyncIterator[Lab]:
    """The lab with one VM failed over and every gateway dead."""
    await drill.fail_over(lab, [DB])
    for gateway in lab.topology.gateways:
        await lab.hypervisor.power(gateway.id, on=False, grace=0)
    try:
        yield lab
    finally:
        for gateway in lab.topology.gateways:
            await lab.hypervisor.power(gateway.id, on=True, grace=0)
        await lab.undo([DB])
        await lab.machines.power_on(original_of(DB.tenant, DB.vm))


async def seen(lab: Lab, machine: str) -> set[str]:
    """Flows of the failed-over VM at this machine's first adapter, while both sides try to talk."""
    addresses = set(lab.vm(DB).addresses)
    async with capture.Capture(machine) as watching:
        for address in lab.vm(DB).addresses:
            await lab.original(WEB).call("udp", address=str(address), patience=0.5)
        for text in (INTERNET, *map(str, lab.vm(WEB).addresses)):
            await lab.replica(DB).call("udp", address=text, patience=0.5)
        await asyncio.sleep(0.2)
    return {
        f"{flow.protocol} {flow.source} > {flow.destination}"
        for flow in watching.result.flows
        if {flow.source, flow.destination} & addresses and not flow.housekeeping
    }


async def test_nothing_of_a_replica_appears_on_the_provider_s_network(cut: Lab) -> None:
    assert not await seen(cut, PROVIDER_ROUTER)
    pid = cut.agent_pid("acme-sp")
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)  # the control: without filter and rules the same packets do appear
    try:
        namespaces.run("acme-sp", "nft", "flush", "ruleset")
        namespaces.run("acme-sp", "ip", "rule", "del", "iif", "eth1")
        leaked = await seen(cut, PROVIDER_ROUTER)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert f"udp 192.168.10.12 > {INTERNET}" in leaked


async def test_nothing_for_a_replica_appears_beyond_the_tenant_s_appliance(cut: Lab) -> None:
    assert not await seen(cut, PRODUCTION_ROUTER)
    pid = cut.agent_pid("acme-nea1")
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        namespaces.run("acme-nea1", "nft", "flush", "ruleset")
        namespaces.run("acme-nea1", "ip", "route", "del", "192.168.10.12")
        namespaces.run("acme-nea1", "ip", "route", "add", "192.168.10.12", "via", "192.168.10.1")
        leaked = await seen(cut, PRODUCTION_ROUTER)
    finally:
        namespaces.run("acme-nea1", "ip", "route", "del", "192.168.10.12", "via", "192.168.10.1")
        os.kill(pid, signal.SIGCONT)
    assert "udp 192.168.10.11 > 192.168.10.12" in leaked


async def test_the_internet_hears_nothing_of_the_replica(cut: Lab) -> None:
    assert not await seen(cut, INTERNET_HOST)
