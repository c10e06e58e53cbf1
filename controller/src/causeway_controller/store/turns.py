"""Turns of those that write to one file of SQLite, in the order in which they ask.

A writer of SQLite that finds another one sleeps and asks again, and may find others for ever: beside sixty
threads that write, a controller could not renew its lease.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """One writer at a time of this process; other processes are SQLite's own affair."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()
        self._taken = False

    @contextmanager
    def turn(self, *, urgent: bool = False) -> Iterator[None]:
        """Wait for the turn and have it; `urgent`: the next one, whoever waits."""
        self._take(urgent=urgent)
        try:
            yield
        finally:
            self._pass_on()

    def _take(self, *, urgent: bool) -> None:
        with self._guard:
            if not self._taken:
                self._taken = True
                return
            mine = threading.Lock()
            mine.acquire()
            (self._waiting.appendleft if urgent else self._waiting.append)(mine)
        mine.acquire()

    def _pass_on(self) -> None:
        with self._guard:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._taken = False
