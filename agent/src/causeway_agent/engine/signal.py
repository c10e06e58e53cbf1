"""A signal that several tasks may wait for, again and again."""

from __future__ import annotations

import asyncio


class Signal:
    """`send` wakes everyone who waits at that moment; nobody is woken by an older one."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def send(self) -> None:
        """Wake all waiters."""
        event, self._event = self._event, asyncio.Event()
        event.set()

    async def wait(self) -> None:
        """Return at the next `send`."""
        await self._event.wait()
