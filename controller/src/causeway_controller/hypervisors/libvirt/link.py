"""One connection of the binding's, used by several threads and closed by the last of them.

To close one tells the host and waits for its answer; the binding does so when the object is let go of, in
whichever thread that is, and another thread's call may be under way. So it is closed here and nowhere else:
in a thread, and after the last call.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Any, TypeVar

Answer = TypeVar("Answer")


class DroppedError(Exception):
    """The connection was given up before the question was asked."""


class Link:
    """A connection until it is dropped."""

    def __init__(self, connection: Any, *, refusal: type[Exception]) -> None:
        """`refusal`: what the binding raises."""
        self._connection = connection
        self._refusal = refusal
        self._lock = threading.Lock()
        self._users = 0
        self._dropped = False

    def __del__(self) -> None:
        self.drop()

    def ask(self, question: Callable[[Any], Answer]) -> Answer:
        """Return the answer; blocks. Raises DroppedError."""
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
                self._close()

    def alive(self) -> bool:
        """Whether it can be asked, as far as is known here."""
        with self._lock:
            if self._dropped:
                return False
            try:
                return bool(self._connection.isAlive())
            except self._refusal:
                return False

    def drop(self) -> None:
        """Give it up; it is closed when nobody asks any more. Never blocks."""
        with self._lock:
            close = not self._dropped and not self._users
            self._dropped = True
        if close:
            with contextlib.suppress(RuntimeError):  # the interpreter ends
                threading.Thread(target=self._close, name="libvirt", daemon=True).start()

    def _close(self) -> None:
        with contextlib.suppress(self._refusal):
            self._connection.close()
