"""What tenants' controllers said of the provider's halves that they lead; epochs only grow.

A half is known from the first order about it, so that an order that comes late is refused although nothing
was opened before.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from msgspec import UNSET
from sqlalchemy import bindparam, delete, exists, func, select, update
from sqlalchemy.engine import Connection
from sqlalchemy.sql import Executable

from causeway_controller.contract.halves import HalfOrder, Word
from causeway_controller.contract.run_events import SETTLED
from causeway_controller.contract.runs import RunId
from causeway_controller.store.database import Database, upsert_on
from causeway_controller.store.half import Half
from causeway_controller.store.peer_tables import half
from causeway_controller.store.tables import open_run, run, run_event, run_stop
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.types import Name, TenantId

_KEPT: Final = timedelta(days=30)
"""For how long a half is known after the last order about it."""
_MOST: Final = 1000
"""Of one tenant."""
_OVERTAKEN: Final = "overtaken"
"""In place of a word: this provider's own, which no order carries."""
_WHOLE: Final = select(
    half,
    exists().where(run_event.c.run == half.c.run, run_event.c.kind == SETTLED).label("kept"),
    exists().where(run_stop.c.run == half.c.run).label("stop"),
)
_OPEN: Final = _WHOLE.join(open_run, open_run.c.run == half.c.run)
# Made once: a half that is led asks some of these a dozen times.
_THIS: Final = (half.c.tenant == bindparam("whose"), half.c.name == bindparam("which"))
_ONE: Final = _WHOLE.where(*_THIS)
_LOCKED: Final = _ONE.with_for_update(of=half)
_OF_RUN: Final = _WHOLE.where(half.c.run == bindparam("carries"))
_SET: Final = update(half).where(*_THIS)


class Halves:
    """All of them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def order(self, tenant: TenantId, name: Name, wanted: HalfOrder, *, run: RunId, at: datetime) -> Half:
        """Keep an order, and with it that `run` carries the half out when it opens it.

        Raises ProblemError: `stale-epoch` for one older than what was heard, `too-many` when the tenant has
        too many halves; StoreError.
        """
        with self._database.write() as connection:
            first = {"epoch": 0, "held": 0, "asked": 0, "seconds": 0, "given": 0, "at": at}
            new = {"tenant": tenant, "name": name, **first}
            if connection.execute(_first(connection.dialect.name), new).one_or_none() is not None:
                _tidy(connection, tenant, before=at - _KEPT)
            this = {"whose": tenant, "which": name}
            row = connection.execute(_LOCKED, this).mappings().one()
            if wanted.epoch < row["epoch"]:
                detail = f"epoch {wanted.epoch} of {name} is over, {row['epoch']} has taken it over"
                raise ProblemError(problem(ProblemType.STALE_EPOCH, detail, epoch=row["epoch"]))
            values = {"epoch": wanted.epoch, "at": at, **_wishes(wanted, row, run)}
            connection.execute(_SET, {**this, **values})
            return _half({**row, **values})

    def get(self, tenant: TenantId, name: Name) -> Half | None:
        """One half; None before the first order about it. Raises StoreError."""
        with self._database.read() as connection:
            row = connection.execute(_ONE, {"whose": tenant, "which": name}).mappings().one_or_none()
        return None if row is None else _half(row)

    def of_run(self, run: RunId) -> Half | None:
        """The half that a run carries out; None when it carries out none. Raises StoreError."""
        with self._database.read() as connection:
            row = connection.execute(_OF_RUN, {"carries": run}).mappings().one_or_none()
        return None if row is None else _half(row)

    def open(self) -> Mapping[RunId, Half]:
        """All halves that open runs carry out, by their runs. Raises StoreError."""
        with self._database.read() as connection:
            return {row["run"]: _half(row) for row in connection.execute(_OPEN).mappings()}

    def hold(self, run: RunId) -> None:
        """From now on something may rely on it. Raises StoreError."""
        self._set(run, {"held": 1})

    def give(self, run: RunId, asked: int) -> None:
        """So many orders to hold on are done. Raises StoreError."""
        self._set(run, {"given": asked})

    def overtake(self, run: RunId) -> bool:
        """Keep that a full failover takes its place; False when it is to be kept or taken back already.

        Raises StoreError.
        """
        free = half.c.word.is_(None) | (half.c.word == _OVERTAKEN)
        taken = update(half).where(half.c.run == run, free).values(word=_OVERTAKEN).returning(half.c.name)
        with self._database.write() as connection:
            return connection.execute(taken).one_or_none() is not None

    def unopened(self, name: RunId) -> None:
        """The run was refused before it began; one that did begin goes on. Raises StoreError.

        The same order may have come twice, and one of the two was let in.
        """
        begun = exists().where(run.c.id == name)
        with self._database.write() as connection:
            connection.execute(update(half).where(half.c.run == name, ~begun).values(run=None))

    def opened(self, tenant: TenantId, name: Name, run: RunId) -> None:
        """The run has begun: it carries the half out, whatever was refused meanwhile. Raises StoreError."""
        if self.of_run(run) is not None:
            return
        this = update(half).where(half.c.tenant == tenant, half.c.name == name)
        with self._database.write() as connection:
            connection.execute(this.values(run=run))

    def _set(self, run: RunId, values: dict[str, Any]) -> None:
        with self._database.write() as connection:
            connection.execute(update(half).where(half.c.run == run).values(values))


@functools.cache
def _first(dialect: str) -> Executable:
    """Enter a half of which nobody has heard; returns nothing where it is there."""
    new = upsert_on(dialect, half).on_conflict_do_nothing(index_elements=[half.c.tenant, half.c.name])
    return new.returning(half.c.name)


def _wishes(wanted: HalfOrder, row: Any, run: RunId) -> dict[str, Any]:
    values: dict[str, Any] = {}
    opens = wanted.open is not UNSET or wanted.end is not UNSET
    if opens and row["run"] is None and row["word"] is None:
        values["run"] = run
    if wanted.hold is not UNSET:
        values |= {"asked": row["asked"] + 1, "seconds": wanted.hold}
    over = row["word"] == Word.TAKE_BACK or (row["word"] == _OVERTAKEN and wanted.word is Word.KEEP)
    if wanted.word is not UNSET and not over:
        values["word"] = wanted.word.value
    return values


def _tidy(connection: Connection, tenant: TenantId, *, before: datetime) -> None:
    """Forget halves of which nothing was heard for long; raises ProblemError when too many are left."""
    opened = select(open_run.c.run)
    old = (half.c.tenant == tenant, half.c.at < before)
    connection.execute(delete(half).where(*old, half.c.run.is_(None) | half.c.run.not_in(opened)))
    count = connection.execute(select(func.count()).select_from(half).where(half.c.tenant == tenant))
    if int(count.scalar_one()) > _MOST:
        detail = f"{tenant} has led {_MOST} halves in {_KEPT.days} days; the oldest must be forgotten first"
        raise ProblemError(problem(ProblemType.TOO_MANY, detail))


def _half(row: Any) -> Half:
    return Half(
        tenant=row["tenant"],
        name=row["name"],
        epoch=row["epoch"],
        run=row["run"],
        held=bool(row["held"]),
        asked=row["asked"],
        seconds=row["seconds"],
        given=row["given"],
        kept=bool(row["kept"]),
        word=None if row["word"] in {None, _OVERTAKEN} else Word(row["word"]),
        overtaken=row["word"] == _OVERTAKEN,
        stop=bool(row["stop"]),
    )
