"""The rtnetlink adapter against a real kernel: what only the real one can show. The rest is the contract."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
from collections.abc import AsyncIterator

import pytest

from causeway_agent import errors
from causeway_agent.backends.kernel import rtnl
from causeway_agent.plan.model.objects import Address, KernelObject, Link, ProxyNeighbour, Rule, Sysctl, Tun
from tests.real_kernel import NIC, OTHER, TUN, adapters, address, everything, ip, route

pytestmark = pytest.mark.kernel


BASE = (address("192.0.2.1/24"), address("2001:db8::1/64"))


@pytest.fixture
async def kernel() -> AsyncIterator[rtnl.RtnlKernel]:
    with adapters():
        async with rtnl.RtnlKernel.open() as opened:
            yield opened


async def look(kernel: rtnl.RtnlKernel, *sysctls: Sysctl) -> frozenset[KernelObject]:
    return everything(await kernel.observe([NIC], sysctls))


async def test_objects_of_a_missing_device_are_refused_and_dropping_them_is_harmless(
    kernel: rtnl.RtnlKernel,
) -> None:
    orphans: tuple[KernelObject, ...] = (
        Link(device="cwnosuch", mtu=1500),
        Address(device="cwnosuch", interface=ipaddress.ip_interface("192.0.2.1/24")),
        route("203.0.113.0/24", "cwnosuch"),
        ProxyNeighbour(device="cwnosuch", address=ipaddress.ip_address("192.0.2.20")),
    )
    for item in orphans:
        with pytest.raises(errors.BackendError, match="there is no device cwnosuch"):
            await kernel.put(item)
        await kernel.drop(item)


@pytest.mark.parametrize("version", [4, 6])
async def test_a_route_moves_between_devices_and_gateways_without_a_gap(
    kernel: rtnl.RtnlKernel, version: int
) -> None:
    prefix, gateway = (
        ("203.0.113.0/24", "192.0.2.254") if version == 4 else ("2001:db8:5::/64", "2001:db8::fe")
    )
    for base in (*BASE, TUN):
        await kernel.put(base)
    by_tun = route(prefix, TUN.device, table=1195)
    by_nic = route(prefix, table=1195)
    by_gateway = route(prefix, table=1195, via=ipaddress.ip_address(gateway))
    for item in (by_tun, by_nic, by_gateway, by_tun, by_gateway, by_nic):
        await kernel.put(item)
        assert (await kernel.observe([NIC], [])).routes == {item}
    await kernel.drop(by_tun)
    assert (await kernel.observe([NIC], [])).routes == {by_nic}


@pytest.mark.parametrize("destination", ["203.0.113.0/24", "2001:db8:5::/64"])
async def test_dropping_a_route_spares_the_same_route_with_another_metric(
    kernel: rtnl.RtnlKernel, destination: str
) -> None:
    other = route(destination, metric=7)
    await kernel.put(other)
    await kernel.drop(route(destination))
    assert (await kernel.observe([NIC], [])).routes == {other}


@pytest.mark.parametrize("destination", ["203.0.113.0/24", "2001:db8:5::/64"])
async def test_routes_of_others_are_neither_seen_nor_replaced_nor_dropped(
    kernel: rtnl.RtnlKernel, destination: str
) -> None:
    version = "-6" if ":" in destination else "-4"
    ip(version, "route", "add", destination, "dev", NIC, "proto", "static")
    item = route(destination)
    with pytest.raises(errors.BackendError, match="another program"):
        await kernel.put(item)
    await kernel.drop(item)
    assert item not in await look(kernel)
    assert "static" in ip(version, "route", "show", destination)
    ip(version, "route", "delete", destination, "dev", NIC)


async def test_rules_of_others_are_neither_seen_nor_dropped(kernel: rtnl.RtnlKernel) -> None:
    ip("rule", "add", "iif", NIC, "lookup", "1195", "priority", "1000", "protocol", "static")
    item = Rule(version=4, priority=1000, table=1195, input_device=NIC)
    with contextlib.suppress(errors.BackendError):
        await kernel.put(item)
    await kernel.drop(item)
    assert item not in await look(kernel)
    assert "static" in ip("-details", "rule", "show", "priority", "1000")
    ip("rule", "delete", "priority", "1000")


@pytest.mark.parametrize("text", ["192.0.2.9/24", "2001:db8:1::1/64"])
async def test_an_address_with_other_options_is_made_anew(kernel: rtnl.RtnlKernel, text: str) -> None:
    for item in (address(text), address(text, prefix_route=False), address(text)):
        await kernel.put(item)
        assert (await kernel.observe([NIC], [])).addresses == {item}


async def test_an_ipv6_address_takes_another_prefix_length(kernel: rtnl.RtnlKernel) -> None:
    for item in (address("2001:db8:1::1/64"), address("2001:db8:1::1/48")):
        await kernel.put(item)
        assert (await kernel.observe([NIC], [])).addresses == {item}


async def test_an_address_takes_another_peer(kernel: rtnl.RtnlKernel) -> None:
    for peer in ("100.64.0.2", "100.64.0.3"):
        item = address("100.64.0.1/32", peer=ipaddress.ip_address(peer))
        await kernel.put(item)
        assert (await kernel.observe([NIC], [])).addresses == {item}


async def test_a_claim_can_be_made_and_given_up(kernel: rtnl.RtnlKernel) -> None:
    for number in (False, True, False):
        item = ProxyNeighbour(device=NIC, address=ipaddress.ip_address("192.0.2.20"), claimed=number)
        await kernel.put(item)
        assert (await kernel.observe([NIC], [])).proxies == {item}


async def test_a_tun_changes_in_place(kernel: rtnl.RtnlKernel) -> None:
    through = route("203.0.113.0/24", TUN.device)
    await kernel.put(TUN)
    await kernel.put(through)
    changed = Tun(device=TUN.device, mtu=1300, queue_length=100, owner=os.getuid())
    await kernel.put(changed)
    seen = await kernel.observe([NIC], [])
    assert seen.tuns == {changed}
    assert seen.routes == {through}


async def test_a_tun_loses_its_owner_by_being_made_anew(kernel: rtnl.RtnlKernel) -> None:
    free = Tun(device=TUN.device, mtu=TUN.mtu, queue_length=TUN.queue_length, owner=None)
    await kernel.put(TUN)
    await kernel.put(free)
    assert (await kernel.observe([NIC], [])).tuns == {free}


async def test_a_tun_that_is_down_equals_no_wanted_one_but_is_known(kernel: rtnl.RtnlKernel) -> None:
    await kernel.put(TUN)
    ip("link", "set", TUN.device, "down")
    (seen,) = (await kernel.observe([NIC], [])).tuns
    assert seen.device == TUN.device
    assert seen != TUN


async def test_things_on_devices_nobody_named_are_not_ours(kernel: rtnl.RtnlKernel) -> None:
    ip("address", "add", "198.51.100.5/24", "dev", OTHER)
    ip("neighbour", "add", "proxy", "198.51.100.9", "dev", OTHER)
    assert not {item for item in await look(kernel) if getattr(item, "device", None) == OTHER}


async def test_a_sysctl_is_written_and_read_back_in_normal_form(kernel: rtnl.RtnlKernel) -> None:
    wanted = (
        Sysctl(key=f"net/ipv4/conf/{NIC}/proxy_arp", value="1"),
        Sysctl(key=f"net/ipv4/neigh/{NIC}/proxy_delay", value="0"),
        Sysctl(key="net/ipv4/tcp_rmem", value="4096 131072 6291456"),
    )
    for item in wanted:
        await kernel.put(item)
        await kernel.put(item)
    assert set(wanted) <= await look(kernel, *wanted)


async def test_a_sysctl_that_does_not_exist_is_refused_and_not_observed(kernel: rtnl.RtnlKernel) -> None:
    missing = Sysctl(key="net/ipv4/conf/cwnosuch/proxy_arp", value="1")
    with pytest.raises(errors.BackendError, match="No such file"):
        await kernel.put(missing)
    assert missing not in await look(kernel, missing)


async def test_adapters_are_known_by_mac_address_and_tuns_are_none(kernel: rtnl.RtnlKernel) -> None:
    await kernel.put(TUN)
    await kernel.put(address("192.0.2.1/24"))
    devices = await kernel.devices()
    (nic,) = [report for report in await kernel.nics() if report.device == NIC]
    assert set(devices.values()) == {NIC, OTHER}
    assert devices[nic.mac] == NIC
    assert nic.up
    assert nic.addresses == ("192.0.2.1/24",)


async def test_a_thousand_routes_are_observed(kernel: rtnl.RtnlKernel) -> None:
    wanted = {route(f"10.50.{n // 250}.{n % 250}/32", table=1195) for n in range(1000)}
    for item in wanted:
        await kernel.put(item)
    assert (await kernel.observe([NIC], [])).routes == wanted


async def test_requests_in_parallel_do_not_mix_answers(kernel: rtnl.RtnlKernel) -> None:
    wanted = {route(f"10.50.0.{n}/32", table=1195) for n in range(50)}
    async with asyncio.TaskGroup() as group:
        for item in wanted:
            group.create_task(kernel.put(item))
        looks = [group.create_task(look(kernel)) for _ in range(5)]
    assert all(looked.done() for looked in looks)
    assert (await kernel.observe([NIC], [])).routes == wanted
