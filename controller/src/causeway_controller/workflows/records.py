"""What a stage leaves for whoever carries the run on: how its steps ended, and what awaits a confirmation.

Ids, sentences and seconds; no secret, no document, no inventory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from causeway_controller.errors import ChangeFailed, ControllerError
from causeway_controller.failover.events import Event, StepState
from causeway_controller.failover.steps import Step
from causeway_wire import codec
from causeway_wire.problem import ProblemError
from causeway_wire.types import ApplianceId, ChangeId


class RecordedFailure(ControllerError):  # noqa: N818 - a situation, not a defect
    """A step failed under a controller that is gone; the text is what it said."""

    def __init__(self, text: str, *, nothing_done: bool) -> None:
        super().__init__(text)
        self.nothing_done = nothing_done


class StepRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How a step ended."""

    sentence: str
    state: StepState
    seconds: float = 0.0
    error: str | None = None
    nothing_done: bool = False
    """Whether a step that failed left everything as it was."""


class StageRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How a stage ended."""

    steps: tuple[StepRecord, ...] = ()
    awaiting: Mapping[ApplianceId, ChangeId] = {}
    """Every change of the run that awaits its confirmation now. Until when is not told: clocks differ, and
    who carries the run on extends the wait before it relies on it.
    """
    stopped: bool = False
    """Somebody asked to stop before the stage."""
    begun: bool = False
    """It stopped, and another controller may have begun the stage before."""


def record(events: Iterable[Event], awaiting: Mapping[ApplianceId, ChangeId]) -> StageRecord:
    """Return the record of a stage whose steps ended so."""
    return StageRecord(steps=tuple(map(_step, events)), awaiting=dict(awaiting))


def _step(event: Event) -> StepRecord:
    return StepRecord(
        sentence=event.step.sentence,
        state=event.state,
        seconds=round(event.seconds, 6),
        error=None if event.error is None else str(event.error),
        nothing_done=event.error is not None and nothing_done(event.error),
    )


def nothing_done(error: Exception) -> bool:
    """Whether the agent itself says that all is as before the step that failed."""
    if isinstance(error, RecordedFailure):
        return error.nothing_done
    return isinstance(error, ChangeFailed | ProblemError)


def events(found: StageRecord, stage: Iterable[Step]) -> tuple[Event, ...]:
    """Return how the steps of the stage ended, as it was recorded; raises ValueError for other steps."""
    return tuple(_event(one, step) for one, step in zip(found.steps, stage, strict=True))


def _event(found: StepRecord, step: Step) -> Event:
    if found.sentence != step.sentence:
        raise ValueError(f"recorded was {found.sentence!r}, planned is {step.sentence!r}")
    error = None
    if found.error is not None:
        error = RecordedFailure(found.error, nothing_done=found.nothing_done)
    return Event(step=step, state=found.state, seconds=found.seconds, error=error)


def begun(stage: Iterable[Step]) -> tuple[Event, ...]:
    """Return how the steps ended of a stage that a controller began which is gone: nobody knows."""
    error = RecordedFailure("the controller that may have begun it is gone", nothing_done=False)
    return tuple(Event(step=step, state=StepState.FAILED, error=error) for step in stage)


def write(found: StageRecord) -> str:
    """Return the record as JSON."""
    return codec.encode(found).decode()


def read(text: str) -> StageRecord:
    """Return the record that this JSON is; raises ProblemError."""
    return codec.decode(text.encode(), StageRecord)
