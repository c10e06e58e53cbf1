"""Change records in memory: lookup, update, and waiting for a change to become final."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from causeway_agent.engine import journal
from causeway_agent.engine.signal import Signal
from causeway_wire.change import Change, ChangeState
from causeway_wire.types import ChangeId, Generation


class Records:
    """The last changes, oldest first, as the journal keeps them."""

    def __init__(self, changes: Iterable[Change]) -> None:
        self._changes = {change.id: change for change in sorted(changes, key=lambda c: c.id)}
        self._signal = Signal()
        self._last = max((_number(change) for change in self._changes), default=0)

    def new_id(self, generation: Generation) -> ChangeId:
        """An id that sorts after all before it and was never used while its change is kept."""
        self._last += 1
        return f"{self._last:010d}-g{generation}"

    def update(self, change: Change, *, keep: ChangeId | None = None) -> None:
        """Store the record and wake those who wait; `keep` names one that must not be forgotten."""
        self._changes[change.id] = change
        excess = len(self._changes) - journal.CHANGES_KEPT
        for old in [c for c in self._changes if c not in (keep, change.id)][: max(excess, 0)]:
            del self._changes[old]
        self._signal.send()

    def get(self, change: ChangeId) -> Change | None:
        """The change with this id, if it is kept."""
        return self._changes.get(change)

    def all(self) -> tuple[Change, ...]:
        """Every change kept, oldest first."""
        return tuple(self._changes.values())

    def latest(self) -> Change | None:
        """The newest change."""
        return next(reversed(self._changes.values()), None)

    def count(self, state: ChangeState) -> int:
        """How many of the changes kept are in this state."""
        return sum(change.state is state for change in self._changes.values())

    async def wait(
        self,
        change: ChangeId,
        *,
        seconds: float,
        final: bool = False,
        unless: Callable[[], bool] = lambda: False,
    ) -> Change | None:
        """The change once it is final or (unless only `final` counts) awaits its confirmation, or as it is
        after this many seconds, or when it is stored anew and `unless` holds.
        """
        try:
            async with asyncio.timeout(seconds):
                while (found := self._changes.get(change)) is not None:
                    if found.final or (found.resting and not final) or unless():
                        break
                    await self._signal.wait()
        except TimeoutError:
            pass
        return self._changes.get(change)


def _number(change: ChangeId) -> int:
    digits = change.partition("-")[0]
    return int(digits) if digits.isdecimal() else 0
