"""What every host that takes a disk over a network has in common: watched, given up, taken back."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final

from causeway_controller.hypervisors.base import Cause, HypervisorError, Machine, Progress

_STALLED_SECONDS: Final = 60.0
"""A disk that is being sent and of which nothing moved for so long has failed."""
_POLL: Final = 0.25
_TAKE_BACK: Final = (0.2, 1.0, 3.0, 0.0)
"""Seconds after each try to delete what a failed deployment left."""


class Upload:
    """How far an upload is: told by its thread, and watched."""

    def __init__(self, host: str, total: int, progress: Progress) -> None:
        """`total`: octets."""
        self._host = host
        self._total = total
        self._progress = progress
        self._moved = 0
        self._waits: tuple[str, float] | None = None
        """What the host does by itself meanwhile, and for how long it may."""
        self._ended = threading.Event()

    @property
    def moved(self) -> int:
        """Octets that are there."""
        return self._moved

    def sent(self, octets: int) -> None:
        """Say in the thread that so many more are there. Raises HypervisorError once it was given up."""
        if self._ended.is_set():
            raise HypervisorError("the upload was given up")
        self._moved += octets
        self._waits = None

    def waits(self, what: str, seconds: float) -> None:
        """Say in the thread that nothing moves while the host does this, for at most so long.

        That ends when the next octets are sent. `what`: as in "the host did not ...". Raises HypervisorError
        once it was given up.
        """
        self.sent(0)
        self._waits = (what, seconds)

    @contextlib.contextmanager
    def taking_back(self, work: Callable[[], None]) -> Iterator[None]:
        """Have the thread delete what it made, once it ends after it was given up.

        Whoever gives it up deletes what is there then; the thread may be in the middle of an act.
        """
        try:
            yield
        finally:
            if self._ended.is_set():
                with contextlib.suppress(Exception):  # nobody hears of it
                    work()

    async def through(self, work: Awaitable[object]) -> None:
        """Await the work. Ends when nothing moves any more, and when it is cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                watcher = group.create_task(self._watched())
                await work
                watcher.cancel()
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from errors
        finally:
            self._ended.set()

    async def _watched(self) -> None:
        seen, since = (-1, self._waits), time.monotonic()
        while True:
            now = self._moved, self._waits
            if now != seen:
                seen, since = now, time.monotonic()
                told = "uploading the disk" if self._waits is None else "waiting for the host"
                self._progress(told, 0.9 * self._moved / self._total)
            else:
                self._judge(time.monotonic() - since)
            await asyncio.sleep(_POLL)

    def _judge(self, seconds: float) -> None:
        """Raise HypervisorError where nothing happened for longer than what is done may take."""
        waits = self._waits
        longest = _STALLED_SECONDS if waits is None else waits[1]
        if seconds > longest:
            what = "took nothing of the disk for" if waits is None else f"did not {waits[0]} within"
            raise HypervisorError(f"host {self._host} {what} {longest:.0f} s", cause=Cause.SLOW)


async def taken_back(work: Callable[[], Awaitable[Any]]) -> None:
    """Delete what is left of an attempt, if the host still listens."""
    for pause in _TAKE_BACK:
        try:
            await asyncio.shield(work())
        except HypervisorError:  # also while the stream that was given up is still open
            await asyncio.sleep(pause)
        else:
            return


async def stopped(find: Callable[[], Awaitable[Machine | None]], deadline: float) -> bool:
    """Wait until the machine is off or gone; whether that was so before this moment (time.monotonic)."""
    while time.monotonic() < deadline:
        found = await find()
        if found is None or not found.powered_on:
            return True
        await asyncio.sleep(_POLL)
    return False
