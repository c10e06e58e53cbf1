"""Partial failover from end to end: refused, done, undone, and kept alive; real agents, real packets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from causeway_lab.assembly.lab import Lab, LabError, VmRef
from causeway_lab.demo import proofs
from causeway_lab.service import drill
from causeway_lab.world.topology import original_of
from causeway_wire.observed import ApplianceState
from causeway_wire.problem import ProblemError

pytestmark = pytest.mark.kernel

DB = VmRef("acme", "db1")


@pytest_asyncio.fixture(loop_scope="session")
async def idle(lab: Lab) -> AsyncIterator[Lab]:
    """The lab; whatever the test leaves failed over or powered off is put right."""
    yield lab
    if DB in lab.failed_over():
        await lab.undo([DB])
    await lab.machines.power_on(original_of(DB.tenant, DB.vm))


async def test_a_failover_is_refused_while_the_original_answers(idle: Lab) -> None:
    assert "192.168.10.12" in await proofs.guarded(idle, DB)
    web = idle.original(VmRef("acme", "web1"))
    await proofs.returned(idle, DB, web)


async def test_undo_gives_the_address_back(idle: Lab) -> None:
    web = idle.original(VmRef("acme", "web1"))
    await drill.fail_over(idle, [DB])
    await drill.undo(idle, [DB], restore=False)
    await proofs.silent(web, idle.vm(DB).addresses)
    await idle.machines.power_on(original_of(DB.tenant, DB.vm))
    await proofs.returned(idle, DB, web)
    assert idle.failed_over() == frozenset()


async def test_a_dead_gateway_is_left_for_the_next_one_and_comes_back_as_it_was(idle: Lab) -> None:
    await drill.fail_over(idle, [DB])
    neighbour = idle.neighbour(DB)
    assert neighbour is not None
    watch = neighbour.watch(idle.vm(DB).addresses[0])
    await watch.wait_first(5)
    await idle.hypervisor.power("gateway1", on=False, grace=0)
    await asyncio.sleep(5)
    gaps = await watch.stop()
    await idle.hypervisor.power("gateway1", on=True, grace=0)
    assert gaps.longest_gap is not None
    assert gaps.longest_gap < 4
    async with asyncio.timeout(10):
        while (  # noqa: ASYNC110 - an agent is asked, there is no event
            await idle.agent("gateway1").observed()
        ).state is not ApplianceState.READY:
            await asyncio.sleep(0.1)


async def test_what_cannot_be_meant_is_said_before_anything_moves(idle: Lab) -> None:
    with pytest.raises(ProblemError, match="not failed over"):
        await idle.undo([DB])
    with pytest.raises(ProblemError, match="no VM of this name"):
        await idle.failover([VmRef("acme", "nobody")])
    with pytest.raises(LabError, match="acme/web1"):
        idle.vm(VmRef("acme", "nobody"))
    with pytest.raises(LabError, match="tenant/vm"):
        VmRef.parse("db1")
