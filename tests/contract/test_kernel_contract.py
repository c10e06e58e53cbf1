"""One suite for every kernel: the fake that other tests rest on, and the real one (in a sandbox)."""

from __future__ import annotations

import asyncio
import ipaddress
import os
from collections.abc import AsyncIterator

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from causeway_agent import errors
from causeway_agent.backends.kernel import rtnl
from causeway_agent.engine import ports
from causeway_agent.plan.model.objects import (
    Address,
    Bridge,
    BridgePort,
    KernelObject,
    Link,
    ProxyNeighbour,
    Rule,
    Sysctl,
    Tun,
    Vlan,
)
from causeway_agent.plan.steer.operations import Drop, Put
from causeway_lab import sandbox
from tests.fakes.kernel import KernelModel, RefusedError
from tests.fakes.network import FakeKernel
from tests.real_kernel import NIC, OTHER, TUN, adapters, address, everything, route

FAKE_DEVICES = {"02:00:00:00:00:01": NIC, "02:00:00:00:00:02": OTHER}
BRIDGE = Bridge(device="cwb1195", mtu=1500)
TAP = Tun(device="cwt1195", mtu=1400, queue_length=2000, owner=None, ethernet=True)
VLAN = Vlan(device="cwv100-0a0b0c", parent=NIC, id=100, mtu=1400)
BASE: tuple[KernelObject, ...] = (
    Link(device=NIC, mtu=1500),
    address("192.0.2.1/24"),
    address("2001:db8::1/64"),
    BRIDGE,
    TAP,
)
SETTINGS = (
    Sysctl(key=f"net/ipv4/conf/{NIC}/proxy_arp", value="1"),
    Sysctl(key=f"net/ipv4/conf/{NIC}/proxy_arp", value="0"),
)
OBJECTS: tuple[KernelObject, ...] = (
    Link(device=NIC, mtu=1480),
    Tun(device="cwu1197", mtu=1500, queue_length=500, owner=None),
    Tun(device="cwu1199", mtu=1420, queue_length=2000, owner=os.getuid()),
    Tun(device="cwt1197", mtu=1500, queue_length=500, owner=None, ethernet=True),
    Bridge(device="cwb1197", mtu=1400),
    BridgePort(device=NIC, bridge=BRIDGE.device),
    BridgePort(device=TAP.device, bridge=BRIDGE.device, isolated=True),
    address("192.0.2.9/24"),
    address("198.51.100.1/25", prefix_route=False),
    address("100.64.0.1/32", peer=ipaddress.ip_address("100.64.0.2")),
    address("2001:db8:1::1/64"),
    address("2001:db8:2::1/64", prefix_route=False),
    address("fd00::1/128", peer=ipaddress.ip_address("fd00::2")),
    address("fe80::1/64"),
    route("203.0.113.0/24"),
    route("203.0.113.7/32", table=1195),
    route("0.0.0.0/0", via=ipaddress.ip_address("192.0.2.254")),
    route("0.0.0.0/0", via=ipaddress.ip_address("192.0.2.254"), metric=50, table=1195),
    route("0.0.0.0/0", TUN.device, table=1195),
    route("203.0.113.0/24", TUN.device, table=70000),
    route("10.9.0.0/16", via=ipaddress.ip_address("172.31.255.1")),
    route("2001:db8:5::/64"),
    route("2001:db8:5::7/128", table=1195),
    route("::/0", via=ipaddress.ip_address("2001:db8::fe")),
    route("::/0", via=ipaddress.ip_address("2001:db8::fe"), metric=50, table=1195),
    route("::/0", TUN.device, table=1195),
    route("2001:db8:5::/64", TUN.device, table=70000),
    Rule(version=4, priority=1000, table=1195, input_device=NIC),
    Rule(version=4, priority=1001, table=1195, source=ipaddress.ip_address("192.0.2.1")),
    Rule(version=4, priority=1002, table=254, input_device="cwnosuch"),
    Rule(version=4, priority=1002, table=254, input_device="lo", protocol=17),
    Rule(version=4, priority=1003, table=None, input_device="lo", protocol=17),
    Rule(version=4, priority=1004, table=65536, input_device="lo"),
    Rule(version=6, priority=1002, table=254, input_device="lo", protocol=58),
    Rule(version=6, priority=1003, table=None, input_device="lo", protocol=58),
    Rule(version=6, priority=1000, table=70000, input_device=TUN.device),
    Rule(version=6, priority=1001, table=1195, source=ipaddress.ip_address("2001:db8::1")),
    ProxyNeighbour(device=NIC, address=ipaddress.ip_address("192.0.2.20")),
    ProxyNeighbour(device=NIC, address=ipaddress.ip_address("192.0.2.21"), claimed=True),
    ProxyNeighbour(device=NIC, address=ipaddress.ip_address("2001:db8::20")),
    ProxyNeighbour(device=NIC, address=ipaddress.ip_address("2001:db8::21"), claimed=True),
)


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.kernel)])
async def kernel(request: pytest.FixtureRequest) -> AsyncIterator[ports.Kernel]:
    if request.param == "fake":
        yield FakeKernel(FAKE_DEVICES)
        return
    if not sandbox.inside():
        pytest.fail("changes networks: run it in a sandbox, with `make kernel`", pytrace=False)
    with adapters():
        async with rtnl.RtnlKernel.open() as opened:
            yield opened


async def look(kernel: ports.Kernel) -> frozenset[KernelObject]:
    return everything(await kernel.observe([NIC], SETTINGS))


@pytest.mark.parametrize("item", [*OBJECTS, *SETTINGS], ids=str)
async def test_what_is_put_is_observed_and_what_is_dropped_is_gone(
    kernel: ports.Kernel, item: KernelObject
) -> None:
    for base in (*BASE, TUN):
        await kernel.put(base)
    before = await look(kernel)
    await kernel.put(item)
    once = await look(kernel)
    await kernel.put(item)
    twice = await look(kernel)
    await kernel.drop(item)
    dropped = await look(kernel)
    await kernel.drop(item)
    assert item in once
    assert twice == once
    assert await look(kernel) == dropped
    if isinstance(item, Link | Sysctl):
        return
    assert once == before | {item}
    assert dropped == before


async def test_all_objects_stand_together(kernel: ports.Kernel) -> None:
    for item in (*BASE, TUN, *OBJECTS):
        await kernel.put(item)
    assert {TUN, BRIDGE, TAP, *OBJECTS} <= await look(kernel)


async def test_objects_of_a_missing_device_are_refused_and_dropping_them_is_harmless(
    kernel: ports.Kernel,
) -> None:
    orphans: tuple[KernelObject, ...] = (
        Link(device="cwnosuch", mtu=1500),
        Address(device="cwnosuch", interface=ipaddress.ip_interface("192.0.2.1/24")),
        route("203.0.113.0/24", "cwnosuch"),
        ProxyNeighbour(device="cwnosuch", address=ipaddress.ip_address("192.0.2.20")),
        Vlan(device="cwv9-000000", parent="cwnosuch", id=9, mtu=1500),
        BridgePort(device="cwnosuch", bridge=BRIDGE.device),
        BridgePort(device=NIC, bridge="cwbnosuch"),
    )
    await kernel.put(BRIDGE)
    for item in orphans:
        with pytest.raises(errors.BackendError):
            await kernel.put(item)
        await kernel.drop(item)


async def test_a_tun_takes_along_what_sits_on_it(kernel: ports.Kernel) -> None:
    on_it = (
        route("203.0.113.0/24", TUN.device),
        Address(TUN.device, ipaddress.ip_interface("100.64.0.1/32")),
    )
    for item in (*BASE, TUN, *on_it):
        await kernel.put(item)
    assert set(on_it) <= await look(kernel)
    await kernel.drop(TUN)
    assert not {*on_it, TUN} & await look(kernel)


async def test_a_bridge_lets_its_ports_go_and_a_tap_leaves_with_its_port(kernel: ports.Kernel) -> None:
    joined = BridgePort(TAP.device, BRIDGE.device, isolated=True), BridgePort(NIC, BRIDGE.device)
    for item in (*BASE, *joined):
        await kernel.put(item)
    await kernel.drop(TAP)
    assert {joined[1], BRIDGE} == {o for o in await look(kernel) if isinstance(o, BridgePort | Bridge)}
    await kernel.drop(BRIDGE)
    assert not [o for o in await look(kernel) if isinstance(o, BridgePort | Bridge)]


async def test_a_port_leaves_only_the_bridge_that_is_named(kernel: ports.Kernel) -> None:
    port = BridgePort(TAP.device, BRIDGE.device)
    for item in (*BASE, port):
        await kernel.put(item)
    await kernel.drop(BridgePort(TAP.device, "cwb1197"))
    assert port in await look(kernel)


async def test_a_tun_carries_no_frames_until_it_is_a_tap(kernel: ports.Kernel) -> None:
    plain = Tun(TAP.device, TAP.mtu, TAP.queue_length, TAP.owner)
    port = BridgePort(TAP.device, BRIDGE.device)
    for item in (*BASE, plain):
        await kernel.put(item)
    with pytest.raises(errors.BackendError):
        await kernel.put(port)
    await kernel.put(TAP)
    await kernel.put(port)
    assert {TAP, port} <= await look(kernel)
    await kernel.put(plain)
    assert not {TAP, port} & await look(kernel)


async def test_a_vlan_stands_once_on_its_trunk_or_is_refused_in_plain_words(kernel: ports.Kernel) -> None:
    """The fake makes VLANs. A real kernel that was asked and cannot must refuse as it said it would."""
    for item in BASE:
        await kernel.put(item)
    before = await look(kernel)
    if isinstance(kernel, rtnl.RtnlKernel) and not await kernel.makes_vlans():
        with pytest.raises(errors.BackendError, match=r"makes no 802\.1Q subinterfaces"):
            await kernel.put(VLAN)
        await kernel.drop(VLAN)
        assert await look(kernel) == before
        return
    on_it = Address(VLAN.device, ipaddress.ip_interface("198.51.100.1/25"))
    for item in (VLAN, VLAN, on_it):
        await kernel.put(item)
    assert await look(kernel) == before | {VLAN, on_it}
    with pytest.raises(errors.BackendError):
        await kernel.put(Vlan(device="cwv100-0d0e0f", parent=NIC, id=VLAN.id, mtu=1400))
    await kernel.drop(VLAN)
    await kernel.drop(VLAN)
    assert await look(kernel) == before


async def test_losing_the_last_ipv4_address_takes_routes_and_proxies_along(kernel: ports.Kernel) -> None:
    four = (route("203.0.113.0/24"), ProxyNeighbour(NIC, ipaddress.ip_address("192.0.2.20")))
    six = (route("2001:db8:5::/64"), ProxyNeighbour(NIC, ipaddress.ip_address("2001:db8::20")))
    for item in (*BASE, *four, *six, address("198.51.100.1/24")):
        await kernel.put(item)
    await kernel.drop(address("198.51.100.1/24"))
    assert {*four, *six} <= await look(kernel)
    await kernel.drop(address("192.0.2.1/24"))
    seen = await look(kernel)
    assert not set(four) & seen
    assert set(six) <= seen


GATEWAY = ipaddress.ip_address("192.0.2.254")
UNIVERSE: tuple[KernelObject, ...] = (
    *SETTINGS,
    *OBJECTS,
    TUN,
    Tun(device=TUN.device, mtu=1300, queue_length=2000, owner=TUN.owner),
    TAP,
    BRIDGE,
    Tun(device=TAP.device, mtu=1400, queue_length=2000, owner=None),
    BridgePort(device=TAP.device, bridge="cwb1197", learning=False),
    BridgePort(device=TUN.device, bridge=BRIDGE.device),
    address("198.51.100.1/25"),
    route("203.0.113.0/24", TUN.device),
    route("203.0.113.0/24", via=GATEWAY),
    route("203.0.113.0/24", metric=9),
    route("2001:db8:5::/64", TUN.device),
    ProxyNeighbour(device=NIC, address=ipaddress.ip_address("192.0.2.20"), claimed=True),
)
REFUSED = (
    Tun(device="cwt1195", mtu=1400, queue_length=2000, owner=None),
    BridgePort(device="cwt1195", bridge=BRIDGE.device, isolated=True),
)
"""A device without Ethernet frames is no port of a bridge, and stays up all the same."""
NEVER_DROPPED = (Link, Sysctl)
STEPS = st.lists(
    st.tuples(st.booleans(), st.sampled_from(UNIVERSE)).filter(
        lambda step: step[0] or not isinstance(step[1], NEVER_DROPPED)
    ),
    max_size=30,
)


async def _step(kernel: ports.Kernel, item: KernelObject, *, put: bool) -> bool:
    """Whether the kernel did it."""
    try:
        await (kernel.put(item) if put else kernel.drop(item))
    except errors.BackendError:
        return False
    return True


async def _agree(steps: list[tuple[bool, KernelObject]]) -> None:
    fake = FakeKernel(FAKE_DEVICES)
    async with rtnl.RtnlKernel.open() as real:
        for item in BASE:
            await fake.put(item)
            await real.put(item)
        for put, step in steps:
            done = await _step(real, step, put=put)
            assert await _step(fake, step, put=put) == done, step
        seen = [item for item in await look(real) if not isinstance(item, Sysctl)]
        imagined = [item for item in await look(fake) if not isinstance(item, Sysctl)]
    assert set(imagined) == set(seen)


@pytest.mark.kernel
@pytest.mark.timeout(90)
@settings(max_examples=40, deadline=None, phases=(Phase.explicit, Phase.generate, Phase.shrink))
@given(steps=STEPS)
@example(steps=[(True, step) for step in REFUSED])
@example(steps=[(True, route("203.0.113.0/24", via=GATEWAY)), (False, route("203.0.113.0/24"))])
@example(steps=[(True, route("203.0.113.0/24", mtu=1400)), (False, route("203.0.113.0/24"))])
def test_fake_kernel_agrees_with_real_kernel(steps: list[tuple[bool, KernelObject]]) -> None:
    assert sandbox.inside()
    with adapters():
        asyncio.run(_agree(steps))


async def _follow(steps: list[tuple[bool, KernelObject]]) -> None:
    model = KernelModel(frozenset({NIC, OTHER}))
    async with rtnl.RtnlKernel.open() as real:
        for put, item in [*((True, base) for base in BASE), *steps]:
            before = await look(real)
            dropped_otherwise = not put and item not in before
            if isinstance(item, Sysctl) or dropped_otherwise:
                continue
            try:
                model.apply(Put(item) if put else Drop(item))
            except RefusedError:
                continue
            await (real.put(item) if put else real.drop(item))
        seen = {item for item in await look(real) if not isinstance(item, Sysctl)}
    imagined = {*model.links, *model.tuns, *model.addresses, *model.routes, *model.rules, *model.proxies}
    imagined |= {*model.vlans, *model.bridges, *model.ports}
    assert imagined - {model.foreign} == seen


@pytest.mark.kernel
@pytest.mark.timeout(90)
@settings(max_examples=40, deadline=None, phases=(Phase.explicit, Phase.generate, Phase.shrink))
@given(steps=STEPS)
def test_the_model_behind_the_laws_of_planning_is_no_kinder_than_the_real_kernel(
    steps: list[tuple[bool, KernelObject]],
) -> None:
    assert sandbox.inside()
    with adapters():
        asyncio.run(_follow(steps))
