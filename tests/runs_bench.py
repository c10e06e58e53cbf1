"""Runs of one tenant over fakes and a real store, with an engine that dies where it is told to."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from causeway_controller.contract.requests import Chore, Request
from causeway_controller.inventory.tenancy import Site
from causeway_controller.store.counters import Epochs, StoredGenerations
from causeway_controller.store.database import Database
from causeway_controller.store.halves import Halves as StoredHalves
from causeway_controller.store.runs import RunEvent
from causeway_controller.store.runs import Runs as StoredRuns
from causeway_controller.store.tenancies import Standings
from causeway_controller.workflows.actions import Executor
from causeway_controller.workflows.chores import Kind
from causeway_controller.workflows.ports import Halves
from causeway_controller.workflows.runs import Runs
from causeway_controller.workflows.timing import Timing
from causeway_wire.types import ApplianceId
from tests import stores
from tests.fakes.engine import FakeEngine, Killed
from tests.fakes.hooks import FakeHooks
from tests.stored_tenancies import StoredTenancies
from tests.workflow_bench import SITE, TIMING, Bench

HOST = "esx1"
START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class Died(Exception):  # noqa: N818 - what happens, not an error
    """This controller would have ended itself."""


def die(reason: str) -> None:
    """What `os._exit` is in a test."""
    raise Died(reason)


class RunsBench(Bench):
    """The parts of a controller that has runs; `controller` makes another one over the same store."""

    def __init__(self, database: Database, *, site: Site = SITE, timing: Timing = TIMING) -> None:
        super().__init__(site, timing=timing)
        self.timing = timing
        self.unenrolled: dict[ApplianceId, str] = {}
        """Commands that enrol appliances which have not."""
        self.halves: Halves = lambda _half, _run: None
        self.runs_kept = StoredRuns(database)
        self.epochs = Epochs(database)
        self.standings = Standings(database)
        self.tenancies = StoredTenancies(site, self.standings)
        self.engine = FakeEngine()
        self.hooks = FakeHooks(self.running)
        self._database = database
        self._clock = itertools.count()
        self.in_charge: Callable[[], None] = lambda: None
        self.runs = self.controller("one")

    def controller(self, name: str) -> Runs:
        """A controller; from now on the engine's runs are carried out by it."""
        executor = Executor(
            agents=lambda appliance: self.agents[appliance],
            hypervisors=lambda _: self.hypervisor,
            generations=StoredGenerations(self._database),
            answers=self._answers,
            timing=self.timing,
            hooks=self.hooks,
            halves=self.halves,
            words=StoredHalves(self._database),
            unenrolled=self._enrols,
            in_charge=self._in_charge,
        )
        runs = Runs(
            runs=self.runs_kept,
            epochs=self.epochs,
            tenancies=self.tenancies,
            executor=executor,
            controller=name,
            chores=self.chores(),
            die=die,
            now=lambda: START + timedelta(seconds=next(self._clock)),
            journal=self.engine.journal,
        )
        runs.use(self.engine)
        self.engine.body = runs.carry_out
        return runs

    async def _enrols(self, appliance: ApplianceId) -> str:
        return self.unenrolled.get(appliance, "")

    def chores(self) -> Mapping[type[Chore], Kind]:
        """What is done besides failovers."""
        return {}

    def _in_charge(self) -> None:
        self.in_charge()

    def kinds(self, run: str) -> list[str]:
        """What the run told, without its steps."""
        return [event.kind for event in self.runs_kept.events(run) if event.kind not in {"step", "stage"}]

    def last(self, run: str) -> tuple[str, dict[str, Any]]:
        """Kind and detail of its last event."""
        event = self.runs_kept.last(run)
        assert event is not None
        return event.kind, detail(event)


async def killed(bench: RunsBench, run: str, *, stage: str, moment: str) -> bool:
    """Carry the run out until this controller is killed there; False when it never came there."""
    return await killed_when(bench, run, lambda at, when: (at, when) == (stage, moment))


async def through(bench: RunsBench, *requests: Request) -> str:
    """Have these carried out, one after the other; the last one's run."""
    run = ""
    for request in requests:
        run = (await bench.runs.start(request, host=HOST, actor="anna")).id
        await bench.engine.carry_out(run)
    return run


async def killed_when(bench: RunsBench, run: str, dies: Callable[[str, str], bool]) -> bool:
    """As `killed`, at the first stage and moment of which this holds. The next controller is not killed."""

    async def kill(stage: str, moment: str) -> None:
        if dies(stage, moment):
            raise Killed

    before, bench.engine.at = bench.engine.at, kill
    try:
        await bench.engine.carry_out(run)
    except Killed:
        return True
    finally:
        bench.engine.at = before
    return False


def detail(event: RunEvent) -> dict[str, Any]:
    """What it tells."""
    return msgspec.json.decode(event.detail, type=dict[str, Any])


def made(path: Path) -> Database:
    """An empty store."""
    return stores.made(path / "causeway.db")
