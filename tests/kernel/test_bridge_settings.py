"""Somebody changes a bridge or a port of it: it is seen as otherwise than it should be, and put right."""

from __future__ import annotations

import asyncio
import dataclasses
import subprocess
from collections.abc import AsyncIterator

import pytest

from causeway_agent.backends.kernel import rtnl
from causeway_agent.plan.model.objects import Bridge, BridgePort
from tests.real_kernel import NIC, OTHER, adapters, ip

pytestmark = pytest.mark.kernel

BRIDGE = Bridge(device="cwb1195", mtu=1500)
PORT = BridgePort(device=NIC, bridge=BRIDGE.device)
OF_PORTS = (
    *("hairpin on", "guard on", "flood off", "bcast_flood off", "mcast_flood off", "proxy_arp on"),
    *("neigh_suppress on", "locked on", "learning off", "isolated on"),
)
OF_BRIDGES = ("ageing_time 0", "group_fwd_mask 0", "stp_state 1", "mcast_snooping 1")


@pytest.fixture
async def kernel() -> AsyncIterator[rtnl.RtnlKernel]:
    with adapters():
        async with rtnl.RtnlKernel.open() as opened:
            await opened.put(BRIDGE)
            await opened.put(PORT)
            yield opened
            await opened.drop(BRIDGE)


@pytest.mark.parametrize("change", OF_PORTS)
async def test_every_setting_of_a_port_is_seen_and_put_right(kernel: rtnl.RtnlKernel, change: str) -> None:
    plain = shown(NIC)
    assert (await kernel.observe([NIC], [])).ports == {PORT}
    ip("link", "set", "dev", NIC, "type", "bridge_slave", *change.split())
    assert shown(NIC) != plain
    assert (await kernel.observe([NIC], [])).ports != {PORT}
    await kernel.put(PORT)
    assert (await kernel.observe([NIC], [])).ports == {PORT}
    assert shown(NIC) == plain


@pytest.mark.parametrize(("up", "forced", "right"), [(True, "0", "forwarding"), (False, "3", "disabled")])
async def test_a_port_forwards_when_its_bridge_is_up_and_only_then(
    kernel: rtnl.RtnlKernel, *, up: bool, forced: str, right: str
) -> None:
    await kernel.put(dataclasses.replace(BRIDGE, up=up))
    assert (await kernel.observe([NIC], [])).ports == {PORT}
    assert state(NIC) == right
    await force(forced, away_from=right)
    assert (await kernel.observe([NIC], [])).ports != {PORT}
    await kernel.put(PORT)
    assert (await kernel.observe([NIC], [])).ports == {PORT}
    assert state(NIC) == right


async def test_a_port_without_a_carrier_is_as_it_should_be(kernel: rtnl.RtnlKernel) -> None:
    ip("link", "set", OTHER, "down")
    assert state(NIC) == "disabled"
    assert (await kernel.observe([NIC], [])).ports == {PORT}
    await kernel.put(dataclasses.replace(PORT, learning=False))
    await kernel.put(PORT)
    ip("link", "set", OTHER, "up")


@pytest.mark.parametrize("change", OF_BRIDGES)
async def test_settings_of_a_bridge_are_seen_and_put_right(kernel: rtnl.RtnlKernel, change: str) -> None:
    assert (await kernel.observe([NIC], [])).bridges == {BRIDGE}
    ip("link", "set", "dev", BRIDGE.device, "type", "bridge", *change.split())
    assert (await kernel.observe([NIC], [])).bridges != {BRIDGE}
    await kernel.put(BRIDGE)
    assert (await kernel.observe([NIC], [])).bridges == {BRIDGE}
    assert f" {change} " not in shown(BRIDGE.device)


async def force(forced: str, *, away_from: str) -> None:
    """Set the port's state by hand. A change of its link that the kernel has not told yet undoes that."""
    async with asyncio.timeout(20):
        while True:
            command = ["bridge", "link", "set", "dev", NIC, "state", forced]
            await asyncio.to_thread(subprocess.run, command, check=True)
            await asyncio.sleep(0.3)
            if state(NIC) != away_from:
                return


def state(device: str) -> str:
    """Whether the port passes frames."""
    words = ip("-d", "-o", "link", "show", "dev", device).split()
    return words[words.index("bridge_slave") + 2]


def shown(device: str) -> str:
    """What ip(8) says of it, without its state and its timers."""
    words = ip("-d", "-o", "link", "show", "dev", device).split("bridge", 1)[1]
    timers = ("timer", "state")
    pairs = words.split()
    return " ".join(w for w, before in zip(pairs[1:], pairs, strict=False) if not before.endswith(timers))
