"""A signal that several tasks may wait for, again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Literal


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
