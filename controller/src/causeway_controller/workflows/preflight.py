"""Looks before a run begins whether it can be carried out, here and at the provider. It changes nothing.

A dry run asks the same as the run does: what this finds would stop it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypedDict

from msgspec import UNSET
from msgspec.structs import replace

from causeway_controller.errors import HalfStands, PeerUnreachable, PreflightFailed
from causeway_controller.failover.planning import Plan
from causeway_controller.failover.steps import AskHalf, OpenHalf, Power, Step, switched
from causeway_controller.inventory import tenancy
from causeway_controller.inventory.tenancy import Site
from causeway_controller.workflows.inherited import Inherited, about
from causeway_controller.workflows.ports import DRY_RUN, Halves
from causeway_controller.workflows.survey import TOLD, Known, Survey
from causeway_wire.problem import ProblemError, ProblemType, combine, problem
from causeway_wire.types import TenantId, VmName


@dataclass(frozen=True, slots=True, kw_only=True)
class Preflight:
    """One controller's."""

    survey: Survey
    halves: Halves

    async def refuse(self, plan: Plan, site: Site, tenant: TenantId, inherited: Inherited) -> None:
        """Raise ProblemError (`unavailable`) with all that stands in the way here; `site` as it is now."""
        found = await self.survey.obstacles(plan.steps, **_standing(plan, site, tenant, inherited))
        if found:
            problems = tuple(problem(ProblemType.UNAVAILABLE, one) for one in found[:TOLD])
            raise ProblemError(combine(problems, more=max(len(found) - TOLD, 0)))

    async def begin(self, plan: Plan, site: Site, tenant: TenantId, inherited: Inherited) -> None:
        """Raise PreflightFailed when something stops a run that is about to begin: what is here, or what the
        provider says. One that could not be asked stops nothing: its half is asked for later, or not opened.
        """
        await self.survey.refuse(plan.steps, **_standing(plan, site, tenant, inherited))
        try:
            await self.ask([step for step in plan.steps if isinstance(step.action, OpenHalf)])
        except ProblemError as error:
            raise PreflightFailed(tuple(one.detail for one in error.problem.each)) from error

    async def ask(self, steps: Sequence[Step]) -> tuple[str, ...]:
        """Ask the provider whether it would do its half of these; what could not be asked, in words.

        Raises ProblemError with all that it would refuse.
        """
        return tuple([each for step in steps for each in await self._asked(step)])

    async def _asked(self, step: Step) -> tuple[str, ...]:
        action = step.action
        if not isinstance(action, OpenHalf | AskHalf):
            return ()
        half = self.halves(action.half, DRY_RUN)
        if half is None:
            return (f"no provider's controller is known as {action.half}; join it",)
        try:
            if isinstance(action, OpenHalf):
                await half.may_open(action.host, action.vms, end_full=action.end_full)
            else:
                await half.check(action.host, action.vms, ending=action.ending, epoch=0)
        except HalfStands as error:
            raise ProblemError(problem(ProblemType.INVALID, str(error))) from error
        except PeerUnreachable as error:
            return (f"{action.half} could not be asked whether it can do its half: {error}",)
        except ProblemError as error:
            return (_passing(error, action.half),)
        return ()


def _passing(error: ProblemError, provider: str) -> str:
    """What is said of an answer that stops nothing; raises all others, as the provider's."""
    found = error.problem
    if found.retry_after is not UNSET:
        return f"{provider} does something else there now, for which the run would wait: {found.detail}"
    if found.type == ProblemType.MALFORMED.urn:
        return (
            f"{provider} could not be asked whether it can do its half: its controller is older than this "
            "one; what it refuses the run will hear when it asks for it"
        )
    theirs = tuple(replace(one, detail=f"{provider} says: {one.detail}") for one in found.each)
    raise ProblemError(combine(theirs, more=found.more or 0)) from error


class _Standing(TypedDict):
    own: frozenset[VmName]
    known: Known


def _standing(plan: Plan, site: Site, tenant: TenantId, inherited: Inherited) -> _Standing:
    """What `Survey.obstacles` is to know of a tenant."""
    mode = tenancy.mode(site, tenant)
    known = Known(appliance=site.tenants[tenant].provider.id, mode=mode.name)
    return {"own": mode.vms | frozenset(_left_on(plan.steps, inherited)), "known": known}


def _left_on(steps: Sequence[Step], inherited: Inherited) -> Iterator[VmName]:
    """VMs whose replicas a run of this tenant before may have left on."""
    for step in steps:
        if not isinstance(step.action, Power) or not step.action.on:
            continue
        name = step.action.machine.name
        kept = any(about(told, str(step.compensation)) for told in inherited.kept)
        if kept or {switched(name, on=True), switched(name, on=False)} & inherited.reached:
            yield name
