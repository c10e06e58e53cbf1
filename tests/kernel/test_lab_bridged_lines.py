"""A bridged extension over a bad line, by each transport and over each IP version outside."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from causeway_lab.assembly.lab import Lab, VmRef
from causeway_lab.service import drill
from causeway_lab.world import topology
from causeway_lab.world.line.conditions import Blocked, Conditions
from causeway_wire.desired import Extension

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(120),
]

VM, NEIGHBOUR = VmRef("acme", "db1"), VmRef("acme", "web1")
PATIENCE = 30.0
CLEAR = Conditions()
WAYS = {
    "udp over ipv4": CLEAR.changed(blocked=(Blocked.IPV6,)),
    "udp over ipv6": CLEAR.changed(blocked=(Blocked.IPV4,)),
    "tcp over ipv4": CLEAR.changed(blocked=(Blocked.IPV6, Blocked.UDP)),
    "tcp over ipv6": CLEAR.changed(blocked=(Blocked.IPV4, Blocked.UDP)),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bridged() -> AsyncIterator[Lab]:
    """One tenant with one network, extended bridged; a VM is failed over."""
    lab = Lab(topology.build(tenants=1, networks=1, gateways=1, extension=Extension.BRIDGED))
    await lab.up()
    try:
        await drill.fail_over(lab, [VM])
        yield lab
    finally:
        await lab.down()


async def way_of(lab: Lab) -> str:
    """How the tunnel goes while it is up."""
    found = (await lab.agent("acme-nea1").observed()).tunnels[0]
    version = "ipv6" if (found.remote or "").startswith("[") else "ipv4"
    return f"{found.transport} over {version}" if found.state == "connected" else ""


@pytest.mark.parametrize("way", WAYS)
async def test_frames_cross_and_pauses_lose_none(bridged: Lab, way: str) -> None:
    await bridged.lines.change("acme", WAYS[way])
    deadline = time.monotonic() + PATIENCE
    while await way_of(bridged) != way:
        assert time.monotonic() < deadline, await way_of(bridged)
        await asyncio.sleep(0.1)
    original, replica = bridged.original(NEIGHBOUR), bridged.replica(VM)
    for guest, addresses in (
        (original, bridged.vm(VM).addresses),
        (replica, bridged.vm(NEIGHBOUR).addresses),
    ):
        for address in addresses:
            whole = 1500 - (28 if address.version == 4 else 48)
            assert (await guest.ping(address, size=whole, df=True, count=3)).received
            assert (await guest.call("tcp", address=str(address), size=600_000, patience=PATIENCE))[
                "answered"
            ]
    before = (await bridged.agent("acme-nea1").observed()).tunnels[0].restarts
    watch = original.watch(bridged.vm(VM).addresses[0], seconds=PATIENCE, interval=0.008)
    await watch.wait_first(10.0)
    await bridged.lines.change("acme", WAYS[way].changed(pause_every=2.5, pause_for=0.8))
    await asyncio.sleep(5.5)
    await bridged.lines.change("acme", WAYS[way])
    await asyncio.sleep(1.5)
    found = await watch.stop()
    assert (found.longest_gap or 0) > 0.4, "the line did pause"
    assert found.received == found.sent
    assert (await bridged.agent("acme-nea1").observed()).tunnels[0].restarts == before
    assert await way_of(bridged) == way
