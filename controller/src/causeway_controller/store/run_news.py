"""What comes of open runs, kept under the epoch of who carries each out; of many runs in one transaction.

A thousand runs that fail over at once have much to tell at the same time, and a transaction with a
statement for each of them costs many times what one costs for all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import BindParameter, bindparam, delete, func, insert, select
from sqlalchemy.engine import Connection, Row

from causeway_controller.store import appliances, counters, tenancies
from causeway_controller.store.tables import open_run, run_event, run_stage
from causeway_controller.store.tenancies import Standing
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.types import Epoch

_NAMES: Final[BindParameter[Any]] = bindparam("names", expanding=True)
_LOCK: Final = select(open_run).where(open_run.c.run.in_(_NAMES)).order_by(open_run.c.run).with_for_update()
"""In one order, so that two who lock several wait for each other in one direction only."""
_NUMBERS: Final = (
    select(run_event.c.run, func.max(run_event.c.number).label("last"))
    .where(run_event.c.run.in_(_NAMES))
    .group_by(run_event.c.run)
)
_INSERT_EVENT: Final = insert(run_event)
_INSERT_STAGE: Final = insert(run_stage)
_CLOSE: Final = delete(open_run).where(open_run.c.run == bindparam("ended"))
_FORGET_STAGES: Final = delete(run_stage).where(run_stage.c.run == bindparam("ended"))


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """An event that is to be kept; `detail` is a JSON value."""

    kind: str
    detail: str
    at: datetime
    through: Stage | None = None
    """What is remembered with it, until the run is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A stage of a run that is through; `record` is for whoever carries the run on."""

    name: str
    record: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What is to be kept of one run at once, or not at all."""

    run: str
    epoch: Epoch
    """Of who carries it out."""
    news: Sequence[News]
    left: Standing | None = None
    """What its tenant's is from now on."""
    ends: bool = False
    """Kept alone (`Runs.keep_one`): it changes rows of appliances, which a watch locks in another order
    than runs would.
    """


def keep(connection: Connection, entries: Sequence[Entry]) -> tuple[int | ProblemError, ...]:
    """Keep these within the caller's transaction; return each one's last number, or why it is not kept.

    A ProblemError says that the run is over (`not-found`), or that somebody with a newer epoch has taken it
    over (`stale-epoch`). Whoever else is about to take one of the runs waits until the commit.
    """
    names = sorted({one.run for one in entries})
    opened = {row.run: row for row in connection.execute(_LOCK, {"names": names})}
    newest = counters.last_of(connection, counters.EPOCH, [_owner(row) for row in opened.values()])
    numbers: dict[str, int] = {row.run: row.last for row in connection.execute(_NUMBERS, {"names": names})}
    found: list[int | ProblemError] = []
    kept: list[_Kept] = []
    for entry in entries:
        row = opened.get(entry.run)
        if row is None:
            detail = f"no run {entry.run} is open; start another"
            found.append(ProblemError(problem(ProblemType.NOT_FOUND, detail)))
            continue
        if entry.epoch < (newer := newest.get(_owner(row), 0)):
            detail = (
                f"epoch {entry.epoch} of run {entry.run} is over, {newer} has taken it over; "
                "stop acting for it"
            )
            found.append(ProblemError(problem(ProblemType.STALE_EPOCH, detail, epoch=newer)))
            continue
        before = numbers.get(entry.run, 0)
        numbers[entry.run] = before + len(entry.news)
        found.append(numbers[entry.run])
        kept.append(_Kept(entry=entry, before=before, place=row))
        if entry.ends:
            del opened[entry.run]
    _write(connection, kept)
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """An entry that nothing speaks against, the number of the event before it, and whose run it is."""

    entry: Entry
    before: int
    place: Row[Any]


def _owner(row: Row[Any]) -> str:
    return counters.owner(row.tenant, row.host)


def _write(connection: Connection, kept: Sequence[_Kept]) -> None:
    events = [_event(one.entry, number, news) for one in kept for number, news in _numbered(one)]
    if events:
        connection.execute(_INSERT_EVENT, events)
    stages = [
        {"run": one.entry.run, "name": news.through.name, "record": news.through.record}
        for one in kept
        for news in one.entry.news
        if news.through is not None
    ]
    if stages:
        connection.execute(_INSERT_STAGE, stages)
    ended = [{"ended": one.entry.run} for one in kept if one.entry.ends]
    if ended:
        connection.execute(_CLOSE, ended)
        connection.execute(_FORGET_STAGES, ended)
    for one in kept:
        if one.entry.ends:
            at = one.entry.news[-1].at
            appliances.run_over(connection, one.place.tenant, one.place.host, at=at)
    for one in kept:
        if one.entry.left is not None:
            tenancies.put(connection, one.place.tenant, one.place.host, one.entry.left)


def _numbered(one: _Kept) -> Iterator[tuple[int, News]]:
    return enumerate(one.entry.news, one.before + 1)


def _event(entry: Entry, number: int, news: News) -> dict[str, Any]:
    return {
        "run": entry.run,
        "number": number,
        "epoch": entry.epoch,
        "kind": news.kind,
        "detail": news.detail,
        "at": news.at,
    }
