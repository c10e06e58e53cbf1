"""Failovers of one site by one process, which remembers nothing: what the lab and its tests command.

What outlives a controller is `runs`; both have their stages carried out by `stages`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from causeway_controller.contract.requests import Request
from causeway_controller.failover import planning
from causeway_controller.inventory import tenancy
from causeway_controller.inventory.tenancy import Site
from causeway_controller.store.generations import GenerationBook
from causeway_controller.workflows.acting import Run
from causeway_controller.workflows.actions import Executor
from causeway_controller.workflows.ports import Agents, Answers, Hypervisors
from causeway_controller.workflows.stages import Progress, Stages, Unrecorded
from causeway_controller.workflows.timing import Timing
from causeway_wire.types import Epoch, TenantId, VmName

_TIMING = Timing()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A failover that went through, with what was not worth stopping it."""

    site: Site
    """As it is now; replicas that did not start are not in its mode."""
    ready: Mapping[VmName, float] = field(default_factory=dict)
    """Time-to-ready of rehearsed replicas, in seconds from power on to the first answer."""
    failures: Mapping[str, Exception] = field(default_factory=dict)
    """By sentence of the step."""


async def _unasked(_tenant: TenantId, _vm: VmName) -> bool:
    return False


class Workflow:
    """Carries out failovers at one site."""

    def __init__(
        self,
        *,
        agents: Agents,
        hypervisors: Hypervisors,
        generations: GenerationBook,
        answers: Answers = _unasked,
        progress: Progress = lambda _: None,
        timing: Timing = _TIMING,
    ) -> None:
        """`agents` gives open clients; kept open between runs they save the TLS handshake.

        `answers` asks replicas whether they are there; only rehearsals need it.
        """
        self._executor = Executor(
            agents=agents, hypervisors=hypervisors, generations=generations, answers=answers, timing=timing
        )
        self._progress = progress

    async def carry_out(self, request: Request, site: Site, *, epoch: Epoch) -> Outcome:
        """Plan the request and run it; what is then.

        Raises ProblemError when it cannot be meant and PreflightFailed when it could not be carried out,
        before anything is touched, and StepFailed after compensation.
        """
        plan = planning.plan(request, site)
        # It remembers no runs: what has been powered on may be its own doing.
        await self._executor.survey.refuse(plan.steps, own=plan.site.tenants[request.tenant].vms)
        stages = Stages(self._executor, Run(plan.site, epoch), Unrecorded(), self._progress)
        events = await stages.carry_out(plan.steps)
        return Outcome(
            site=tenancy.with_mode(plan.site, request.tenant, planning.after(plan, events)),
            ready=planning.ready(events),
            failures={event.step.sentence: event.error for event in events if event.error is not None},
        )
