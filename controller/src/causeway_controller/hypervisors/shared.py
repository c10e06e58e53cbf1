"""A connection that several threads use at once, and that the last of them ends.

To end one tells the host and may wait for its answer, and another thread's question may be under way.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Connection = TypeVar("Connection")
Answer = TypeVar("Answer")


class DroppedError(Exception):
    """The connection was given up before the question was asked."""


class Shared(Generic[Connection]):
    """A connection until it is dropped."""

    def __init__(self, connection: Connection, end: Callable[[Connection], None]) -> None:
        """`end` blocks, raises nothing, and is called once, when nobody asks any more."""
        self._connection = connection
        self._end = end
        self._lock = threading.Lock()
        self._users = 0
        self._dropped = False
        self._ended = threading.Event()

    def ask(self, question: Callable[[Connection], Answer]) -> Answer:
        """Return the answer; blocks. Raises DroppedError, and what the question raises."""
        with self._lock:
            if self._dropped:
                raise DroppedError
            self._users += 1
        try:
            return question(self._connection)
        finally:
            with self._lock:
                self._users -= 1
                last = self._dropped and not self._users
            if last:
                self._finish_elsewhere()

    def drop(self) -> None:
        """Give it up; it is ended when nobody asks any more. Never blocks."""
        with self._lock:
            end = not self._dropped and not self._users
            self._dropped = True
        if end:
            self._finish_elsewhere()

    def wait(self, seconds: float) -> bool:
        """Wait for its end at most so long; whether it has ended. Blocks."""
        return self._ended.wait(seconds)

    def _finish_elsewhere(self) -> None:
        """Nobody waits for it: neither who gives it up, nor an answer that is there."""
        if sys.is_finalizing():
            # Python 3.11 never runs a thread that is started now, and `start` waits for it. The process's end
            # ends the connection.
            return
        with contextlib.suppress(RuntimeError):  # later versions refuse instead
            threading.Thread(target=self._finish, name="end of a connection", daemon=True).start()

    def _finish(self) -> None:
        try:
            self._end(self._connection)
        finally:
            self._ended.set()
