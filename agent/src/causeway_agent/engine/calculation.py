"""Pure work beside the event loop: documents are compiled and compared in a thread, within a bound of time.

The loop answers echoes of tunnels, liveness and other clients meanwhile. What takes too long is stopped where
it is: it holds nothing and has changed nothing, so that it may end anywhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import threading
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from causeway_wire.problem import Problem, ProblemError, ProblemType, problem

SECONDS: Final = 20.0
"""For one piece of work. What a document of the greatest size costs is seconds on a slow machine."""

Result = TypeVar("Result")


async def run(work: Callable[[], Result], *, seconds: float = SECONDS) -> Result:
    """What the work returns or raises. It must be pure; it is stopped when it takes longer or nobody waits.

    Raises ProblemError (`too-costly`). Returns only once the thread has ended: whoever counts such work
    counts threads.
    """
    job = _Job(work, asyncio.get_running_loop())
    threading.Thread(target=job.run, name="calculation", daemon=True).start()
    try:
        async with asyncio.timeout(seconds):
            await job.ended.wait()
    except TimeoutError as error:
        await job.stop()
        if not job.finished:
            raise ProblemError(_too_costly(seconds)) from error
    except asyncio.CancelledError:
        await job.stop()
        raise
    return job.result()


def _too_costly(seconds: float) -> Problem:
    detail = f"checking it took more than {seconds:g} seconds; send fewer entries"
    return problem(ProblemType.TOO_COSTLY, detail)


class _Stopped(BaseException):
    """Raised inside the thread that is to end."""


class _Job(Generic[Result]):
    """Work, the thread that does it, and what came of it."""

    def __init__(self, work: Callable[[], Result], loop: asyncio.AbstractEventLoop) -> None:
        self._work, self._loop = work, loop
        self._lock = threading.Lock()
        self._thread: int | None = None
        self._value: list[Result] = []
        self._error: BaseException | None = None
        self.ended = asyncio.Event()

    @property
    def finished(self) -> bool:
        """Whether it came to an end of its own."""
        return bool(self._value) or self._error is not None

    def run(self) -> None:
        """The thread."""
        with contextlib.suppress(_Stopped):
            try:
                self._thread = threading.get_ident()
                self._value.append(self._work())
            except Exception as error:  # noqa: BLE001 - handed to whoever waits
                self._error = error
            finally:
                with self._lock:
                    self._thread = None
        with contextlib.suppress(RuntimeError):  # the loop is gone, and who waited with it
            self._loop.call_soon_threadsafe(self.ended.set)

    async def stop(self) -> None:
        """End the thread at its next step (Python/C API, PyThreadState_SetAsyncExc), and wait for that."""
        with self._lock:
            if self._thread is not None:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(
                    ctypes.c_ulong(self._thread), ctypes.py_object(_Stopped)
                )
        await self.ended.wait()

    def result(self) -> Result:
        """What the work returned; raises what it raised."""
        if self._error is not None:
            raise self._error
        return self._value[0]
