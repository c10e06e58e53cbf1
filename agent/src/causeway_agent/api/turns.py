"""Turns at work that whoever may only observe can ask for: one at a time, and few who wait.

A change takes no turn here: however many documents are sent to be planned, an apply shares the processor with
one of them at most.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

from causeway_wire.problem import ProblemError, ProblemType, problem

WAITING: Final = 4
"""How many wait for their turn; others are told to come back."""
RETRY_SECONDS: Final = 2.0


class Turns:
    """One turn at a time, in the order of asking."""

    def __init__(self, *, waiting: int = WAITING) -> None:
        self._most = waiting
        self._asking = 0
        self._lock = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """A turn; raises ProblemError (`unavailable`) where too many wait already."""
        if self._asking > self._most:
            detail = f"{self._asking} documents are being planned or wait for it; try again in a while"
            raise ProblemError(problem(ProblemType.UNAVAILABLE, detail, retry_after=RETRY_SECONDS))
        self._asking += 1
        try:
            async with self._lock:
                yield
        finally:
            self._asking -= 1
