"""One look for all who wait: a thousand that each ask the store keep it from what they wait for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[T]):
    """Somebody who waits for a difference."""

    differs: Callable[[T], bool]
    woken: asyncio.Future[None]


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
        self._waiting: list[_Waiting[T]] = []
        self._watching: asyncio.Task[None] | None = None

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

    async def until(self, differs: Callable[[T], bool], *, seconds: float) -> None:
        """Return once `differs` of what is found, or after so many seconds. Raises what `look` does.

        Who waits sleeps: one task looks, for all of them, and wakes those whom it concerns.
        """
        waiting = _Waiting(differs, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._watching is None or self._watching.done():
            self._watching = asyncio.create_task(self._watch())
        try:
            async with asyncio.timeout(seconds):
                await waiting.woken
        except TimeoutError:
            return

    async def _watch(self) -> None:
        while self._waiting:
            await asyncio.sleep(self._seconds)
            try:
                found = await self.now()
            except Exception as error:  # noqa: BLE001 - each who waits raises it
                waiting, self._waiting = self._waiting, []
                for one in waiting:
                    if not one.woken.done():
                        one.woken.set_exception(error)
            else:
                self._waiting = [one for one in self._waiting if not _is_woken(one, found)]


def _is_woken(waiting: _Waiting[T], found: T) -> bool:
    """Wake who waits for such a difference; say whether it waits no more."""
    if not waiting.woken.done() and waiting.differs(found):
        waiting.woken.set_result(None)
    return waiting.woken.done()
