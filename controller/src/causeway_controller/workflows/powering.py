"""Whether a machine has to be powered on or off."""

from __future__ import annotations

import asyncio

from causeway_controller.errors import ControllerError, MachineMissing
from causeway_controller.failover.steps import Power
from causeway_controller.workflows.ports import Agents, Hypervisors
from causeway_controller.workflows.timing import Timing
from causeway_wire.problem import ProblemError
from causeway_wire.types import ApplianceId


async def is_so(action: Power, hypervisors: Hypervisors, agents: Agents, timing: Timing) -> bool:
    """Return whether the machine is on, or off, as it should be.

    An appliance that answers is on: a host that is out of reach, or knows it no more, stands in nobody's way
    then. Raises MachineMissing and HypervisorError, and TimeoutError after the seconds of `Timing.power`.
    """
    owner_id = action.machine.owner_id
    try:
        async with asyncio.timeout(timing.power):
            machine = await hypervisors(action.machine).find(owner_id)
        if machine is None:
            raise MachineMissing(owner_id)
    except (ControllerError, TimeoutError):
        if action.on and await _answers(action.machine.appliance, agents, timing):
            return True
        raise
    return machine.powered_on == action.on


async def _answers(appliance: ApplianceId | None, agents: Agents, timing: Timing) -> bool:
    if appliance is None:
        return False
    try:
        async with asyncio.timeout(timing.courtesy):
            await agents(appliance).live()
    except (ControllerError, ProblemError, TimeoutError):
        return False
    return True
