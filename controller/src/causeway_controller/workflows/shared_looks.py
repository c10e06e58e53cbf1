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
        """As old as its question, not as its answer."""
        self._failed: tuple[float, Exception] | None = None

    async def now(self) -> T:
        """Return what was found at most `seconds` before this was asked. Raises what `look` does.

        What comes of a look counts for all who waited for it, however long it took, and also that it failed:
        else each of them would look for itself, one after the other, while the store is slow or away.
        """
        asked = time.monotonic()
        async with self._lock:
            if self._found is not None and asked - self._found[0] < self._seconds:
                return self._found[1]
            if self._failed is not None and asked <= self._failed[0]:
                raise self._failed[1].with_traceback(None)
            at = time.monotonic()
            try:
                found = await asyncio.to_thread(self._look)
            except Exception as error:
                self._failed = time.monotonic(), error
                raise
            self._found, self._failed = (at, found), None
            return found
