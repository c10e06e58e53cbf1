"""A controller process with runs and nothing else: `python -m tests.controller_crash.controller SETTINGS`.

SETTINGS is JSON: `name`, `url` of the store, `socket` of the world, `lease` in seconds, and `park`, which
says for a run at which stage and moment it stays where it is. Runs are started by lines on standard input.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from causeway_controller.app import heap
from causeway_controller.contract import requests
from causeway_controller.store.counters import Epochs, StoredGenerations
from causeway_controller.store.database import beside, connect
from causeway_controller.store.leases import Leases
from causeway_controller.store.runs import Runs as StoredRuns
from causeway_controller.store.tenancies import Standings
from causeway_controller.workflows.actions import Executor
from causeway_controller.workflows.durable import DurableEngine
from causeway_controller.workflows.guardian import Guardian
from causeway_controller.workflows.leases import Lease
from causeway_controller.workflows.ports import Journal
from causeway_controller.workflows.runs import Runs
from causeway_controller.workflows.timing import Timing
from tests.controller_crash.chores import kinds, whose
from tests.controller_crash.remote import (
    CURRENT_RUN,
    CURRENT_STAGE,
    HOST,
    RemoteAgent,
    RemoteHooks,
    RemoteHypervisor,
    Wire,
)
from tests.stored_tenancies import StoredTenancies
from tests.workflow_bench import SITE

READY = "ready"
AT_ONCE = 16
"""Requests that are answered at once."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the process is told."""

    name: str
    url: str
    socket: str
    directory: str
    """Where the update file is."""
    lease: float
    park: dict[str, tuple[str, str]] = {}


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """A run that is to be started."""

    id: str
    host: str
    request: str


class Parking:
    """A journal that stays where it is told to: until the process dies, or is woken."""

    def __init__(self, journal: Journal, wire: Wire, at: tuple[str, str] | None) -> None:
        self._journal = journal
        self._wire = wire
        self._at = at

    async def stage(self, name: str, act: Callable[[], Awaitable[str]]) -> str:
        CURRENT_STAGE.set(name)

        async def parking() -> str:
            await self._park(name, "before")
            found = await act()
            await self._park(name, "after")
            return found

        found = await self._journal.stage(name, parking)
        await self._park(name, "remembered")
        return found

    async def stop_requested(self) -> bool:
        return await self._journal.stop_requested()

    async def _park(self, stage: str, moment: str) -> None:
        if self._at == (stage, moment):
            await self._wire.post("/park")


async def _always(_tenant: str, _vm: str) -> bool:
    return True


async def control(settings: Settings) -> None:
    """Be a controller until somebody ends it."""
    database, own = connect(settings.url), connect(settings.url)
    wire = Wire(Path(settings.socket), settings.name)
    lease = Lease(Leases(own), name=settings.name, seconds=settings.lease)
    lease.begin()
    executor = Executor(
        agents=lambda appliance: RemoteAgent(wire, appliance),
        hypervisors=lambda _: RemoteHypervisor(wire),
        generations=StoredGenerations(database),
        answers=_always,
        timing=Timing(),
        hooks=RemoteHooks(wire),
        in_charge=lease.in_charge,
    )
    kept = StoredRuns(database)
    runs = Runs(
        runs=kept,
        epochs=Epochs(database),
        tenancies=StoredTenancies(SITE, Standings(database)),
        executor=executor,
        controller=settings.name,
        chores=kinds(wire, Path(settings.directory), kept, lease.in_charge),
        journal=lambda record: Parking(record, wire, settings.park.get(record.asked.id)),
    )

    async def body(run: str) -> None:
        CURRENT_RUN.set(run)
        HOST.set((await asyncio.to_thread(kept.get, run)).host)
        await runs.carry_out(run)

    engine = DurableEngine(
        beside(settings.url, "engine"),
        controller=settings.name,
        body=body,
    )
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    async with engine:
        runs.use(engine)
        guardian = Guardian(
            lease=lease, leases=Leases(database), engine=engine, runs=runs, now=lambda: datetime.now(UTC)
        )
        working = [asyncio.create_task(guardian.run()), asyncio.create_task(_obey(runs))]
        heap.settle()
        print(READY, flush=True)  # noqa: T201 - the driver waits for it
        await ended.wait()
        for task in working:
            task.cancel()
        lease.end()
        os._exit(0)


async def _obey(runs: Runs) -> None:
    """Start what standard input asks for; wait for its end."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=2**24)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    room = asyncio.Semaphore(AT_ONCE)

    async def start(order: Order) -> None:
        HOST.set(order.host)  # before a run is begun its appliance is looked at, too
        by = {"actor": "anna", "identifier": order.id}
        chore = requests.chore(order.request.encode())
        async with room:
            if chore is not None:
                await runs.start_chore(chore, **whose(chore, order.host), **by)
                return
            request = requests.read(order.request.encode())
            await runs.start(request, host=order.host, **by)

    async with asyncio.TaskGroup() as group:
        async for line in reader:
            group.create_task(start(msgspec.json.decode(line, type=Order)))


if __name__ == "__main__":
    heap.share()
    asyncio.run(control(msgspec.json.decode(sys.argv[1], type=Settings)))
