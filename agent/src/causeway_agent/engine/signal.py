"""A signal that several tasks may wait for, again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Literal


async def woken(event: asyncio.Event, seconds: float) -> None:
    """Return when the event is set, which it is after so many seconds at the latest.

    A timer that wakes, not a deadline: that would cancel something each time, twice a second, all day.
    """
    timer = asyncio.get_running_loop().call_later(seconds, event.set)
    try:
        await event.wait()
    finally:
        timer.cancel()


class Signal:
    """`send` wakes everyone who waits at that moment; nobody is woken by an older one."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def send(self) -> None:
        """Wake all waiters."""
        event, self._event = self._event, asyncio.Event()
        event.set()

    def wait(self) -> Coroutine[Any, Any, Literal[True]]:
        """To be awaited: ends at the first `send` after this call, also one before the awaiting begins."""
        return self._event.wait()
