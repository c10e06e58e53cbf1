"""What the lab is doing, as it happens: steps with durations, told to whoever listens."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step; `seconds` is None while it runs, `error` says why it failed.

    `at` is news of a long one: how far it is.
    """

    name: str
    seconds: float | None = None
    error: str | None = None
    at: str | None = None


Listener = Callable[[Step], None]


def ignore(_: Step) -> None:
    """Listen to nothing."""


@contextlib.contextmanager
def step(name: str, listener: Listener) -> Iterator[None]:
    """Tell the listener when the block begins and how it ended."""
    listener(Step(name=name))
    started = time.monotonic()
    try:
        yield
    except Exception as error:
        listener(Step(name=name, seconds=time.monotonic() - started, error=str(error)))
        raise
    listener(Step(name=name, seconds=time.monotonic() - started))
