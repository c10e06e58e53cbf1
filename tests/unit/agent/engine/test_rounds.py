"""Watchers on the same beats."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from causeway_agent.engine import rounds
from causeway_agent.errors import BackendError
from tests.fakes.clock import FakeClock


@dataclass
class Watcher:
    fails: Exception | None = None
    tick: float = 0.01
    looked: asyncio.Event = field(default_factory=asyncio.Event)
    looks: int = 0
    began: float = -1.0
    takes: float = 0.0
    clock: FakeClock = field(default_factory=FakeClock)

    async def round(self, now: float) -> None:
        self.looks += 1
        self.began = now
        self.clock.advance(self.takes)
        if self.looks > 1:
            self.looked.set()
        if self.fails is not None:
            raise self.fails


@pytest.mark.parametrize("error", [BackendError("look", "refused"), ZeroDivisionError()])
async def test_one_that_cannot_look_keeps_neither_itself_nor_the_others_from_it(error: Exception) -> None:
    failing, other = Watcher(fails=error), Watcher(tick=1.0)
    keeping = asyncio.create_task(rounds.keep(FakeClock(), failing, other))
    async with asyncio.timeout(10):
        await failing.looked.wait()
        await other.looked.wait()
    keeping.cancel()


async def test_who_looks_after_one_that_takes_long_is_told_when_that_is() -> None:
    clock = FakeClock()
    slow, other = Watcher(clock=clock, takes=3.0), Watcher(clock=clock)
    keeping = asyncio.create_task(rounds.keep(clock, slow, other))
    async with asyncio.timeout(10):
        await other.looked.wait()
    keeping.cancel()
    assert other.began == slow.began + 3.0
