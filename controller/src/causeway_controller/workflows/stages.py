"""Carries steps out, stage by stage, and takes everything back when a required one fails.

A stage's steps run at once and the stage is complete when all of them are. When a required one fails, its
siblings still run to their end (each has a deadline), then everything done is compensated, last stage first.
What a stage did is remembered in the run's journal: whoever carries the run on skips it, and confirms or
cancels what it left awaiting. Every effect may be repeated, because between an effect and the memory of it a
controller may die. A cancelled run undoes nothing; what it left unconfirmed the appliances take back. Once
the tenant's mode is settled (`steps.Settle`) nothing is taken back any more, for others rely on it.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

from causeway_controller.errors import (
    ControllerError,
    RunStopped,
    StepFailed,
    StoreError,
    Superseded,
    Unheard,
)
from causeway_controller.failover.events import Event, StepState
from causeway_controller.failover.steps import Apply, Power, Settle, Step
from causeway_controller.hypervisors.base import HypervisorError
from causeway_controller.workflows import records
from causeway_controller.workflows.acting import Run
from causeway_controller.workflows.actions import Executor
from causeway_controller.workflows.ports import Journal
from causeway_controller.workflows.records import StageRecord, StepRecord
from causeway_wire.problem import ProblemError
from causeway_wire.types import ApplianceId

_FAILURES = (ControllerError, ProblemError, HypervisorError, TimeoutError)

Progress = Callable[[Event], None]


class Unrecorded:
    """The journal of a run that ends with its process."""

    async def stage(self, name: str, act: Callable[[], Awaitable[str]]) -> str:  # noqa: ARG002 - the Protocol's
        """Act, and forget it."""
        return await act()

    async def stop_requested(self) -> bool:
        """Nobody can ask."""
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stage:
    """Steps that run at once."""

    number: int
    steps: tuple[Step, ...]


class Stages:
    """Carries out the steps of one run."""

    def __init__(self, executor: Executor, run: Run, journal: Journal, progress: Progress) -> None:
        self._executor = executor
        self._run = run
        self._journal = journal
        self._progress = progress
        self._failed: set[str] = set()
        """Steps that did not end well, by their sentences; also those of a controller before us."""
        self._relying: frozenset[ApplianceId] = frozenset()
        self._settled = run.settled
        self._begun = run.taken_over
        """Whether another controller may have begun the stage that comes next."""

    async def carry_out(self, steps: Sequence[Step]) -> tuple[Event, ...]:
        """Execute the steps stage by stage; the last event of each.

        Raises StepFailed after compensation, RunStopped likewise, and Superseded at once.
        """
        ended: list[Event] = []
        self._relying = _relying(steps)
        for number, group in itertools.groupby(steps, key=lambda step: step.stage):
            stage = _Stage(number=number, steps=tuple(group))
            events, stopped = await self._stage(stage)
            if self._settled:
                ended += self._left_out(stage.steps) if stopped else events
                continue
            ended += events
            if stopped:
                undone, kept = await self._compensate(ended)
                cause = ControllerError("somebody asked that the run stop")
                raise RunStopped(stage.steps[0].sentence, cause, undone, kept)
            for event in events:
                if event.error is not None and event.step.required:
                    undone, kept = await self._compensate(ended)
                    raise StepFailed(event.step.sentence, event.error, undone, kept) from event.error
            self._settled = any(isinstance(event.step.action, Settle) for event in events)
        return tuple(ended)

    def _left_out(self, steps: Sequence[Step]) -> tuple[Event, ...]:
        """Steps that are not begun, or not known to have ended, because somebody asked that the run stop."""
        error = ControllerError("somebody asked that the run stop")
        events = tuple(Event(step=step, state=StepState.SKIPPED, error=error) for step in steps)
        for event in events:
            self._failed.add(event.step.sentence)
            self._progress(event)
        return events

    async def _stage(self, stage: _Stage) -> tuple[tuple[Event, ...], bool]:
        """How its steps ended, now or before, and whether the run was to stop instead.

        When it stops, another controller may have begun the stage and told nobody: then its steps have to be
        taken back as those of a stage that failed.
        """
        lived: list[Event] = []

        async def act() -> str:
            if await self._journal.stop_requested():
                return records.write(StageRecord(awaiting=self._awaiting(), stopped=True, begun=self._begun))
            tasks: dict[str, asyncio.Task[Event]] = {}
            async with asyncio.TaskGroup() as group:
                for step in stage.steps:
                    earlier = [tasks[one] for one in (*step.needs, *step.follows) if one in tasks]
                    tasks[step.sentence] = group.create_task(self._step(step, earlier))
            lived.extend(task.result() for task in tasks.values())
            for event in lived:
                _refuse_superseded(event.error)
                _refuse_doubtful(event)
            return records.write(records.record(lived, self._awaiting()))

        found = records.read(await self._journal.stage(f"stage {stage.number}", act))
        if found.stopped:
            return (records.begun(stage.steps) if found.begun else ()), True
        if lived:
            self._begun = False
            return tuple(lived), False
        self._run.adopt(found.awaiting)
        events = records.events(found, stage.steps)
        self._failed.update(event.step.sentence for event in events if event.error is not None)
        return events, False

    def _awaiting(self) -> dict[str, str]:
        return {appliance: one.change for appliance, one in self._run.awaiting.items()}

    async def _step(self, step: Step, earlier: Sequence[asyncio.Task[Event]]) -> Event:
        """Its seconds count from the beginning of the stage: time-to-ready has the start in it."""
        started = time.monotonic()
        if earlier:
            await asyncio.wait(earlier)
        error: Exception | None = None
        missing = next((one for one in step.needs if one in self._failed), None)
        if missing is not None:
            state, error = StepState.SKIPPED, ControllerError(f"not begun, because this failed: {missing}")
        else:
            state, error = await self._acted(step)
        if error is not None:
            self._failed.add(step.sentence)
        event = Event(step=step, state=state, seconds=time.monotonic() - started, error=error)
        self._progress(event)
        return event

    async def _acted(self, step: Step) -> tuple[StepState, Exception | None]:
        self._progress(Event(step=step, state=StepState.STARTED))
        try:
            changed = await self._executor.act(self._run, step.action, courtesy=not step.required)
        except _FAILURES as failure:
            return StepState.FAILED, failure
        return (StepState.DONE if changed or self._done_before(step) else StepState.UNCHANGED), None

    def _done_before(self, step: Step) -> bool:
        """Whether what is so already may be the work of the controller before, or of a run before."""
        return (
            (self._begun or self._run.inherits)
            and isinstance(step.action, Power)
            and step.action.machine.appliance is None
        )

    async def _compensate(self, events: Sequence[Event]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Take back what the steps did, the last stage first; what was undone, and what could not be."""
        undone: list[str] = []
        kept: list[str] = []
        acted = [one for one in reversed(events) if self._may_have_acted(one)]
        for number, group in itertools.groupby(acted, key=lambda event: event.step.stage):
            found = await self._undo(number, tuple(group))
            for one in found.steps:
                if one.error is None:
                    undone.append(one.sentence)
                else:
                    kept.append(f"{one.sentence} ({one.error})")
        return tuple(undone), tuple(kept)

    def _may_have_acted(self, event: Event) -> bool:
        """False when there is nothing to take back, or the agent itself says that all is as before."""
        if event.step.compensation is None or event.state in {StepState.UNCHANGED, StepState.SKIPPED}:
            return False
        return event.error is None or self._run.inherits or not records.nothing_done(event.error)

    async def _undo(self, number: int, events: Sequence[Event]) -> StageRecord:
        async def act() -> str:
            taken = tuple([await self._take_back(event) for event in events])
            return records.write(StageRecord(steps=taken, awaiting=self._awaiting()))

        found = records.read(await self._journal.stage(f"undo stage {number}", act))
        self._run.awaiting = {one: kept for one, kept in self._run.awaiting.items() if one in found.awaiting}
        for event, taken in zip(events, found.steps, strict=True):
            self._hear(event.step, heard=taken.error is None)
        return found

    def _hear(self, step: Step, *, heard: bool) -> None:
        """Remember whether an appliance said that it went back; until it does, others may rely on it."""
        if isinstance(step.action, Apply):
            (self._run.unheard.discard if heard else self._run.unheard.add)(step.action.appliance)

    async def _take_back(self, event: Event) -> StepRecord:
        action = event.step.compensation
        assert action is not None  # noqa: S101 - only those that have one come here
        started = time.monotonic()
        state, error = StepState.UNDONE, None
        try:
            self._refuse_relied(event.step)
            await self._executor.take_back(self._run, event.step.action, action)
        except _FAILURES as failure:
            _refuse_superseded(failure)
            state, error = StepState.UNDO_FAILED, failure
        self._hear(event.step, heard=error is None)
        ended = Event(step=event.step, state=state, seconds=time.monotonic() - started, error=error)
        self._progress(ended)
        text = None if error is None else str(error)
        return StepRecord(sentence=str(action), state=state, seconds=round(ended.seconds, 6), error=text)

    def _refuse_relied(self, step: Step) -> None:
        """Raises Unheard while an appliance may go on answering for what the step gave it to rely on."""
        unheard = sorted(self._relying & self._run.unheard)
        if unheard and not _relying((step,)):
            raise Unheard(unheard[0])


def _relying(steps: Iterable[Step]) -> frozenset[ApplianceId]:
    return frozenset(
        step.action.appliance
        for step in steps
        if isinstance(step.action, Apply) and step.action.within is not None
    )


def _refuse_doubtful(event: Event) -> None:
    """Raises the store's error of what may be settled all the same: the run is carried on from there."""
    if isinstance(event.step.action, Settle) and isinstance(event.error, StoreError):
        raise event.error


def _refuse_superseded(error: Exception | None) -> None:
    """Raises it when it is Superseded: then nothing is taken back either."""
    if isinstance(error, Superseded):
        raise error
