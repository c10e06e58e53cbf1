"""What is told of a run's steps while it goes on, and read again when it is over."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

from causeway_controller.failover.steps import Step


class StepState(enum.Enum):
    """How far a step is."""

    STARTED = "started"
    DONE = "done"
    UNCHANGED = "unchanged"
    """It was so already."""
    FAILED = "failed"
    SKIPPED = "skipped"
    """Not begun: what it needs failed."""
    UNDONE = "undone"
    UNDO_FAILED = "undo-failed"


THROUGH: Final = frozenset({StepState.DONE.value, StepState.UNCHANGED.value})
"""As they are told: what the step is for is so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A step's progress."""

    step: Step
    state: StepState
    seconds: float = 0.0
    error: Exception | None = None
