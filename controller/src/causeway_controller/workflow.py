"""Executes failover steps: powers machines through providers, sends documents through the agents' clients.

A stage's steps run at once and the stage is complete when all of them are. When one fails, its siblings
still run to their end (each has a deadline), then everything done is compensated, last stage first. Every
effect may be repeated, so running the same steps again after an interruption is safe; a cancelled run undoes
nothing.
"""

from __future__ import annotations

import asyncio
import enum
import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from causeway_controller.errors import (
    AgentUnreachable,
    ChangeFailed,
    ControllerError,
    MachineMissing,
    StepFailed,
    TunnelDown,
)
from causeway_controller.failover import documents, inventory, partial
from causeway_controller.failover.steps import Action, Apply, MachineRef, Power, Step, VerifyTunnel
from causeway_controller.generations import GenerationBook
from causeway_controller.hypervisors.base import HypervisorError, Provider
from causeway_wire.change import Change
from causeway_wire.desired import Desired
from causeway_wire.observed import Health, Observed, TunnelState
from causeway_wire.problem import ProblemError, ProblemType
from causeway_wire.types import ApplianceId, Epoch, TenantId, TunnelId, VmName

_BEHIND = frozenset({ProblemType.STALE_GENERATION.urn, ProblemType.GENERATION_CONFLICT.urn})
_FAILURES = (ControllerError, ProblemError, HypervisorError, TimeoutError)


class Agent(Protocol):
    """What a workflow needs of an agent; `fleet.client.AgentClient` has it."""

    async def apply(self, document: Desired, *, timeout: float) -> Change: ...  # noqa: ASYNC109

    async def observed(self) -> Observed: ...

    async def live(self) -> Health: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Deadlines, in seconds."""

    power: float = 60.0
    grace: float = 20.0
    """For an orderly shutdown before power is cut."""
    boot: float = 180.0
    """From power to an agent that answers."""
    change: float = 30.0
    tunnel: float = 15.0
    first_poll: float = 0.02
    longest_poll: float = 0.5


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


class Workflow:
    """Runs the steps of failovers at one site."""

    def __init__(
        self,
        *,
        agents: Callable[[ApplianceId], Agent],
        hypervisors: Callable[[MachineRef], Provider],
        generations: GenerationBook,
        progress: Progress = lambda _: None,
        timing: Timing = Timing(),
    ) -> None:
        """`agents` gives open clients; kept open between runs they save the TLS handshake."""
        self._agents = agents
        self._hypervisors = hypervisors
        self._generations = generations
        self._progress = progress
        self._timing = timing

    async def begin_partial(
        self, site: inventory.Site, tenant: TenantId, vms: Iterable[VmName], *, epoch: Epoch
    ) -> inventory.Site:
        """Fail these VMs over; the site as it is then. Raises ProblemError or StepFailed."""
        chosen = frozenset(vms)
        await self.run(site, partial.begin(site, tenant, chosen), epoch=epoch)
        running = site.failed_over.get(tenant, frozenset())
        return inventory.with_failed_over(site, tenant, running | chosen)

    async def undo_partial(
        self,
        site: inventory.Site,
        tenant: TenantId,
        vms: Iterable[VmName],
        *,
        epoch: Epoch,
        stop_appliances: bool = False,
    ) -> inventory.Site:
        """End the failover of these VMs; the site as it is then. Raises ProblemError or StepFailed."""
        chosen = frozenset(vms)
        steps = partial.undo(site, tenant, chosen, stop_appliances=stop_appliances)
        await self.run(site, steps, epoch=epoch)
        running = site.failed_over.get(tenant, frozenset())
        return inventory.with_failed_over(site, tenant, running - chosen)

    async def run(self, site: inventory.Site, steps: Sequence[Step], *, epoch: Epoch) -> tuple[Event, ...]:
        """Execute the steps stage by stage; the last event of each. Raises StepFailed after compensation."""
        run = _Run(site, epoch)
        events: list[Event] = []
        for _, stage in itertools.groupby(steps, key=lambda step: step.stage):
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._step(run, step)) for step in stage]
            events += (task.result() for task in tasks)
            for event in events:
                if event.error is not None:
                    undone, kept = await self._compensate(run, events)
                    raise StepFailed(event.step.sentence, event.error, undone, kept) from event.error
        return tuple(events)

    async def _step(self, run: _Run, step: Step) -> Event:
        self._progress(Event(step=step, state=StepState.STARTED))
        started = time.monotonic()
        error: Exception | None = None
        try:
            changed = await self._act(run, step.action)
            state = StepState.DONE if changed else StepState.UNCHANGED
        except _FAILURES as failure:
            state, error = StepState.FAILED, failure
        event = Event(step=step, state=state, seconds=time.monotonic() - started, error=error)
        self._progress(event)
        return event

    async def _compensate(
        self, run: _Run, events: Sequence[Event]
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
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
                await self._act(run, action)
                undone.append(str(action))
            except _FAILURES as failure:
                state, error = StepState.UNDO_FAILED, failure
                kept.append(f"{action} ({failure})")
            seconds = time.monotonic() - started
            self._progress(Event(step=event.step, state=state, seconds=seconds, error=error))
        return tuple(undone), tuple(kept)

    async def _act(self, run: _Run, action: Action) -> bool:
        """Carry out one action; whether it changed anything."""
        match action:
            case Power():
                return await self._power(action)
            case Apply():
                return await self._apply(run, action)
            case VerifyTunnel():
                return await self._verify(action)

    async def _power(self, action: Power) -> bool:
        owner_id = action.machine.owner_id
        provider = self._hypervisors(action.machine)
        async with asyncio.timeout(self._timing.power):
            machine = await provider.find(owner_id)
            if machine is None:
                raise MachineMissing(owner_id)
            if machine.powered_on == action.on:
                return False
            await provider.power(owner_id, on=action.on, grace=self._timing.grace)
        if action.on and action.machine.appliance is not None:
            await self._answers(action.machine.appliance)
        return True

    async def _answers(self, appliance: ApplianceId) -> None:
        """Wait until a booting appliance's agent answers."""
        agent = self._agents(appliance)
        deadline = time.monotonic() + self._timing.boot
        for pause in self._polls():
            try:
                await agent.live()
            except AgentUnreachable:
                if time.monotonic() >= deadline:
                    raise
                await asyncio.sleep(pause)
            else:
                return

    async def _apply(self, run: _Run, action: Apply) -> bool:
        site = inventory.with_failed_over(run.site, action.tenant, action.vms)
        try:
            await self._send(run, site, action.appliance)
        except ProblemError as error:
            # The epoch fences other workflows off. A generation behind within our own means a lost book.
            current = error.problem.generation
            if error.problem.type not in _BEHIND or not isinstance(current, int):
                raise
            await self._generations.at_least(action.appliance, current)
            await self._send(run, site, action.appliance)
        return True

    async def _send(self, run: _Run, site: inventory.Site, appliance: ApplianceId) -> None:
        generation = await self._generations.next(appliance)
        document = documents.document(site, appliance, generation=generation, epoch=run.epoch)
        await self._agents(appliance).apply(document, timeout=self._timing.change)

    async def _verify(self, action: VerifyTunnel) -> bool:
        deadline = time.monotonic() + self._timing.tunnel
        for pause in self._polls():
            server, client = [
                _tunnel_state(await self._agents(appliance).observed(), action.tunnel)
                for appliance in (action.server, action.client)
            ]
            if server is client is TunnelState.CONNECTED:
                break
            if time.monotonic() >= deadline:
                raise TunnelDown(action.tunnel, server.value, client.value)
            await asyncio.sleep(pause)
        return False

    def _polls(self) -> Iterable[float]:
        """Pauses between questions, growing: soon at first, gentle later."""
        pause = self._timing.first_poll
        while True:
            yield pause
            pause = min(pause * 2, self._timing.longest_poll)


@dataclass(frozen=True, slots=True)
class _Run:
    """What all steps of a run share."""

    site: inventory.Site
    epoch: Epoch


def _may_have_acted(event: Event) -> bool:
    """False when nothing happened, or when the agent itself says that all is as before."""
    if event.state is StepState.UNCHANGED:
        return False
    return not isinstance(event.error, ChangeFailed | ProblemError)


def _tunnel_state(observed: Observed, tunnel: TunnelId) -> TunnelState:
    for report in observed.tunnels:
        if report.id == tunnel:
            return report.state
    return TunnelState.STOPPED
