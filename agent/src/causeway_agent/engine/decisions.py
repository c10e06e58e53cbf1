"""What a controller decides about a change that awaits its confirmation: confirm, cancel, extend."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import msgspec
import structlog
from msgspec import UNSET

from causeway_agent.engine import events
from causeway_agent.engine.confirmation import Confirmation, Outcome
from causeway_agent.engine.fence import Fence
from causeway_agent.engine.journal import Journal
from causeway_agent.engine.machine import Machine
from causeway_agent.engine.records import Records
from causeway_agent.errors import BackendError
from causeway_wire.change import Change, ChangeState
from causeway_wire.problem import Problem, ProblemError, ProblemType, problem
from causeway_wire.types import ChangeId, Epoch

DECISION_SECONDS = 10.0
"""Longest time that a decision is held until its change is final."""

_SAME_CONNECTION = "confirm over a connection opened after the change was applied: only that proves a way in"

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class Decisions:
    """Carries decisions to the task that runs changes, and their outcomes back.

    One that is taken raises the epoch to its workflow's; one that is refused changes nothing.
    """

    def __init__(
        self, *, machine: Machine, journal: Journal, records: Records, lock: asyncio.Lock, fence: Fence
    ) -> None:
        self._machine = machine
        self._journal = journal
        self._records = records
        self._lock = lock
        self._fence = fence
        self.awaited: Confirmation | None = None
        """What the change that was applied last waits for; set by who runs changes."""

    async def confirm(self, identifier: ChangeId, *, connected: float | None, epoch: Epoch) -> Change:
        """Put the change that awaits it in force for good; the change, final. Repeating it is harmless.

        `connected`: when the connection that this came over was accepted (monotonic seconds), None when it
        came from this machine. Raises ProblemError when it is not awaited, or proves nothing, or could not be
        recorded and is awaited still, or when a newer workflow has taken over (`stale-epoch`), as others do.
        """
        self._fence.check(epoch, pointer=UNSET)
        found = self._kept(identifier)
        if found.state is ChangeState.DONE:
            return found
        confirmation = self._confirmation(found)
        if connected is None or connected <= confirmation.since:
            raise ProblemError(problem(ProblemType.SAME_CONNECTION, _SAME_CONNECTION, change=identifier))
        await self._fence.raise_to(epoch, pointer=UNSET)
        if not confirmation.end(Outcome.CONFIRMED) and confirmation.outcome is not Outcome.CONFIRMED:
            raise ProblemError(_not_awaiting(found))
        final = await self._final(found, confirmation)
        if not final.final and confirmation.unrecorded is not None:
            raise ProblemError(confirmation.unrecorded)
        if final.state is ChangeState.ROLLED_BACK and isinstance(final.problem, Problem):
            raise ProblemError(final.problem)
        return final

    async def cancel(self, identifier: ChangeId, *, epoch: Epoch | None) -> Change:
        """Take the awaiting change back; the change, final unless that takes long. Repeating it is harmless.

        `epoch`: of the workflow that asks; None for this machine itself, which no workflow fences. Raises
        ProblemError when it awaits nothing and was not taken back.
        """
        if epoch is not None:
            self._fence.check(epoch, pointer=UNSET)
        found = self._kept(identifier)
        if found.state is ChangeState.ROLLED_BACK:
            return found
        confirmation = self._confirmation(found)
        if epoch is not None:
            await self._fence.raise_to(epoch, pointer=UNSET)
        while not confirmation.end(Outcome.CANCELLED) and confirmation.outcome is Outcome.CONFIRMED:
            final = await self._final(found, confirmation)
            if confirmation.outcome is Outcome.CONFIRMED:
                raise ProblemError(_not_awaiting(final))
        return await self._final(found, confirmation)

    def refuse(self) -> None:
        """Take back the change that awaits its confirmation, if one does: an address it claimed is taken."""
        if self.awaited is not None:
            self.awaited.end(Outcome.CONTESTED)

    async def extend(self, identifier: ChangeId, *, seconds: int, epoch: Epoch) -> Change:
        """Give the awaiting change a new deadline, so many seconds from now; raises ProblemError."""
        self._fence.check(epoch, pointer=UNSET)
        confirmation = self._confirmation(self._kept(identifier))
        await self._fence.raise_to(epoch, pointer=UNSET)
        try:
            # First who watches from outside: with a deadline that only we know, it would act too early.
            await self._machine.dead_man.arm(identifier, seconds=seconds)
        except BackendError as error:
            raise ProblemError(problem(ProblemType.UNAVAILABLE, str(error), change=identifier)) from error
        async with self._lock:
            if not confirmation.extend(seconds):
                raise ProblemError(_not_awaiting(self._kept(identifier)))
            deadline = self._machine.clock.now() + timedelta(seconds=seconds)
            change = msgspec.structs.replace(self._kept(identifier), deadline=deadline)
            self._records.update(change)
            await self._record(change)
        _log.info(events.CHANGE_EXTENDED, change=identifier, deadline=deadline.isoformat())
        return change

    async def _record(self, change: Change) -> None:
        try:
            await asyncio.to_thread(self._journal.record, change)
        except BackendError as error:
            # Nothing depends on it: a restart takes the change back whatever its record says.
            _log.error(events.JOURNAL_DAMAGED, reason=str(error))

    async def _final(self, change: Change, confirmation: Confirmation) -> Change:
        """The change, final unless that takes long, or unless its confirmation could not be recorded."""
        found = await self._records.wait(
            change.id,
            seconds=DECISION_SECONDS,
            final=True,
            unless=lambda: confirmation.unrecorded is not None,
        )
        return found or change

    def _kept(self, identifier: ChangeId) -> Change:
        found = self._records.get(identifier)
        if found is None:
            raise ProblemError(problem(ProblemType.NOT_FOUND, "no change of this id is kept"))
        return found

    def _confirmation(self, change: Change) -> Confirmation:
        """What this change waits for; raises ProblemError when it waits for nothing."""
        if self.awaited is None or self.awaited.change != change.id or change.final:
            raise ProblemError(_not_awaiting(change))
        return self.awaited


def _not_awaiting(change: Change) -> Problem:
    detail = f"change {change.id} is {change.state.value} and awaits no confirmation"
    return problem(ProblemType.NOT_AWAITING, detail, change=change.id)
