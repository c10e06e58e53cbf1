"""Executes failover steps, stage by stage, and takes everything back when a required one fails.

A stage's steps run at once and the stage is complete when all of them are. When a required one fails, its
siblings still run to their end (each has a deadline), then everything done is compensated, last stage first.
Every effect may be repeated, so running the same steps again after an interruption is safe; a cancelled run
undoes nothing. What it left unconfirmed the appliances take back themselves.
"""

from __future__ import annotations

import asyncio
import enum
import itertools
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from causeway_controller.errors import ChangeFailed, ControllerError, StepFailed
from causeway_controller.failover import documents, full, partial, publications
from causeway_controller.failover.steps import Apply, MachineKind, MachineRef, Power, PutRules, Ready, Step
from causeway_controller.hypervisors.base import HypervisorError, Provider
from causeway_controller.inventory import modes, tenancy
from causeway_controller.inventory.tenancy import Site
from causeway_controller.store.generations import GenerationBook
from causeway_controller.workflows.actions import Agent, Answers, Executor, Run, Timing
from causeway_wire.problem import ProblemError
from causeway_wire.public_rules import PublicRule
from causeway_wire.types import ApplianceId, Epoch, TenantId, VmName

_TIMING = Timing()
_FAILURES = (ControllerError, ProblemError, HypervisorError, TimeoutError)


class StepState(enum.Enum):
    """What is reported about a step."""

    STARTED = "started"
    DONE = "done"
    UNCHANGED = "unchanged"
    """It was so already."""
    FAILED = "failed"
    UNDONE = "undone"
    UNDO_FAILED = "undo-failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A step's progress."""

    step: Step
    state: StepState
    seconds: float = 0.0
    error: Exception | None = None


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
        hypervisors: Callable[[MachineRef], Provider],
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

    async def begin_partial(
        self, site: Site, tenant: TenantId, vms: Iterable[VmName], *, epoch: Epoch
    ) -> Site:
        """Fail these VMs over; the site as it is then. Raises ProblemError or StepFailed."""
        chosen = frozenset(vms)
        await self.run(site, partial.begin(site, tenant, chosen), epoch=epoch)
        return tenancy.with_failed_over(site, tenant, tenancy.mode(site, tenant).vms | chosen)

    async def undo_partial(
        self,
        site: Site,
        tenant: TenantId,
        vms: Iterable[VmName],
        *,
        epoch: Epoch,
        stop_appliances: bool = False,
    ) -> Site:
        """End the failover of these VMs; the site as it is then. Raises ProblemError or StepFailed."""
        chosen = frozenset(vms)
        steps = partial.undo(site, tenant, chosen, stop_appliances=stop_appliances)
        await self.run(site, steps, epoch=epoch)
        return tenancy.with_failed_over(site, tenant, tenancy.mode(site, tenant).vms - chosen)

    async def begin_full(
        self,
        site: Site,
        tenant: TenantId,
        vms: Iterable[VmName],
        *,
        epoch: Epoch,
        escalate: bool = False,
    ) -> Outcome:
        """Fail the tenant's site over to these VMs. Raises ProblemError or StepFailed."""
        chosen = frozenset(vms)
        steps = full.begin_full(site, tenant, chosen, escalate=escalate)
        events = await self.run(site, steps, epoch=epoch)
        mode = full.full_after(site, tenant, chosen - _not_started(events))
        told = _told(site.tenants[tenant], events)
        mode = modes.Full(mode.vms, mode.behind - told)
        return _outcome(tenancy.with_mode(site, tenant, mode), events)

    async def undo_full(
        self,
        site: Site,
        tenant: TenantId,
        *,
        epoch: Epoch,
        keep_partial: Iterable[VmName] = (),
        stop_appliances: bool = False,
    ) -> Outcome:
        """End the full failover, or keep these VMs in partial. Raises ProblemError or StepFailed."""
        kept = frozenset(keep_partial)
        steps = full.undo_full(site, tenant, keep_partial=kept, stop_appliances=stop_appliances)
        events = await self.run(site, steps, epoch=epoch)
        return _outcome(tenancy.with_failed_over(site, tenant, kept), events)

    async def begin_rehearsal(
        self,
        site: Site,
        tenant: TenantId,
        vms: Iterable[VmName],
        *,
        epoch: Epoch,
        internet: bool = False,
    ) -> Outcome:
        """Start these replicas beside the running production. Raises ProblemError or StepFailed."""
        chosen = frozenset(vms)
        steps = full.begin_rehearsal(site, tenant, chosen, internet=internet)
        events = await self.run(site, steps, epoch=epoch)
        running = tenancy.mode(site, tenant).vms | (chosen - _not_started(events))
        return _outcome(tenancy.with_mode(site, tenant, modes.Rehearsal(running, internet)), events)

    async def end_rehearsal(
        self, site: Site, tenant: TenantId, *, epoch: Epoch, stop_appliances: bool = False
    ) -> Outcome:
        """End the rehearsal. Raises ProblemError or StepFailed."""
        steps = full.end_rehearsal(site, tenant, stop_appliances=stop_appliances)
        events = await self.run(site, steps, epoch=epoch)
        return _outcome(tenancy.with_mode(site, tenant, modes.Idle()), events)

    async def publish(
        self, site: Site, tenant: TenantId, rules: Sequence[PublicRule], *, epoch: Epoch
    ) -> Site:
        """Make these the tenant's public rules, at its appliance too while full failover or rehearsal is on.

        Raises ProblemError naming the rule that cannot be meant, and StepFailed.
        """
        changed = tenancy.with_publications(site, tenant, tuple(rules))
        found = changed.tenants[tenant]
        publications.check(found, rules)
        appliance = found.provider.id
        wanted = documents.public_rules(found, tenancy.mode(site, tenant))
        step = Step(
            seed=None,
            stage=1,
            sentence=f"Put {len(wanted)} public rules",
            action=PutRules(appliance=appliance, rules=wanted),
        )
        await self.run(site, (step,), epoch=epoch)
        return changed

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


def _not_started(events: Iterable[Event]) -> frozenset[VmName]:
    """VMs whose replicas could not be powered on."""
    return frozenset(
        event.step.action.machine.name
        for event in events
        if event.error is not None
        and isinstance(event.step.action, Power)
        and event.step.action.machine.kind is MachineKind.REPLICA
    )


def _told(tenant: tenancy.Tenant, events: Iterable[Event]) -> frozenset[str]:
    """Networks whose tenant appliance took its idle document."""
    done = {
        event.step.action.appliance
        for event in events
        if event.error is None and isinstance(event.step.action, Apply)
    }
    return frozenset(name for name, appliance in tenant.appliances.items() if appliance.id in done)


def _outcome(site: Site, events: Iterable[Event]) -> Outcome:
    found = list(events)
    return Outcome(
        site=site,
        ready={
            event.step.action.vm: event.seconds
            for event in found
            if isinstance(event.step.action, Ready) and event.error is None
        },
        failures={event.step.sentence: event.error for event in found if event.error is not None},
    )
