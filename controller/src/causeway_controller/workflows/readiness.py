"""Whether the provider's appliance can carry a failover out: asked before anything of it is begun."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from causeway_controller.contract.requests import FailOver, FailOverSite, Rehearse, Request, Serve
from causeway_controller.errors import AgentUnreachable, ControllerError, MachineMissing
from causeway_controller.failover.steps import MachineKind, MachineRef
from causeway_controller.hypervisors.base import HypervisorError, Machine
from causeway_controller.inventory.tenancy import Site
from causeway_controller.workflows.ports import Hypervisors, Questioned, Unenrolled
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.types import ApplianceId, Name

TRIES: Final = 3
"""Times that an appliance is asked whether it lives: one answer may be lost."""
_REST_SECONDS: Final = 1.0
_BEGINNINGS: Final = (FailOver, Serve, FailOverSite, Rehearse)
"""What is refused; what ends a failover is never."""


class Looks(Protocol):
    """What can be asked; a `Survey` has it."""

    @property
    def agents(self) -> Callable[[ApplianceId], Questioned]: ...

    @property
    def hypervisors(self) -> Hypervisors: ...

    @property
    def unenrolled(self) -> Unenrolled: ...


async def all_enrolled(_appliance: ApplianceId) -> str:
    """Where nobody deploys: every appliance has enrolled."""
    return ""


async def check(request: Request, site: Site, *, host: Name, looks: Looks) -> None:
    """Raise ProblemError (`unavailable`) when the appliance is missing or has failed, with what to do.

    One that is powered off is neither: the failover powers it on. One that has never enrolled would not
    answer then.
    """
    if not isinstance(request, _BEGINNINGS):
        return
    appliance = site.tenants[request.tenant].provider.id
    where = f"{request.tenant} {host}"
    reference = MachineRef(kind=MachineKind.PROVIDER_APPLIANCE, tenant=request.tenant, name=appliance)
    found = await _found(looks.hypervisors, reference)
    if found is None:
        remedy = f"deploy it with `causeway appliance deploy {where}`"
        raise _refused(f"appliance {appliance} is not on host {host}: {remedy}, then ask again")
    if not found.powered_on:
        if command := await looks.unenrolled(appliance):
            raise _refused(never(appliance, f"on host {host}", command))
        return
    if reason := await _dead(looks.agents, appliance):
        remedy = f"wait if it has just started; else `causeway appliance redeploy {where}`"
        raise _refused(f"appliance {appliance} runs on host {host} and does not answer ({reason}): {remedy}")


def never(appliance: ApplianceId, where: str, command: str) -> str:
    """Say of an appliance that is off and has never enrolled what it lacks, and which command does that."""
    return (
        f"appliance {appliance} is off {where} and has not enrolled since it was deployed, so nobody could "
        f"command it when it is powered on: `causeway {command}` goes on with that and says what stops it"
    )


async def _found(hypervisors: Hypervisors, reference: MachineRef) -> Machine | None:
    try:
        return await hypervisors(reference).find(reference.owner_id)
    except MachineMissing:
        return None
    except HypervisorError as error:
        raise _refused(f"{error}. Without its host nothing can fail over there") from error


async def _dead(agents: Callable[[ApplianceId], Questioned], appliance: ApplianceId) -> str:
    """Why it does not answer; empty when it does."""
    reason = ""
    for number in range(TRIES):
        if number:
            await asyncio.sleep(_REST_SECONDS)
        try:
            await agents(appliance).live()
        except AgentUnreachable as error:
            reason = error.reason
        except ControllerError as error:
            reason = str(error)
        else:
            return ""
    return reason


def _refused(detail: str) -> ProblemError:
    return ProblemError(problem(ProblemType.UNAVAILABLE, f"{detail}. Nothing was begun"))
