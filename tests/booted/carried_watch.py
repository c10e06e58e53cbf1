"""A machine in production that asks the replica all the time, in a booted machine. Only Python's standard
library is there.
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
import time
from typing import Self

from benchmarks import offload_world as world
from tests.booted import carried_guest as guest

EVERY = 0.02
"""Seconds between questions to the replica."""


class Watch:
    """Asks the replica every few milliseconds, and remembers when it answered."""

    def __init__(self) -> None:
        self._ended = threading.Event()
        self._answers = [time.monotonic()]
        with world.inside("vm"):
            self._asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with world.inside("rep"):
            self._answering = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._answering.bind(("", world.PORT))
        for one in (self._asking, self._answering):
            one.settimeout(0)
        self._thread = threading.Thread(target=self._ask)

    def _ask(self) -> None:
        while not self._ended.wait(EVERY):
            with contextlib.suppress(OSError):
                self._asking.sendto(b"q", (guest.REPLICA[4], world.PORT))
            with contextlib.suppress(OSError):
                while True:
                    _, who = self._answering.recvfrom(64)
                    self._answering.sendto(b"a", who)
            with contextlib.suppress(OSError):
                while self._asking.recv(64):
                    self._answers.append(time.monotonic())

    @property
    def answers(self) -> int:
        """How many came until now."""
        return len(self._answers) - 1

    def last(self, since: float) -> float:
        """Seconds from this moment until the last answer."""
        return self._answers[-1] - since

    def longest(self, since: float) -> float:
        """The longest time from this moment on in which none came, in seconds."""
        moments = [since, *(one for one in self._answers if one > since), time.monotonic()]
        return max(later - earlier for earlier, later in itertools.pairwise(moments))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._asking.close()
        self._answering.close()
