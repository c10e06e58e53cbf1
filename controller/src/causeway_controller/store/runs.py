"""Failover runs: what was asked for and everything that came of it, written once and never rewritten.

One run at a time is open for a tenant on a host: their appliance does one failover at a time (seed).
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import BindParameter, bindparam, insert, select
from sqlalchemy.engine import Connection, Row
from sqlalchemy.sql import Executable

from causeway_controller.contract.runs import RunId
from causeway_controller.errors import StoreError
from causeway_controller.store import counters, leaving, left_on, run_news
from causeway_controller.store.database import Database, upsert, upsert_on
from causeway_controller.store.run_news import Entry
from causeway_controller.store.tables import inventory_head, open_run, run, run_event, run_stage, run_stop
from causeway_wire.problem import Problem, ProblemError, ProblemType, problem
from causeway_wire.types import Epoch, Name, TenantId

_AGAIN_SECONDS: Final = 5.0
"""After which who found another run open may ask again: it ends by itself."""
_SERVES: Final = '%"request":"serve"%'

# To make a statement costs several times what it costs to have it executed, and each run asks these often.
_RUN: Final[BindParameter[str]] = bindparam("name")
_FIND: Final = select(run).where(run.c.id == _RUN)
_IS_OPEN: Final = select(open_run.c.run).where(open_run.c.run == _RUN)
_LOCK: Final = select(open_run).where(open_run.c.run == _RUN).with_for_update()
_TO_STOP: Final = select(run_stop.c.run).where(run_stop.c.run.in_(bindparam("names", expanding=True)))
_EVENTS: Final = (
    select(run_event)
    .where(run_event.c.run == _RUN, run_event.c.number > bindparam("after"))
    .order_by(run_event.c.number)
)
_STAGES: Final = select(run_stage.c.name, run_stage.c.record).where(run_stage.c.run == _RUN)
_INSERT_RUN: Final = insert(run)
_OPEN_HALF: Final = (
    select(run.c.id)
    .join(open_run, open_run.c.run == run.c.id)
    .where(
        open_run.c.tenant == bindparam("whose"),
        open_run.c.host == bindparam("where"),
        run.c.request.like(_SERVES),
    )
)
_INVENTORY: Final = select(inventory_head.c.revision).with_for_update(read=True)
_BEFORE: Final = (
    select(run.c.request, run_event)
    .join(run_event, run_event.c.run == run.c.id)
    .where(
        run.c.tenant == bindparam("whose"),
        run.c.host == bindparam("where"),
        run.c.id != bindparam("but"),
        run.c.at <= bindparam("until"),
        run_event.c.kind.in_(bindparam("kinds", expanding=True)),
    )
    .order_by(run.c.at.desc(), run.c.id.desc())
    .offset(bindparam("skip"))
    .limit(bindparam("most"))
)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """An open run in new hands: what came of it, and nothing more comes of it under an older epoch."""

    epoch: Epoch
    events: tuple[RunEvent, ...]
    stages: Mapping[str, str]
    """Records of the stages that are through, by their names."""


class Runs:
    """All runs, open and ended."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def start(self, asked: Run) -> None:
        """Keep the run and open it.

        Raises ProblemError (`failover-in-progress`) while another is open, or the provider is being left.
        """
        members = ("id", "tenant", "host", "request", "actor", "at")
        with self._database.write() as connection:
            _hold_inventory(connection)
            leaving.refuse(connection, asked.tenant, asked.host)
            connection.execute(_INSERT_RUN, {name: getattr(asked, name) for name in members})
            row = {"tenant": asked.tenant, "host": asked.host, "run": asked.id}
            if connection.execute(_opened(connection.dialect.name), row).one_or_none() is None:
                other = _open(connection, asked.tenant, asked.host)
                raise ProblemError(_not_over(other, asked.tenant, asked.host))

    def refuse_open(self, tenant: TenantId, host: Name, *, but: str = "") -> None:
        """Raise ProblemError (`failover-in-progress`) while another run than `but` is open there."""
        with self._database.read() as connection:
            other = _open(connection, tenant, host)
        if other is not None and other != but:
            raise ProblemError(_not_over(other, tenant, host))

    def open_half(self, tenant: TenantId, host: Name) -> RunId | None:
        """The open run that serves a half there for the tenant's controller; None where there is none."""
        with self._database.read() as connection:
            asked = connection.execute(_OPEN_HALF, {"whose": tenant, "where": host})
            found: RunId | None = asked.scalar_one_or_none()
        return found

    def left_on(self, tenant: TenantId, host: Name) -> bool:
        """Whether a run that is over may have left replicas on there, in no mode. Raises StoreError."""
        return any(one.host == host for one in left_on.find(self._database, tenant))

    def take(self, name: str) -> Taken | None:
        """Take the run under an epoch above all before; None when it is over. Raises StoreError.

        Who appends at that moment holds the run: it is through before, and its news are in what is returned,
        or it is refused.
        """
        with self._database.write() as connection:
            found = connection.execute(_LOCK, {"name": name}).one_or_none()
            if found is None:
                return None
            epoch = counters.advance(connection, counters.EPOCH, counters.owner(found.tenant, found.host))
            events = connection.execute(_EVENTS, {"name": name, "after": 0})
            stages = connection.execute(_STAGES, {"name": name})
            return Taken(
                epoch=epoch,
                events=tuple(_event(row) for row in events),
                stages={row.name: row.record for row in stages},
            )

    def keep_one(self, entry: Entry) -> int:
        """Keep what is said of one run in a transaction of its own and return the number of its last event.

        Raises ProblemError when the run is over (`not-found`), or when somebody with a newer epoch has taken
        it over (`stale-epoch`): then nothing is written.
        """
        (number,) = self.keep((entry,))
        if isinstance(number, ProblemError):
            raise number
        return number

    def keep(self, entries: Sequence[Entry]) -> tuple[int | ProblemError, ...]:
        """Keep what is said of several runs in one transaction; for each as `keep_one`.

        Raises StoreError, and then nothing of them is kept.
        """
        with self._database.write() as connection:
            return run_news.keep(connection, entries)

    def ended_before(
        self, asked: Run, kinds: Collection[str], *, skip: int, most: int
    ) -> tuple[tuple[str, RunEvent], ...]:
        """Return the requests of the runs before it of the same tenant and host, the latest first.

        Each with its last event, which is of one of these kinds; after `skip` of them so many at most. Raises
        StoreError.
        """
        about = {"whose": asked.tenant, "where": asked.host, "but": asked.id, "until": asked.at}
        chosen = {**about, "kinds": sorted(kinds), "skip": skip, "most": most}
        with self._database.read() as connection:
            return tuple((row.request, _event(row)) for row in connection.execute(_BEFORE, chosen))

    def ask_to_stop(self, name: str, *, actor: str, at: datetime) -> None:
        """Have an open run stop before its next stage; asking again changes nothing.

        Raises ProblemError (`not-found`) when it is over.
        """
        with self._database.write() as connection:
            _locked(connection, name)
            asked = upsert(connection, run_stop).values(run=name, actor=actor, at=at)
            connection.execute(asked.on_conflict_do_nothing(index_elements=[run_stop.c.run]))

    def to_stop(self, names: Sequence[str]) -> tuple[bool, ...]:
        """Whether somebody asked that they stop, each of these runs. Raises StoreError."""
        with self._database.read() as connection:
            found = frozenset(connection.execute(_TO_STOP, {"names": list(names)}).scalars())
        return tuple(name in found for name in names)

    def events(self, name: str, *, after: int = 0) -> tuple[RunEvent, ...]:
        """The run's events after this number, also while it runs. Raises StoreError."""
        with self._database.read() as connection:
            found = connection.execute(_EVENTS, {"name": name, "after": after})
            return tuple(_event(row) for row in found)

    def get(self, name: str) -> Run:
        """The run as it was asked for. Raises StoreError when there is none."""
        found = self.find(name)
        if found is None:
            raise StoreError(f"there is no run {name}")
        return found

    def find(self, name: str) -> Run | None:
        """The run as it was asked for; None when there is none. Raises StoreError."""
        with self._database.read() as connection:
            row = connection.execute(_FIND, {"name": name}).mappings().one_or_none()
        return None if row is None else Run(**row)

    def last(self, name: str) -> RunEvent | None:
        """The run's last event; None before the first. Raises StoreError."""
        question = select(run_event).where(run_event.c.run == name)
        with self._database.read() as connection:
            row = connection.execute(question.order_by(run_event.c.number.desc()).limit(1)).one_or_none()
        return None if row is None else _event(row)

    def is_open(self, name: str) -> bool:
        """Whether the run is not over. Raises StoreError."""
        with self._database.read() as connection:
            return connection.execute(_IS_OPEN, {"name": name}).scalar_one_or_none() is not None

    def open(self) -> tuple[Run, ...]:
        """Runs that are not over, the oldest first: what a controller that starts goes on with."""
        question = select(run).join(open_run, open_run.c.run == run.c.id)
        with self._database.read() as connection:
            runs = [Run(**row) for row in connection.execute(question).mappings()]
        return tuple(sorted(runs, key=lambda each: (each.at, each.id)))


def _hold_inventory(connection: Connection) -> None:
    """Have who replaces the inventory see the run, or be through before it: what the run rests on stays."""
    connection.execute(_INVENTORY).one()


@functools.cache
def _opened(dialect: str) -> Executable:
    """Open a run where no other is; returns nothing where one is."""
    nothing = upsert_on(dialect, open_run).on_conflict_do_nothing(
        index_elements=[open_run.c.tenant, open_run.c.host]
    )
    return nothing.returning(open_run.c.run)


def _open(connection: Connection, tenant: TenantId, host: Name) -> str | None:
    """The open run of a tenant on a host."""
    question = select(open_run.c.run).where(open_run.c.tenant == tenant, open_run.c.host == host)
    found: str | None = connection.execute(question).scalar_one_or_none()
    return found


def _not_over(name: str | None, tenant: TenantId, host: Name) -> Problem:
    where = f"gateway {host}" if host else "all appliances"
    if tenant:
        where = f"tenant {tenant} on host {host}" if host else f"tenant {tenant}"
    detail = f"run {name} of {where} is not over; wait for it or stop it"
    return problem(ProblemType.FAILOVER_IN_PROGRESS, detail, retry_after=_AGAIN_SECONDS)


def _event(row: Row[Any]) -> RunEvent:
    return RunEvent(number=row.number, epoch=row.epoch, kind=row.kind, detail=row.detail, at=row.at)


def _locked(connection: Connection, name: str) -> Row[Any]:
    """The open run; other writers of it wait until the commit."""
    found = connection.execute(_LOCK, {"name": name}).one_or_none()
    if found is None:
        raise ProblemError(problem(ProblemType.NOT_FOUND, f"no run {name} is open; start another"))
    return found
