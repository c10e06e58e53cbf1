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

    async def round(self, now: float) -> None:
        self.looks += 1
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
