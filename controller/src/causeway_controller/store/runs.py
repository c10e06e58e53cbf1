"""Failover runs: what was asked for and everything that came of it, written once and never rewritten.

One run at a time is open for a tenant on a host: their appliance does one failover at a time (seed).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, insert, select
from sqlalchemy.engine import Connection

from causeway_controller.errors import StoreError
from causeway_controller.store import counters
from causeway_controller.store.database import Database, upsert
from causeway_controller.store.tables import open_run, run, run_event
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.types import Epoch, Name, TenantId


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run as it was asked for; `request` is a JSON value without secrets."""

    id: str
    tenant: TenantId
    host: Name
    request: str
    actor: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEvent:
    """Something that came of a run; `detail` is a JSON value. Numbers of a run's events have no gaps."""

    number: int
    epoch: Epoch
    kind: str
    detail: str
    at: datetime


class Runs:
    """All runs, open and ended."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def start(self, asked: Run) -> None:
        """Keep the run and open it. Raises ProblemError (`failover-in-progress`) while another is open."""
        members = ("id", "tenant", "host", "request", "actor", "at")
        with self._database.write() as connection:
            connection.execute(insert(run).values({name: getattr(asked, name) for name in members}))
            row = {"tenant": asked.tenant, "host": asked.host, "run": asked.id}
            opened = (
                upsert(connection, open_run)
                .values(row)
                .on_conflict_do_nothing(index_elements=[open_run.c.tenant, open_run.c.host])
                .returning(open_run.c.run)
            )
            if connection.execute(opened).one_or_none() is None:
                other = _open(connection, asked.tenant, asked.host)
                what = f"run {other} of tenant {asked.tenant} on host {asked.host}"
                detail = f"{what} is not over; wait for it or stop it"
                raise ProblemError(problem(ProblemType.FAILOVER_IN_PROGRESS, detail))

    def append(self, name: str, *, epoch: Epoch, kind: str, detail: str, at: datetime) -> int:
        """Keep an event of an open run and return its number.

        Raises ProblemError when the run is over (`not-found`), or when somebody with a newer epoch has taken
        it over (`stale-epoch`): then nothing is written.
        """
        with self._database.write() as connection:
            return _append(connection, name, epoch=epoch, kind=kind, detail=detail, at=at)

    def finish(self, name: str, *, epoch: Epoch, kind: str, detail: str, at: datetime) -> int:
        """Keep the last event of a run and close it; as `append`."""
        with self._database.write() as connection:
            number = _append(connection, name, epoch=epoch, kind=kind, detail=detail, at=at)
            connection.execute(delete(open_run).where(open_run.c.run == name))
            return number

    def events(self, name: str, *, after: int = 0) -> tuple[RunEvent, ...]:
        """The run's events after this number, also while it runs. Raises StoreError."""
        question = select(run_event).where(run_event.c.run == name, run_event.c.number > after)
        with self._database.read() as connection:
            return tuple(
                RunEvent(number=row.number, epoch=row.epoch, kind=row.kind, detail=row.detail, at=row.at)
                for row in connection.execute(question.order_by(run_event.c.number))
            )

    def get(self, name: str) -> Run:
        """The run as it was asked for. Raises StoreError when there is none."""
        with self._database.read() as connection:
            row = connection.execute(select(run).where(run.c.id == name)).mappings().one_or_none()
        if row is None:
            raise StoreError(f"there is no run {name}")
        return Run(**row)

    def open(self) -> tuple[Run, ...]:
        """Runs that are not over, the oldest first: what a controller that starts goes on with."""
        question = select(run).join(open_run, open_run.c.run == run.c.id)
        with self._database.read() as connection:
            runs = [Run(**row) for row in connection.execute(question).mappings()]
        return tuple(sorted(runs, key=lambda each: (each.at, each.id)))


def _open(connection: Connection, tenant: TenantId, host: Name) -> str | None:
    """The open run of a tenant on a host."""
    question = select(open_run.c.run).where(open_run.c.tenant == tenant, open_run.c.host == host)
    found: str | None = connection.execute(question).scalar_one_or_none()
    return found


def _append(connection: Connection, name: str, *, epoch: Epoch, kind: str, detail: str, at: datetime) -> int:
    """Other writers of the same run wait until the commit."""
    found = connection.execute(select(open_run).where(open_run.c.run == name).with_for_update()).one_or_none()
    if found is None:
        raise ProblemError(problem(ProblemType.NOT_FOUND, f"no run {name} is open; start another"))
    newest = counters.last(connection, counters.EPOCH, counters.owner(found.tenant, found.host))
    if epoch < newest:
        detail = f"epoch {epoch} of run {name} is over, {newest} has taken it over; stop acting for it"
        raise ProblemError(problem(ProblemType.STALE_EPOCH, detail))
    last = select(func.coalesce(func.max(run_event.c.number), 0)).where(run_event.c.run == name)
    number = int(connection.execute(last).scalar_one()) + 1
    values = {"run": name, "number": number, "epoch": epoch, "kind": kind, "detail": detail, "at": at}
    connection.execute(insert(run_event).values(values))
    return number
