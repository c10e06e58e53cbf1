"""The wait for a change's confirmation: one deadline that may move, one outcome that is kept.

As in NETCONF's confirmed commit (RFC 6241, 8.4): who does not hear from the controller in time goes back.
"""

from __future__ import annotations

import asyncio
from enum import Enum

from causeway_agent.engine import ports
from causeway_agent.engine.signal import Signal
from causeway_wire.problem import Problem
from causeway_wire.types import ChangeId

LONGEST_SLEEP = 1.0
"""Seconds between two looks at the clock: it may run on while the event loop's stands still."""


class Outcome(Enum):
    """How the wait ended."""

    CONFIRMED = "confirmed"
    CANCELLED = "cancelled"
    CONTESTED = "another machine answered late for an address that it claimed"
    OVERDUE = "not confirmed before its deadline"


class Confirmation:
    """What one change waits for."""

    def __init__(self, change: ChangeId, *, clock: ports.Clock, seconds: float) -> None:
        self.change = change
        self.since = clock.monotonic()
        """When the wait began; a confirmation must come over a connection younger than this."""
        self._clock = clock
        self._until = self.since + seconds
        self._outcome: Outcome | None = None
        self.unrecorded: Problem | None = None
        """Why the last confirmation counts for nothing, while there is no newer one."""
        self._moved = Signal()

    @property
    def outcome(self) -> Outcome | None:
        """How it ended, None while it goes on. The clock alone ends it, too."""
        if self._outcome is None and self._clock.monotonic() >= self._until:
            # Who was refused and asks again hears what becomes of the change, not that it awaits him.
            self._outcome, self.unrecorded = Outcome.OVERDUE, None
        return self._outcome

    def end(self, outcome: Outcome) -> bool:
        """End the wait this way; False when it had ended before."""
        if self.outcome is not None:
            return False
        self._outcome, self.unrecorded = outcome, None
        self._moved.send()
        return True

    def reopen(self, why: Problem) -> None:
        """Wait on, until the same deadline: what had ended the wait could not be recorded."""
        self._outcome, self.unrecorded = None, why

    def extend(self, seconds: float) -> bool:
        """Let it end so many seconds from now; False when it had ended before."""
        if self.outcome is not None:
            return False
        self._until = self._clock.monotonic() + seconds
        self._moved.send()
        return True

    async def ended(self) -> Outcome:
        """The outcome, once there is one."""
        while (outcome := self.outcome) is None:
            left = max(self._until - self._clock.monotonic(), 0.0)
            try:
                async with asyncio.timeout(min(left, LONGEST_SLEEP)):
                    await self._moved.wait()
            except TimeoutError:
                continue
        return outcome
