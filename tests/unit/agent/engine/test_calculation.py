"""Pure work in a thread: the loop goes on, and what takes too long ends where it is."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from causeway_agent.engine import calculation
from causeway_wire.problem import ProblemError, ProblemType


def forever() -> None:
    while True:
        sum(range(100))


def threads_end() -> bool:
    """Whether all threads of work have ended: they say so with their last breath, and are gone just after."""
    ours = [thread for thread in threading.enumerate() if thread.name == "calculation"]
    for thread in ours:
        thread.join(timeout=10)
    return not any(thread.is_alive() for thread in ours)


async def test_what_the_work_returns_or_raises_arrives() -> None:
    assert await calculation.run(lambda: 6 * 7) == 42
    with pytest.raises(ZeroDivisionError):
        await calculation.run(lambda: 1 // 0)


async def test_work_without_an_end_is_refused_by_name_and_leaves_no_thread() -> None:
    with pytest.raises(ProblemError) as refused:
        await calculation.run(forever, seconds=0.2)
    assert refused.value.problem.type == ProblemType.TOO_COSTLY.urn
    assert threads_end()


async def test_work_that_nobody_waits_for_any_more_ends() -> None:
    task = asyncio.create_task(calculation.run(forever))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert threads_end()


async def test_the_loop_goes_on_while_work_is_done() -> None:
    turns = 0

    async def tick() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    ticking = asyncio.create_task(tick())
    until = time.monotonic() + 0.3

    def busy() -> None:
        while time.monotonic() < until:
            pass

    await calculation.run(busy)
    ticking.cancel()
    assert turns > 3
