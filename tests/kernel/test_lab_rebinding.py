"""A NAT before a whole site gives its tunnel another port or address, over each IP version outside."""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import sys
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec
import pytest
import pytest_asyncio

from causeway_lab.assembly.lab import Lab, VmRef
from causeway_lab.service import drill
from causeway_lab.world import namespaces
from causeway_lab.world.line.conditions import Blocked, Conditions
from causeway_lab.world.namespaces import WiringError
from tests.kernel.test_nat_rebinding import FORGET

pytestmark = pytest.mark.kernel

VM, NEIGHBOUR = VmRef("acme", "db1"), VmRef("acme", "web1")
CLEAR = Conditions()
GAP = 0.8
"""Seconds; the bound is generous, restarts are what must not be."""
OTHER = {4: Blocked.IPV6, 6: Blocked.IPV4}
FAMILIES = {4: "ip", 6: "ip6"}


@pytest_asyncio.fixture(params=[4, 6], ids=["ipv4 outside", "ipv6 outside"], loop_scope="session")
async def outside(lab: Lab, request: pytest.FixtureRequest) -> AsyncIterator[int]:
    """The tunnel is up over this IP version only, behind a line that translates ports."""
    line = CLEAR.changed(blocked=(OTHER[request.param],))
    await lab.lines.change("acme", msgspec.structs.replace(line, nat=True))
    try:
        await drill.fail_over(lab, [VM])
        yield request.param
    finally:
        await lab.lines.change("acme", CLEAR)
        await drill.undo(lab, [VM])


async def moves(lab: Lab, outside: int, *steps: Callable[[], Awaitable[None]]) -> None:
    """The site moves, and what runs through its tunnel goes on over the same connection."""
    agent = lab.agent("acme-nea1")
    before = (await agent.observed()).tunnels[0]
    gateway = (before.remote or "").rpartition(":")[0].strip("[]")
    assert ipaddress.ip_address(gateway).version == outside
    watch = lab.original(NEIGHBOUR).watch(lab.vm(VM).addresses[0], seconds=30.0)
    await watch.wait_first(10.0)
    for step in steps:
        await asyncio.sleep(0.7)
        await step()
    await asyncio.sleep(1.5)
    found = await watch.stop()
    assert found.longest_gap is not None
    assert found.last is not None
    assert found.gap_at is not None
    assert found.longest_gap < GAP
    after = (await agent.observed()).tunnels[0]
    assert (after.restarts, after.remote, after.state) == (before.restarts, before.remote, "connected")


async def test_a_tunnel_goes_on_from_another_port(lab: Lab, outside: int) -> None:
    rebind = functools.partial(lab.lines.rebind, "acme")
    await moves(lab, outside, rebind, rebind, rebind)


async def test_a_tunnel_goes_on_from_an_address_next_to_the_old_one(lab: Lab, outside: int) -> None:
    router = lab.topology.routers["acme"]
    port = lab.topology.machines[router].ports[-1]
    device = f"eth{len(lab.topology.machines[router].ports) - 1}"
    own = next(one for one in port.addresses if one.version == outside)
    others = [own.network.network_address + 140 + number for number in range(2)]

    async def move(address: object) -> None:
        await asyncio.to_thread(_translate, router, outside, str(address))

    try:
        for other in others:
            namespaces.run(
                router, "ip", "address", "add", f"{other}/{own.network.prefixlen}", "dev", device, "nodad"
            )
        await moves(lab, outside, *(functools.partial(move, other) for other in others))
    finally:
        _restore(router, device, [f"{other}/{own.network.prefixlen}" for other in others])


def _translate(router: str, version: int, address: str) -> None:
    """From now on the router's packets to gateways come from this address and another port."""
    to = f"[{address}]" if version == 6 else address
    text = (
        "table inet moved\ndelete table inet moved\ntable inet moved {\nchain out {\n"
        "type nat hook postrouting priority 90;\n"
        f"udp dport 6180 snat {FAMILIES[version]} to {to}:30000-50000 fully-random\n}}\n}}\n"
    )
    namespaces.run(router, "nft", "-f", "-", text=text)
    namespaces.run(router, sys.executable, "-c", FORGET)


def _restore(router: str, device: str, addresses: list[str]) -> None:
    namespaces.run(router, "nft", "-f", "-", text="table inet moved\ndelete table inet moved\n")
    for address in addresses:
        try:
            namespaces.run(router, "ip", "address", "delete", address, "dev", device)
        except WiringError:
            continue
    namespaces.run(router, sys.executable, "-c", FORGET)
