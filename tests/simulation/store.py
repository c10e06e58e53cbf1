"""What controllers keep, in memory: the real store on a database without a file, and an engine of runs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy
from sqlalchemy import event
from sqlalchemy.pool import StaticPool

from causeway_controller.store import (
    database,
    peer_tables,  # noqa: F401 - it describes tables, too
)
from causeway_controller.store.columns import METADATA
from causeway_controller.store.database import Database
from causeway_controller.store.leases import Leases
from causeway_controller.store.tables import inventory_head
from causeway_controller.workflows.leases import Lease
from causeway_controller.workflows.ports import Body, EngineState
from tests.simulation.loop import VirtualLoop

POLL_SECONDS = 0.5
"""Between two looks of a controller for work."""


class Shared:
    """One database for all controllers of a site; emptied for each history."""

    def __init__(self) -> None:
        self._engine = sqlalchemy.create_engine("sqlite://", poolclass=StaticPool)
        event.listen(self._engine, "connect", _configure)
        event.listen(self._engine, "begin", database._begin_sqlite)
        METADATA.create_all(self._engine)
        self.database = Database(self._engine)
        self.clear()

    def clear(self) -> None:
        """Forget everything, but that nothing was entered yet, which a migration says."""
        with self.database.write() as connection:
            for table in reversed(METADATA.sorted_tables):
                connection.execute(table.delete())
            connection.execute(inventory_head.insert().values(id=1, revision=0))


def _configure(connection: Any, _record: object) -> None:
    connection.isolation_level = None


class MemoryLeases(Leases):
    """Rows of controllers by the virtual clock."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._until: dict[str, float] = {}

    def take(self, name: str, seconds: float) -> None:
        self._until[name] = self._loop.time() + seconds

    def renew(self, name: str, seconds: float) -> bool:
        if self._until.get(name, 0.0) <= self._loop.time():
            return False
        self.take(name, seconds)
        return True

    def give_up(self, name: str) -> None:
        self._until.pop(name, None)

    def alive(self) -> frozenset[str]:
        now = self._loop.time()
        return frozenset(name for name, until in self._until.items() if until > now)


class LoopLease(Lease):
    """The real lease, renewed by a task of its process's instead of a thread."""

    def begin(self) -> None:
        self._renewed = self._monotonic()
        self._leases.take(self.name, self.seconds)

    async def keep(self) -> None:
        """Renew it until the process ends."""
        while True:
            await asyncio.sleep(self.seconds / 4)
            self.renew()


@dataclass
class Kept:
    """What the engine of runs remembers beyond controllers."""

    keys: dict[str, str] = field(default_factory=dict)
    holders: dict[str, str] = field(default_factory=dict)
    executions: dict[str, int] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)


class MemoryEngine:
    """An engine of runs (`workflows.ports.Engine`) that keeps what DBOS would keep, and fences as it does."""

    def __init__(self, kept: Kept, *, name: str, body: Body) -> None:
        self._kept = kept
        self._name = name
        self._body = body

    async def submit(self, run: str, *, key: str) -> None:
        self._kept.keys.setdefault(run, key)

    async def resume(self, run: str) -> None:
        """Gives none up."""

    async def adopt(self, alive: frozenset[str]) -> int:
        dead = [
            run
            for run, holder in self._kept.holders.items()
            if holder not in alive and run not in self._kept.ended
        ]
        for run in dead:
            del self._kept.holders[run]
        return len(dead)

    async def forget(self, before: datetime, *, but: frozenset[str]) -> int:
        """Remembers for as long as the simulation lasts."""
        del before, but
        return 0

    async def states(self, runs: tuple[str, ...]) -> dict[str, EngineState]:
        kept = self._kept
        known = {run: EngineState.GOES_ON for run in runs if run in kept.keys}
        return known | {run: EngineState.ENDED for run in runs if run in kept.ended}

    async def work(self) -> None:
        """Take what waits, one run of a key at a time, until the process ends."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                for run in self._waiting():
                    self._kept.holders[run] = self._name
                    tasks.create_task(self._carry_out(run))
                await asyncio.sleep(POLL_SECONDS)

    def _waiting(self) -> Iterator[str]:
        kept = self._kept
        for run, key in kept.keys.items():
            busy = {kept.keys[held] for held in kept.holders if held not in kept.ended}
            if run not in kept.ended and run not in kept.holders and key not in busy:
                yield run

    async def _carry_out(self, run: str) -> None:
        number = self._kept.executions[run] = self._kept.executions.get(run, 0) + 1
        await self._body(run)
        if self._kept.executions[run] == number:
            self._kept.ended.add(run)
