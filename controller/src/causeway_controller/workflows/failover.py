"""Executes failover steps, stage by stage, and takes everything back when a required one fails.

A stage's steps run at once and the stage is complete when all of them are. When a required one fails, its
siblings still run to their end (each has a deadline), then everything done is compensated, last stage first.
Every effect may be repeated, so running the same steps again after an interruption is safe; a cancelled run
undoes nothing. What it left unconfirmed the appliances take back themselves.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from causeway_controller.contract.requests import Request
from causeway_controller.errors import ChangeFailed, ControllerError, StepFailed
from causeway_controller.failover import planning
from causeway_controller.failover.events import Event, StepState
from causeway_controller.failover.steps import MachineRef, Step
from causeway_controller.hypervisors.base import HypervisorError, PowerControl
from causeway_controller.inventory import tenancy
from causeway_controller.inventory.tenancy import Site
from causeway_controller.store.generations import GenerationBook
from causeway_controller.workflows.actions import Agent, Answers, Executor, Run, Timing
from causeway_wire.problem import ProblemError
from causeway_wire.types import ApplianceId, Epoch, TenantId, VmName

_TIMING = Timing()
_FAILURES = (ControllerError, ProblemError, HypervisorError, TimeoutError)


Progress = Callable[[Event], None]


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
    """Runs the steps of failovers at one site."""

    def __init__(
        self,
        *,
        agents: Callable[[ApplianceId], Agent],
        hypervisors: Callable[[MachineRef], PowerControl],
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

        Raises ProblemError when it cannot be meant, before anything is touched, and StepFailed after
        compensation.
        """
        plan = planning.plan(request, site)
        events = await self.run(plan.site, plan.steps, epoch=epoch)
        return Outcome(
            site=tenancy.with_mode(plan.site, request.tenant, planning.after(plan, events)),
            ready=planning.ready(events),
            failures={event.step.sentence: event.error for event in events if event.error is not None},
        )

    async def run(self, site: Site, steps: Sequence[Step], *, epoch: Epoch) -> tuple[Event, ...]:
        """Execute the steps stage by stage; the last event of each. Raises StepFailed after compensation."""
        run = Run(site, epoch)
        events: list[Event] = []
        for _, stage in itertools.groupby(steps, key=lambda step: step.stage):
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._step(run, step)) for step in stage]
            events += (task.result() for task in tasks)
            for event in events:
                if event.error is not None and event.step.required:
                    undone, kept = await self._compensate(run, events)
                    raise StepFailed(event.step.sentence, event.error, undone, kept) from event.error
        return tuple(events)

    async def _step(self, run: Run, step: Step) -> Event:
        self._progress(Event(step=step, state=StepState.STARTED))
        started = time.monotonic()
        error: Exception | None = None
        try:
            changed = await self._executor.act(run, step.action, courtesy=not step.required)
            state = StepState.DONE if changed else StepState.UNCHANGED
        except _FAILURES as failure:
            state, error = StepState.FAILED, failure
        event = Event(step=step, state=state, seconds=time.monotonic() - started, error=error)
        self._progress(event)
        return event

    async def _compensate(self, run: Run, events: Sequence[Event]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Take back what the steps did, the last first; what was undone, and what could not be."""
        undone: list[str] = []
        kept: list[str] = []
        for event in reversed(events):
            action = event.step.compensation
            if action is None or not _may_have_acted(event):
                continue
            started = time.monotonic()
            state, error = StepState.UNDONE, None
            try:
                await self._executor.take_back(run, event.step.action, action)
                undone.append(str(action))
            except _FAILURES as failure:
                state, error = StepState.UNDO_FAILED, failure
                kept.append(f"{action} ({failure})")
            seconds = time.monotonic() - started
            self._progress(Event(step=event.step, state=state, seconds=seconds, error=error))
        return tuple(undone), tuple(kept)


def _may_have_acted(event: Event) -> bool:
    """False when nothing happened, or when the agent itself says that all is as before."""
    if event.state is StepState.UNCHANGED:
        return False
    return not isinstance(event.error, ChangeFailed | ProblemError)
