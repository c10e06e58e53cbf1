"""Calls that block, each in a thread of its own that nothing waits for when the process ends."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Any, TypeVar, cast

Answer = TypeVar("Answer")


def in_thread(work: Callable[[], Answer], *, name: str) -> asyncio.Future[Answer]:
    """Begin this in a thread; a future that nobody awaits any more is no fault."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Answer] = loop.create_future()
    future.add_done_callback(lambda done: done.cancelled() or done.exception())

    def settle(answer: Answer | None, error: Exception | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(cast("Answer", answer))

    def run() -> None:
        answer: Answer | None = None
        failure: Exception | None = None
        try:
            answer = work()
        except Exception as error:  # noqa: BLE001 - it is raised where the future is awaited
            failure = error
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(settle, answer, failure)

    threading.Thread(target=run, name=name, daemon=True).start()
    return future


def failed(future: asyncio.Future[Any]) -> bool:
    """Return whether it has ended without an answer: whoever asks now is not told what went wrong then."""
    return future.done() and (future.cancelled() or future.exception() is not None)
