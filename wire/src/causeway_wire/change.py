"""Changes: what the agent did or is doing to conform to a document, as data."""

from __future__ import annotations

from enum import StrEnum

from causeway_wire.desired import Document
from causeway_wire.observed import Report
from causeway_wire.problem import Problem
from causeway_wire.types import ChangeId, Epoch, Generation, Timestamp

CONFIRM_SECONDS = 3600
"""Longest time that a change may await its confirmation."""


class ChangeState(StrEnum):
    """A change's life; `done`, `failed`, `refused` and `rolled-back` are final."""

    PREPARED = "prepared"
    APPLYING = "applying"
    VERIFYING = "verifying"
    AWAITING = "awaiting-confirmation"
    """Applied and verified; taken back unless confirmed before its deadline (RFC 6241, 8.4)."""
    DONE = "done"
    FAILED = "failed"
    """Could not be applied; the previous document is in force again."""
    REFUSED = "refused"
    """A check on the live network said no before anything was touched."""
    ROLLED_BACK = "rolled-back"
    """Not confirmed in time, cancelled, or cut by a restart; the previous document is in force again."""


FINAL_STATES = frozenset({ChangeState.DONE, ChangeState.FAILED, ChangeState.REFUSED, ChangeState.ROLLED_BACK})


class OperationState(StrEnum):
    """Whether an operation ran."""

    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"


class OperationReport(Report, frozen=True, kw_only=True):
    """One operation of a change, in words."""

    description: str
    state: OperationState = OperationState.PENDING
    milliseconds: float | None = None


class Change(Report, frozen=True, kw_only=True):
    """A change and its operations; the wait endpoint, the CLI and the journal read the same record."""

    id: ChangeId
    generation: Generation
    epoch: Epoch
    state: ChangeState
    requested_by: str
    created: Timestamp
    finished: Timestamp | None = None
    deadline: Timestamp | None = None
    """When it is taken back unless confirmed; moves on when it begins to await that. Null when it needs
    no confirmation.
    """
    operations: tuple[OperationReport, ...] = ()
    problem: Problem | None = None

    @property
    def final(self) -> bool:
        """Whether the change will not move any more."""
        return self.state in FINAL_STATES

    @property
    def resting(self) -> bool:
        """Whether it will not move by itself before a deadline: it is final, or awaits its confirmation."""
        return self.final or self.state is ChangeState.AWAITING


class Fence(Document, frozen=True, kw_only=True):
    """Shut out workflows before this one: whatever comes with a lower epoch is refused from now on."""

    epoch: Epoch


class PlanReport(Report, frozen=True, kw_only=True):
    """Answer of a dry run: the operations that the document would cause now."""

    operations: tuple[str, ...]
