"""Paths that carry less than they should, told of or not: found out, followed down and up, and told on."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from causeway_agent.plan.model import path_size
from causeway_lab.assembly.lab import Lab, VmRef
from causeway_lab.service import drill
from causeway_lab.world import namespaces
from causeway_lab.world.console import Console
from causeway_lab.world.line.conditions import Blocked, Conditions, Direction
from causeway_lab.world.topology import original_of
from causeway_wire.observed import PathReport, Transport
from causeway_wire.types import IPAddress
from tests.kernel.bad_lines import WAYS, way_of

pytestmark = pytest.mark.kernel

DB, WEB = VmRef("acme", "db1"), VmRef("acme", "web1")
WEB4, DB4 = map(ipaddress.ip_address, ("192.168.10.11", "192.168.10.12"))
TENANT, PROVIDER = "acme-nea1", "acme-sp"
CLEAR = Conditions()
OCTETS = 600_000
PATIENCE = 20.0


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def extended(lab: Lab) -> AsyncIterator[Lab]:
    try:
        await drill.fail_over(lab, [DB])
        yield lab
    finally:
        await lab.lines.change("acme", CLEAR)
        await drill.undo(lab, [DB])
        await lab.machines.power_on(original_of(DB.tenant, DB.vm))


async def report(lab: Lab, appliance: str) -> PathReport | None:
    """What the end of db1's tunnel says about its path."""
    tunnels = (await lab.agent(appliance).observed()).tunnels
    return next((one.path for one in tunnels if one.path is not None), None)


async def follow(lab: Lab, up: int, down: int, *, version: int | None = None) -> PathReport:
    """Wait until both ends know what the line carries; given one, by packets of this IP version: a tunnel
    that has just changed it knows what the way before carried, until it has asked.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        here, there = await report(lab, TENANT), await report(lab, PROVIDER)
        if here is not None and there is not None:
            seen = (here.line_sends, here.line_receives, there.line_receives, there.line_sends)
            pairs = zip((up, down, up, down), seen, strict=True)
            known = all(found is not None and 0 <= is_ - found <= 2 for is_, found in pairs)
            if known and (version is None or all(_by(version, end) for end in (here, there))):
                return here
        assert time.monotonic() < deadline, (here, there)
        await asyncio.sleep(0.2)


def _by(version: int, end: PathReport) -> bool:
    return end.line_sends == end.sends + path_size.overhead(version, bridged=False)


async def change(lab: Lab, up: int, down: int, *, icmp: bool, line: Conditions = CLEAR) -> None:
    conditions = line.changed(Direction.UP, mtu=up, icmp=icmp).changed(Direction.DOWN, mtu=down, icmp=icmp)
    await lab.lines.change("acme", conditions)


async def streams(lab: Lab) -> None:
    """TCP there and back, over IPv4 and IPv6."""
    for address in lab.vm(DB).addresses:
        answer = await lab.original(WEB).call("tcp", address=str(address), size=OCTETS, patience=PATIENCE)
        assert answer["answered"], (address, answer)


def fragmented(lab_report: object) -> int:
    counters = getattr(lab_report, "counters")  # noqa: B009
    return sum(way.get("fragmented", 0) for way in counters.values())


async def told(guest: Console, to: IPAddress, size: int) -> None:
    """Wait until a guest that sends more than this is told so, and remembers; none of it ever arrives.

    What the agent has learnt is in its routes with its next look at the world, a moment later.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        namespaces.run(guest.name, "ip", "route", "flush", "cache")
        assert not (await guest.ping(to, size=size - 27, df=True)).received
        route = namespaces.run(guest.name, "ip", "route", "get", str(to))
        if f"mtu {size}" in route:
            return
        assert time.monotonic() < deadline, route


@pytest.mark.parametrize(
    ("up", "down", "icmp"),
    [
        (1400, 1400, False),
        (1492, 1440, True),
        (1500, 1340, False),
        (1280, 1280, False),
        (1500, 1500, True),
    ],
)
async def test_a_path_is_followed_down_and_up_each_way(
    extended: Lab, up: int, down: int, *, icmp: bool
) -> None:
    await change(extended, up, down, icmp=icmp)
    known = await follow(extended, up, down)
    before = fragmented(await extended.lines.report("acme"))
    await streams(extended)
    assert fragmented(await extended.lines.report("acme")) == before
    four = next(address for address in extended.vm(DB).addresses if address.version == 4)
    web = extended.original(WEB)
    assert (await web.ping(four, size=min(known.sends, known.receives) - 28, df=True, count=2)).received
    # A whole packet of the LAN's size makes the appliance tell; the host then remembers.
    for guest, to, size in ((web, four, known.sends), (extended.replica(DB), WEB4, known.receives)):
        await told(guest, to, size)
    assert (known.problem is not None) == (min(known.sends, known.receives) < path_size.IPV6_LEAST)


@pytest_asyncio.fixture(loop_scope="session")
async def outside_ipv6(extended: Lab) -> AsyncIterator[Conditions]:
    """A line that carries IPv6 only, the tunnel having found its way over it."""
    way = "udp over ipv6"
    line = WAYS[way]
    await extended.lines.change("acme", line)
    deadline = time.monotonic() + PATIENCE
    while await way_of(extended) != way:
        assert time.monotonic() < deadline, await way_of(extended)
        await asyncio.sleep(0.2)
    yield line
    await extended.lines.change("acme", CLEAR)


@pytest.mark.parametrize(
    ("up", "down", "icmp"), [(1400, 1400, False), (1500, 1300, True), (1500, 1500, True)]
)
async def test_a_path_over_ipv6_is_followed_down_and_up_each_way(
    extended: Lab, outside_ipv6: Conditions, up: int, down: int, *, icmp: bool
) -> None:
    """Routers do not cut IPv6: what does not fit is lost, whatever its sender allows."""
    await change(extended, up, down, icmp=icmp, line=outside_ipv6)
    known = await follow(extended, up, down, version=6)
    await streams(extended)
    four = extended.vm(DB).addresses[0]
    size = min(known.sends, known.receives) - 28
    assert (await extended.original(WEB).ping(four, size=size, df=True, count=2)).received
    await told(extended.original(WEB), four, known.sends)


async def test_a_tunnel_that_goes_another_way_is_never_taken_to_carry_more_than_that_does(
    extended: Lab,
) -> None:
    """Over IPv6 the same line leaves 20 octets less; from the first moment on, at both ends and in the
    kernel's routes.
    """
    line, added = 1400, path_size.overhead(6, bridged=False)
    await change(extended, line, line, icmp=False)
    await follow(extended, line, line)
    before = device_to_db()[0]
    await change(extended, line, line, icmp=False, line=WAYS["udp over ipv6"])
    deadline = time.monotonic() + PATIENCE
    found: dict[str, int] = {}
    while len(found) < 2 or min(found.values()) + added < line - 2:
        device, mtu = device_to_db()
        assert device == before or mtu + added <= line
        for appliance in (TENANT, PROVIDER):
            tunnel = (await extended.agent(appliance).observed()).tunnels[0]
            if tunnel.path is not None and (tunnel.remote or "").count(":") > 1:
                assert max(tunnel.path.sends, tunnel.path.receives) + added <= line, (appliance, tunnel)
                found[appliance] = tunnel.path.sends
        assert time.monotonic() < deadline, found
    await extended.lines.change("acme", CLEAR)


def device_to_db() -> tuple[str, int]:
    """The device that the tenant's appliance sends to db1 by, and its route's MTU."""
    listed = json.loads(namespaces.run(TENANT, "ip", "-j", "route", "show", "table", "all"))
    route = next(one for one in listed if one.get("dst") == str(DB4))
    return route["dev"], next(metric["mtu"] for metric in route["metrics"] if "mtu" in metric)


async def test_a_connection_survives_a_path_that_shrinks(extended: Lab) -> None:
    four = extended.vm(DB).addresses[0]
    stream = asyncio.create_task(
        extended.original(WEB).call("tcp", address=str(four), size=20_000_000, patience=60.0)
    )
    await asyncio.sleep(0.1)
    await change(extended, 1340, 1340, icmp=False)
    assert (await stream)["answered"]
    await follow(extended, 1340, 1340)


@pytest.mark.parametrize("size", [1400, 1300])
async def test_over_tcp_the_tunnel_carries_its_full_size_over_any_path(extended: Lab, size: int) -> None:
    """TCP cuts its stream; a tunnel that returns to UDP finds the path's size out again."""
    silent = CLEAR.changed(mtu=size, icmp=False)
    await extended.lines.change("acme", silent.changed(blocked=(Blocked.UDP,)))
    await over(extended, Transport.TCP)
    known = await streamed(extended)
    await streams(extended)
    four, six = extended.vm(DB).addresses[:2]
    for guest, addresses in (
        (extended.original(WEB), (four, six)),
        (extended.replica(DB), extended.vm(WEB).addresses[:2]),
    ):
        for address in addresses:
            headers = 28 if address.version == 4 else 48
            whole = await guest.ping(address, size=known.sends - headers, df=True, count=5)
            assert whole.received == 5, (guest.name, address)
            # IPv6 is cut by its sender alone, so first each end is told the size, by ICMP.
            await guest.ping(address, size=4000, count=3)
            cut = await guest.ping(address, size=4000, count=5)
            assert cut.received == 5, (guest.name, address)
    await extended.lines.change("acme", silent)
    await over(extended, Transport.UDP)
    await follow(extended, size, size)
    await streams(extended)


async def streamed(lab: Lab) -> PathReport:
    """Wait until both ends say that everything passes."""
    deadline = time.monotonic() + PATIENCE
    while True:
        here, there = await report(lab, TENANT), await report(lab, PROVIDER)
        if here is not None and there is not None:
            sizes = {(one.sends, one.receives, one.line_sends, one.line_receives) for one in (here, there)}
            if sizes == {(1500, 1500, None, None)}:
                assert (here.problem, there.problem) == (None, None)
                return here
        assert time.monotonic() < deadline, (here, there)
        await asyncio.sleep(0.2)


async def over(lab: Lab, transport: Transport) -> None:
    """Wait until db1's tunnel goes over this transport."""
    deadline = time.monotonic() + PATIENCE
    while True:
        tunnels = (await lab.agent(TENANT).observed()).tunnels
        if tunnels[0].transport is transport:
            return
        assert time.monotonic() < deadline, tunnels
        await asyncio.sleep(0.2)
