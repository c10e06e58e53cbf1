"""Whether nothing may be forwarded because the packet filter cannot be relied on.

A filter that somebody changed is loaded again at once, but whoever changes it again and again leaves it open
for moments, and one that cannot be loaded leaves it open for good. Then the kernel's own switches close,
which no ruleset reaches: forwarding is off and bridges are down until the filter has stood for a while.
Controllers still find their door: it needs no forwarding.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from causeway_wire.problem import Problem, ProblemType, problem

RELAPSE_SECONDS = 60.0
"""A filter that is lost once more within this time is not relied on: one flush is an accident."""
HOLD_SECONDS = 5.0
"""How long it must have stood before anything passes again: longer than any program that changes it in turns
takes, short against what a person notices of an accident.
"""


@dataclass(slots=True)
class Lockdown:
    """Written by the filter guard, asked by whoever is about to let something through."""

    hold: float = HOLD_SECONDS
    active: bool = False
    cause: str = ""
    losses: int = 0
    """How many times the filter was found otherwise than intended, since the agent started."""
    begun: int = 0
    """How many times this began."""
    switch: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while a switch is thrown: nothing opens at the moment in which it is decided to close."""
    _last: float | None = None

    def lost(self, now: float, cause: str) -> bool:
        """The filter was found otherwise than intended; whether that is once too often."""
        again = self._last is not None and now - self._last < RELAPSE_SECONDS
        self._last = now
        self.losses += 1
        if again:
            self.begin(now, cause)
        return self.active

    def begin(self, now: float, cause: str) -> None:
        """Close, or stay closed; the time that the filter must stand begins anew."""
        self.begun += not self.active
        self.active, self.cause, self._last = True, cause, now

    def due(self, now: float) -> bool:
        """Whether it may end, provided that the filter stands."""
        return self.active and self._last is not None and now - self._last >= self.hold

    def end(self) -> None:
        """The filter is relied on again."""
        self.active, self.cause = False, ""

    def problem(self) -> Problem:
        """What is told while it lasts."""
        detail = (
            f"closed: {self.cause}; nothing is forwarded until the packet filter has stood for "
            f"{self.hold:g} s"
        )
        return problem(ProblemType.UNAVAILABLE, detail, retry_after=self.hold)
