"""Who carries out runs, in memory: opens each in the store, and carries none of them out."""

from __future__ import annotations

import asyncio
import itertools
from datetime import UTC, datetime

import msgspec

from causeway_controller.contract import requests
from causeway_controller.contract.requests import Chore, FailOver, FailOverSite, Request
from causeway_controller.contract.runs import PlannedReplica, PlannedRun
from causeway_controller.store.counters import Epochs
from causeway_controller.store.database import Database
from causeway_controller.store.runs import Run, Runs
from causeway_wire import codec
from causeway_wire.problem import ProblemError, ProblemType, problem
from tests import run_events


class FakeRunService:
    """Refuses to fail over a VM called `nobody`, as a planner would; `begin` and `end` tell of progress."""

    def __init__(self, database: Database) -> None:
        self.runs = Runs(database)
        self.epochs = Epochs(database)
        self.stopped: list[tuple[str, str]] = []
        self.retried: list[str] = []
        self.notes: tuple[str, ...] = ()
        """What a plan notes."""
        self.ending: str | None = None
        """How chores end at once; None: they stay open."""
        self._numbers = itertools.count(1)

    async def start(self, request: Request, *, host: str, actor: str, identifier: str | None = None) -> Run:
        await self.plan(request, host=host)
        run = Run(
            id=identifier or f"run-{next(self._numbers)}",
            tenant=request.tenant,
            host=host,
            request=codec.encode(request).decode(),
            actor=actor,
            at=datetime.now(UTC),
        )
        await asyncio.to_thread(self.runs.start, run)
        return run

    async def plan(self, request: Request, *, host: str) -> PlannedRun:
        if isinstance(request, FailOver | FailOverSite) and "nobody" in request.vms:
            detail = "no VM is called nobody; correct the name"
            raise ProblemError(problem(ProblemType.UNKNOWN_REFERENCE, detail, pointer="/vms/0"))
        point = datetime(2026, 1, 31, 9, tzinfo=UTC)
        return PlannedRun(
            stages=((f"Fail over on {host}",), ("Confirm both halves",)),
            replicas=(PlannedReplica(vm="db1", restored_to=point), PlannedReplica(vm="web1")),
            notes=self.notes,
        )

    async def check(self, request: Request, *, host: str) -> PlannedRun:
        return await self.plan(request, host=host)

    async def start_chore(
        self,
        request: Chore,
        *,
        tenant: str | None,
        host: str | None,
        actor: str,
        identifier: str | None = None,
    ) -> Run:
        run = Run(
            id=identifier or f"run-{next(self._numbers)}",
            tenant=tenant or "",
            host=host or "",
            request=codec.encode(request).decode(),
            actor=actor,
            at=datetime.now(UTC),
        )
        await asyncio.to_thread(self.runs.start, run)
        if self.ending is not None:
            await asyncio.to_thread(self.end, run.id, self.ending)
        return run

    async def plan_chore(
        self, request: Chore, *, tenant: str | None, host: str | None
    ) -> tuple[tuple[str, ...], ...]:
        return ((f"{type(request).__name__} of {tenant or 'all'} on {host or 'all'}",),)

    async def stop(self, run: str, *, actor: str) -> None:
        self.stopped.append((run, actor))

    async def retry(self, run: str, *, actor: str) -> Run:
        before = await asyncio.to_thread(self.runs.get, run)
        self.retried.append(run)
        return await self.start(requests.read(before.request.encode()), host=before.host, actor=actor)

    def tell(self, run: str, kind: str, **detail: object) -> None:
        """An event of the run."""
        run_events.append(self.runs, run, epoch=1, kind=kind, detail=_json(detail), at=datetime.now(UTC))

    def end(self, run: str, kind: str = "finished", **detail: object) -> None:
        """Its last event."""
        run_events.finish(self.runs, run, epoch=1, kind=kind, detail=_json(detail), at=datetime.now(UTC))

    def end_all(self) -> None:
        """The last event of each that is open."""
        for run in self.runs.open():
            self.end(run.id)


def _json(detail: dict[str, object]) -> str:
    return msgspec.json.encode(detail).decode()
