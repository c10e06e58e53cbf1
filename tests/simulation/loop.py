"""An event loop with virtual time and a seeded order, on which whole processes can be stopped and killed.

Nothing here waits: when nobody is ready, time jumps to the next timer. Of several callbacks that are ready a
random one goes first. What would go to a thread is done on the loop itself, a turn later. Each callback
belongs to a `Process`: what belongs to one that was killed never runs again, what belongs to one that was
stopped runs when it is woken. Equal seeds give equal histories: no real clock, no thread, no hash order and
no garbage collection takes part.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import heapq
import itertools
import random
import sys
import time
import weakref
from collections.abc import Callable, Coroutine, Iterator
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from causeway_agent.engine import calculation

T = TypeVar("T")

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(eq=False)
class Process:
    """Something that runs for itself and may end at any instant."""

    name: str
    alive: bool = True
    stopped_until: float = 0.0
    """Seconds of the loop's clock."""

    def context(self) -> Context:
        """A context whose callbacks are this process's."""
        context = Context()
        context.run(PROCESS.set, self)
        return context


PROCESS: ContextVar[Process | None] = ContextVar("process", default=None)


class _Task(asyncio.Task[T]):
    """A task that sets order as they were made, not as they lie in memory."""

    def __init__(self, number: int, coro: Coroutine[Any, Any, T], **more: Any) -> None:
        self._number = number
        super().__init__(coro, **more)

    def __hash__(self) -> int:
        return self._number


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs callbacks in an order that the seed alone decides."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.random = random.Random(seed)  # noqa: S311 - a schedule
        self.elapsed = 0.0
        self.steps = 0
        self._numbers = itertools.count()
        self._spawned: list[asyncio.Task[Any]] = []
        self._tasks: weakref.WeakSet[_Task[Any]] = weakref.WeakSet()
        own: Any = self
        own.set_task_factory(self._make)
        self.fault: Exception | None = None
        """What a callback of the simulation's own raised."""
        self.set_exception_handler(self._note)

    def time(self) -> float:
        """Virtual seconds since the beginning."""
        return self.elapsed

    def now(self) -> datetime:
        """The same as a date."""
        return BEGIN + timedelta(seconds=self.elapsed)

    def monotonic(self) -> float:
        """The same for those who ask a clock of the agent's."""
        return self.elapsed

    def run_in_executor(  # type: ignore[override]  # what this is called with
        self, _executor: object, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Do it a turn later: others may come first, as with a thread."""
        done: asyncio.Future[T] = self.create_future()

        def act() -> None:
            if done.cancelled():
                return
            try:
                done.set_result(func(*args))
            except BaseException as error:  # noqa: BLE001 - whoever waits has to hear of it
                done.set_exception(error)

        self.call_soon(act, context=copy_context())
        return done

    def _note(self, _loop: asyncio.AbstractEventLoop, about: dict[str, Any]) -> None:
        """A callback that raises is a mistake of the simulation's; a task that nobody awaited is not."""
        if "handle" in about and self.fault is None:
            self.fault = about["exception"]
            self.stop()

    def forget(self) -> None:
        """Let go of everything that would still be run, and of what waits in vain."""
        own: Any = self
        for task in sorted(self._tasks, key=hash):
            if not task.done():
                coro: Any = task.get_coro()
                quiet: Any = task
                quiet._log_destroy_pending = False
                with contextlib.suppress(BaseException):
                    coro.close()
        own._ready.clear()
        own._scheduled.clear()

    def spawn(self, coro: Coroutine[Any, Any, object], process: Process | None = None) -> None:
        """Have it done beside everything else, by the process or by nobody's."""
        context = Context() if process is None else process.context()
        self._spawned.append(self.create_task(coro, context=context))

    def _make(self, _loop: asyncio.AbstractEventLoop, coro: Coroutine[Any, Any, T], **more: Any) -> _Task[T]:
        made = _Task(next(self._numbers), coro, loop=self, **more)
        self._tasks.add(made)
        return made

    def _run_once(self) -> None:
        own: Any = self
        ready, scheduled = own._ready, own._scheduled
        while scheduled and scheduled[0]._cancelled:
            heapq.heappop(scheduled)._scheduled = False
        if not ready and scheduled:
            self.elapsed = max(self.elapsed, scheduled[0]._when)
        while scheduled and scheduled[0]._when <= self.elapsed:
            handle = heapq.heappop(scheduled)
            handle._scheduled = False
            ready.append(handle)
        if not ready:
            raise RuntimeError("nothing is ready, and nothing will be")
        if len(ready) > 1:
            ready.rotate(-self.random.randrange(len(ready)))
        handle = ready.popleft()
        process = handle._context.get(PROCESS)
        if handle._cancelled or (process is not None and not process.alive):
            return
        if process is not None and process.stopped_until > self.elapsed:
            self.call_at(process.stopped_until, ready.append, handle, context=Context())
            return
        self.steps += 1
        handle._run()

    def _process_events(self, _events: object) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """Nobody sleeps."""

    def _asyncgen_finalizer_hook(self, _generator: object) -> None:
        """What a dead process left is not tidied up."""


async def _calculated(work: Callable[[], T], *, seconds: float = 0.0) -> T:
    """What `calculation.run` does in a thread."""
    await asyncio.sleep(0)
    return work()


@contextlib.contextmanager
def virtual(seed: int) -> Iterator[VirtualLoop]:
    """A loop of this seed; while it is open, nobody in this interpreter sees another clock."""
    real, state, threaded = time.monotonic, random.getstate(), calculation.run
    loop = VirtualLoop(seed)
    random.seed(seed)
    gc.disable()
    gc.freeze()
    complain = sys.unraisablehook
    sys.unraisablehook = lambda _: None  # what was killed cannot be tidied up, and its coroutines complain
    time.monotonic = loop.time
    calculation.run = _calculated
    try:
        yield loop
    finally:
        loop.forget()
        gc.collect()
        sys.unraisablehook = complain
        time.monotonic, calculation.run = real, threaded
        random.setstate(state)
        gc.enable()
