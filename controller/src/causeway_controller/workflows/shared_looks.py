"""One look for all who wait: a thousand that each ask the store keep it from what they wait for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class SharedLook(Generic[T]):
    """What was found last, looked for again when it is too old; who asks meanwhile waits for that look."""

    def __init__(self, look: Callable[[], T], *, seconds: float) -> None:
        """`look` is called in a thread. `seconds`: how old an answer may be."""
        self._look = look
        self._seconds = seconds
        self._lock = asyncio.Lock()
        self._found: tuple[float, T] | None = None

    async def now(self) -> T:
        """Return what was found at most `seconds` ago. Raises what `look` does."""
        async with self._lock:
            if self._found is None or time.monotonic() - self._found[0] >= self._seconds:
                # As old as its question, not as its answer.
                at = time.monotonic()
                self._found = at, await asyncio.to_thread(self._look)
            return self._found[1]
