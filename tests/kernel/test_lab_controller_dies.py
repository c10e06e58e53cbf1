"""The controller dies in the middle of a partial failover: nobody answers for what nobody serves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from causeway_controller.workflows.timing import Timing
from causeway_lab.assembly.lab import Lab, VmRef
from causeway_lab.world import pace
from causeway_lab.world.steps import Step
from causeway_lab.world.topology import original_of

pytestmark = pytest.mark.kernel

DB = VmRef("acme", "db1")
SHORT = Timing(confirm=6, change=4.0, courtesy=1.0)
DEATHS = {
    "before the tenant's appliance was told": "Power on the replica",
    "before anything was confirmed": "Production VMs and replicas",
    "when the serving end was confirmed": "Confirm acme-nea1",
}
"""Where the controller dies: at the beginning of the first step whose sentence begins so."""


class Died(BaseException):
    """The controller is gone, and everything that it would still have done."""


@pytest_asyncio.fixture(loop_scope="session")
async def disaster(lab: Lab) -> AsyncIterator[Lab]:
    """The VM is gone; afterwards it runs again."""
    await lab.machines.power_off(original_of(DB.tenant, DB.vm))
    before, lab.pace = lab.pace, replace(pace.PROCESSES, workflow=SHORT)
    yield lab
    lab.pace = before
    await lab.machines.power_on(original_of(DB.tenant, DB.vm))


async def both(lab: Lab) -> tuple[str, str]:
    """The mode of the end that answers, then of the end that serves: read in this order."""
    tenant = lab.site.tenants["acme"]
    ends = (tenant.appliances[lab.vm(DB).network].id, tenant.provider.id)
    answering, serving = [(await lab.agent(one).observed()).failover for one in ends]
    return str(answering), str(serving)


async def die(lab: Lab, sentence: str) -> None:
    """Begin the failover, and let the controller die where that step begins."""
    told = lab.listener

    def die_there(step: Step) -> None:
        if step.name.startswith(sentence) and step.seconds is None:
            raise Died

    lab.listener = die_there
    try:
        with pytest.raises(BaseExceptionGroup) as caught:
            await lab.failover([DB])
    finally:
        lab.listener = told
    assert caught.group_contains(Died)


@pytest.mark.parametrize("sentence", DEATHS.values(), ids=DEATHS)
async def test_whoever_answers_is_served_and_a_rerun_converges(disaster: Lab, sentence: str) -> None:
    await die(disaster, sentence)
    seen = [await both(disaster)]
    end = ("idle", "partial" if sentence.startswith("Confirm") else "idle")
    async with asyncio.timeout(60):
        while seen[-1] != end:
            seen.append(await both(disaster))
            await asyncio.sleep(0.05)
    assert ("partial", "idle") not in seen
    assert ("partial", "partial") in seen or sentence.startswith("Power")
    await disaster.failover([DB])
    assert await both(disaster) == ("partial", "partial")
    await disaster.undo([DB])
    assert await both(disaster) == ("idle", "idle")
