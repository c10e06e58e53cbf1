"""The line before a tenant's router: its conditions meet the tenant, and nobody else."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from causeway_controller.lab.lab import Lab, VmRef
from causeway_controller.lab.line.conditions import Blocked, Conditions, Direction
from causeway_controller.lab.topology import INTERNET_ADDRESSES

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
