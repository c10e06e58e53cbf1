"""Runs as they are told to whoever may see them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from msgspec import UNSET, Raw
from sqlalchemy import and_, bindparam, func, or_, select
from sqlalchemy.engine import Connection

from causeway_controller.contract.runs import (
    RunEventReport,
    RunEventReports,
    RunId,
    RunReport,
    RunReports,
)
from causeway_controller.store.database import Database
from causeway_controller.store.tables import open_run, run, run_event
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.types import TenantId

_EACH: Final = run_event.alias("each")
# Of one run: grouped by run, every event of every run would be read for each question.
_LAST: Final = (
    select(func.max(_EACH.c.number)).where(_EACH.c.run == run.c.id).correlate(run).scalar_subquery()
)
_RUNS: Final = (
    select(
        run,
        open_run.c.run.label("open"),
        run_event.c.number,
        run_event.c.kind,
        run_event.c.detail,
        run_event.c.at.label("event_at"),
    )
    .outerjoin(open_run, open_run.c.run == run.c.id)
    .outerjoin(run_event, and_(run_event.c.run == run.c.id, run_event.c.number == _LAST))
)
_RUN: Final = _RUNS.where(run.c.id == bindparam("name"))


class RunsTold:
    """Questions about runs; with a tenant, about theirs only: others' are not found."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, name: RunId, *, tenant: TenantId | None = None) -> RunReport:
        """The run. Raises ProblemError (`not-found`), StoreError."""
        with self._database.read() as connection:
            return _get(connection, name, tenant)

    def list(self, *, tenant: TenantId | None, cursor: str | None, limit: int) -> RunReports:
        """So many runs before the cursor, the newest first.

        Raises ProblemError (`malformed`) for a cursor that was never given, StoreError.
        """
        question = _RUNS.order_by(run.c.at.desc(), run.c.id.desc()).limit(limit + 1)
        if tenant is not None:
            question = question.where(run.c.tenant == tenant)
        if cursor is not None:
            at, name = _position(cursor)
            question = question.where(or_(run.c.at < at, and_(run.c.at == at, run.c.id < name)))
        with self._database.read() as connection:
            found = [_report(row) for row in connection.execute(question).mappings()]
        told = tuple(found[:limit])
        more = _cursor(told[-1]) if len(found) > limit else UNSET
        return RunReports(runs=told, next=more)

    def events(
        self, name: RunId, *, after: int, limit: int, tenant: TenantId | None = None
    ) -> RunEventReports:
        """So many events after this number, and whether the run is open. Raises as `get`."""
        question = select(run_event).where(run_event.c.run == name, run_event.c.number > after)
        with self._database.read() as connection:
            found = _get(connection, name, tenant)
            rows = connection.execute(question.order_by(run_event.c.number).limit(limit + 1)).mappings().all()
        events = tuple(_event(row, row["at"]) for row in rows[:limit])
        return RunEventReports(events=events, open=found.open or len(rows) > limit)

    def open(self, tenant: TenantId | None = None) -> int:
        """How many runs are open. Raises StoreError."""
        question = select(func.count()).select_from(open_run)
        if tenant is not None:
            question = question.where(open_run.c.tenant == tenant)
        with self._database.read() as connection:
            return int(connection.execute(question).scalar_one())


def _get(connection: Connection, name: RunId, tenant: TenantId | None) -> RunReport:
    row = connection.execute(_RUN, {"name": name}).mappings().one_or_none()
    if row is None or (tenant is not None and row["tenant"] != tenant):
        detail = f"there is no run {name}; `causeway run list` lists them"
        raise ProblemError(problem(ProblemType.NOT_FOUND, detail))
    return _report(row)


def _report(row: Any) -> RunReport:
    return RunReport(
        id=row["id"],
        tenant=row["tenant"] or UNSET,
        host=row["host"] or UNSET,
        request=Raw(row["request"].encode()),
        actor=row["actor"],
        at=row["at"],
        open=row["open"] is not None,
        last=UNSET if row["number"] is None else _event(row, row["event_at"]),
    )


def _event(row: Any, at: datetime) -> RunEventReport:
    return RunEventReport(number=row["number"], kind=row["kind"], detail=Raw(row["detail"].encode()), at=at)


def _cursor(told: RunReport) -> str:
    return (
        f"{told.at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}_{told.id}"  # a plus sign would be a space in a URL
    )


def _position(cursor: str) -> tuple[datetime, str]:
    moment, _, name = cursor.partition("_")
    try:
        at = datetime.fromisoformat(moment)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise ProblemError(
            problem(ProblemType.MALFORMED, "this cursor was never given; leave it out to begin")
        )
    return at, name
