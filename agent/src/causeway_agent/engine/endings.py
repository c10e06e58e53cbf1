"""How a change that did not come to good is told."""

from __future__ import annotations

from typing import Final

from causeway_agent.engine import events
from causeway_agent.errors import BackendError, StorageError
from causeway_wire.change import Change, ChangeState
from causeway_wire.problem import Problem, ProblemType, problem

_EVENTS: Final = {
    ChangeState.DONE: events.CHANGE_DONE,
    ChangeState.REFUSED: events.CHANGE_REFUSED,
    ChangeState.ROLLED_BACK: events.CHANGE_ROLLED_BACK,
}


def event(change: Change) -> str:
    """The event of the log that tells the end of this change."""
    return _EVENTS.get(change.state, events.CHANGE_FAILED)


def failed(error: Exception, undone: str) -> Problem:
    """Say why a change was given up, and what became of what it had done."""
    return problem(_kind(error), f"{error}; {undone}")


def failure(detail: str) -> Problem:
    """Say why a change was not carried out, or taken back."""
    return problem(ProblemType.APPLY_FAILED, detail)


def unrecorded(change: Change, error: BackendError) -> Problem:
    """Say that a confirmation counts for nothing, and that the change awaits one still."""
    detail = f"the confirmation could not be recorded, confirm again or cancel: {error}"
    return problem(_kind(error), detail, change=change.id)


def _kind(error: Exception) -> ProblemType:
    return ProblemType.STORAGE if isinstance(error, StorageError) else ProblemType.APPLY_FAILED
