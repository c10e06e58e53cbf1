"""The line before a tenant's router: its conditions meet the tenant, and nobody else."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from causeway_lab.assembly.lab import Lab, VmRef
from causeway_lab.service import drill
from causeway_lab.world.line.conditions import Blocked, Conditions, Direction
from causeway_lab.world.topology import INTERNET_ADDRESSES

pytestmark = pytest.mark.kernel

CLEAR = Conditions()


@pytest_asyncio.fixture(loop_scope="session")
async def world(lab: Lab) -> AsyncIterator[Lab]:
    yield lab
    await lab.lines.change("acme", CLEAR)


async def _milliseconds(lab: Lab, tenant: str, version: int) -> float | None:
    address = next(one for one in INTERNET_ADDRESSES if one.version == version)
    answer = await lab.original(VmRef(tenant, "web1")).call("ping", address=str(address), patience=2.0)
    return min(answer["milliseconds"], default=None)


@pytest.mark.parametrize("version", [4, 6])
async def test_a_delay_meets_its_tenant_only(world: Lab, version: int) -> None:
    await world.lines.change("acme", CLEAR.changed(delay=0.1))
    assert (await _milliseconds(world, "acme", version) or 0) >= 200
    assert (await _milliseconds(world, "globex", version) or 1000) < 200


async def test_one_family_may_be_missing_outside(world: Lab) -> None:
    await world.lines.change("acme", CLEAR.changed(blocked=(Blocked.IPV4,)))
    assert await _milliseconds(world, "acme", 4) is None
    assert await _milliseconds(world, "acme", 6) is not None


async def test_its_counters_tell_what_became_of_packets(world: Lab) -> None:
    await world.lines.change("acme", CLEAR.changed(Direction.UP, loss=1.0))
    assert await _milliseconds(world, "acme", 4) is None
    report = await world.lines.report("acme")
    assert report.counters["up"]["lost"] >= 1
    assert "lost" not in report.counters["down"]


VM = VmRef("acme", "db1")
UDP, TCP = (Blocked.IPV4,), (Blocked.IPV4, Blocked.UDP)


@pytest.mark.parametrize(("blocked", "transport"), [(UDP, "udp"), (TCP, "tcp")])
async def test_a_failover_whose_only_way_outside_is_ipv6(
    world: Lab, blocked: tuple[Blocked, ...], transport: str
) -> None:
    await world.lines.change("acme", CLEAR.changed(blocked=blocked))
    await drill.fail_over(world, [VM])
    try:
        tunnel = (await world.agent("acme-nea1").observed()).tunnels[0]
        assert (tunnel.state, tunnel.transport) == ("connected", transport)
        assert (tunnel.remote or "").startswith("[2001:db8:ffff::1")
        neighbour = world.original(VmRef("acme", "web1"))
        for address in world.vm(VM).addresses:
            assert (await neighbour.ping(address, count=20)).received == 20
            stream = await neighbour.call("tcp", address=str(address), size=2_000_000, patience=20.0)
            assert stream["answered"]
        carried = (await world.lines.report("acme")).counters["up"]
        assert carried["forwarded"] > 20
    finally:
        await world.lines.change("acme", CLEAR)
        await drill.undo(world, [VM])
