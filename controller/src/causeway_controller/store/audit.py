"""The audit: who did what and when, in a chain of hashes that shows what was changed or left out.

Each record's hash covers the record and the hash before it. Who holds a copy of the last hash can tell later
whether anything up to it was rewritten.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from sqlalchemy import insert, select, update
from sqlalchemy.engine import Connection

from causeway_controller.store.database import Database
from causeway_controller.store.tables import audit, audit_head

FIRST: Final = "0" * 64
"""Stands before the first record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What somebody did."""

    at: datetime
    actor: str
    action: str
    subject: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """An act in the chain."""

    number: int
    act: Act
    previous: str
    hash: str


def chained(act: Act, *, number: int, previous: str) -> str:
    """Hex SHA-256 of the record and of the hash before it."""
    members = [number, _moment(act), act.actor, act.action, act.subject, act.detail, previous]
    return hashlib.sha256(msgspec.json.encode(members)).hexdigest()


def _moment(act: Act) -> str:
    return act.at.astimezone(UTC).isoformat(timespec="microseconds")


def append(connection: Connection, act: Act) -> Record:
    """Add a record within the caller's transaction: what was done and its record stand or fall together."""
    return _extend(connection, [act])[0]


def _extend(connection: Connection, acts: Sequence[Act]) -> list[Record]:
    head = connection.execute(select(audit_head.c.number, audit_head.c.hash).with_for_update()).one()
    records, number, previous = list[Record](), int(head.number), str(head.hash)
    for act in acts:
        number += 1
        record = Record(
            number=number, act=act, previous=previous, hash=chained(act, number=number, previous=previous)
        )
        records.append(record)
        previous = record.hash
    connection.execute(insert(audit), [_row(one) for one in records])
    connection.execute(update(audit_head).values(number=number, hash=previous))
    return records


def _row(one: Record) -> dict[str, Any]:
    return {
        "number": one.number,
        "at": one.act.at,
        "actor": one.act.actor,
        "action": one.act.action,
        "subject": one.act.subject,
        "detail": one.act.detail,
        "previous": one.previous,
        "hash": one.hash,
    }


class Audit:
    """The chain of records."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(self, act: Act) -> Record:
        """Add a record of what changed nothing else in the store. Raises StoreError."""
        with self._database.write() as connection:
            return append(connection, act)

    def extend(self, acts: Sequence[Act]) -> None:
        """Add records, at least one, of what changed nothing else in the store. Raises StoreError."""
        with self._database.write() as connection:
            _extend(connection, acts)

    def records(self, *, after: int = 0, limit: int = 1000) -> tuple[Record, ...]:
        """The records after this number, the oldest first. Raises StoreError."""
        with self._database.read() as connection:
            return tuple(_records(connection, after=after, limit=limit))

    def head(self) -> tuple[int, str]:
        """Number and hash of the last record; 0 and `FIRST` before the first. Raises StoreError."""
        with self._database.read() as connection:
            row = connection.execute(select(audit_head.c.number, audit_head.c.hash)).one()
            return int(row.number), str(row.hash)

    def broken_at(self) -> int | None:
        """The number of the first record that is not what was written; None when the chain is whole.

        The number after the last when records at the end are missing. Raises StoreError.
        """
        with self._database.read() as connection:
            previous, number = FIRST, 0
            for record in _records(connection, after=0, limit=None):
                right = chained(record.act, number=number + 1, previous=previous)
                if (record.number, record.previous, record.hash) != (number + 1, previous, right):
                    return number + 1
                previous, number = record.hash, record.number
            head = connection.execute(select(audit_head.c.number, audit_head.c.hash)).one()
            return None if (head.number, head.hash) == (number, previous) else number + 1


def _records(connection: Connection, *, after: int, limit: int | None) -> Iterator[Record]:
    question = select(audit).where(audit.c.number > after).order_by(audit.c.number).limit(limit)
    for row in connection.execute(question):
        act = Act(at=row.at, actor=row.actor, action=row.action, subject=row.subject, detail=row.detail)
        yield Record(number=row.number, act=act, previous=row.previous, hash=row.hash)
