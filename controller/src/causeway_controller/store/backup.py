"""Backups of the store in one file, alike for both databases: what SQLite had, PostgreSQL may go on with.

A backup is one state of the database, whatever is written meanwhile. It is restored into an empty database,
whole or not at all. The keys of the vault are never in it: without them no secret of it opens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Final

import sqlalchemy
from sqlalchemy import MetaData, TableClause, column, delete, func, insert, inspect, select
from sqlalchemy.engine import Connection

import causeway_wire
from causeway_controller.errors import StoreError
from causeway_controller.store import audit, backup_file, counters, migrate, revisions
from causeway_controller.store.backup_file import End, Header, Row
from causeway_controller.store.database import SQLITE, Database
from causeway_controller.store.tables import run_stage

MARGIN: Final = 1_000_000
"""How far a restore raises numbers: above what was handed out since the backup, at a thousand a day for two
years; below 2^53 for nine thousand million restores.
"""
_BATCH: Final = 500
_UNTOUCHED: Final = "alembic_version"
_FOREIGN_SCHEMAS: Final = ("information_schema", "pg_catalog", "pg_toast")


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a backup holds."""

    header: Header
    end: End
    tables: dict[str, int]
    """Rows of each table."""


def backup(database: Database, path: Path, *, now: Callable[[], datetime], actor: str) -> Summary:
    """Write all that the store holds into a new file, and that it was done into the audit.

    Raises StoreError; then there is no file.
    """
    with backup_file.writing(path) as writer, database.read() as connection:
        revision = revisions.current(connection)
        if revision is None:
            raise StoreError("the store has no tables yet; there is nothing to back up")
        program = causeway_wire.__version__
        header = Header(
            format=backup_file.FORMAT,
            version=backup_file.VERSION,
            revision=revision,
            made=now(),
            program=program,
        )
        writer.header(header)
        tables = {name: writer.table(name, names, rows) for name, names, rows in _tables(connection)}
        end = writer.end()
    act = audit.Act(at=now(), actor=actor, action="store.backup", subject=path.name, detail=end.sha256)
    audit.Audit(database).append(act)
    return Summary(header=header, end=end, tables=tables)


def check(source: Path | BinaryIO) -> Summary:
    """Read a backup to its end and tell what is in it.

    Raises StoreError when it is damaged, or of a newer version than this program.
    """
    with backup_file.reading(source) as reader:
        header = _restorable(backup_file.named(source), reader.header())
        tables: dict[str, int] = {}
        for table, rows in reader.batches(_BATCH):
            tables[table.table] = tables.get(table.table, 0) + len(rows)
        return Summary(header=header, end=reader.end, tables=tables)


def restore(
    database: Database,
    source: Path | BinaryIO,
    *,
    now: Callable[[], datetime],
    actor: str,
    margin: int = MARGIN,
) -> Summary:
    """Put a backup into an empty database, bring it to the tables of now, and raise its numbers.

    Generations and epochs are raised by `margin`: appliances have seen higher ones than the backup, and
    refuse lower ones. Appliances that report still higher ones raise them again (`counters`). What is
    remembered of stages is dropped: it may have been taken back since, so open runs begin anew. Raises
    StoreError; then the database is empty as before.
    """
    path, summary = backup_file.named(source), check(source)
    with backup_file.reading(source) as reader, database.write() as connection:
        _check_empty(connection)
        header = _restorable(path, reader.header())
        migrate.upgrade_within(connection, to=header.revision)
        _load(connection, path, reader)
        if reader.end != summary.end:
            raise StoreError(f"the backup {path} was changed while it was read; restore it again")
        migrate.upgrade_within(connection)
        counters.raise_all(connection, margin)
        connection.execute(delete(run_stage))
        detail = f"{reader.end.sha256}, numbers raised by {margin}"
        act = audit.Act(at=now(), actor=actor, action="store.restore", subject=path.name, detail=detail)
        audit.append(connection, act)
    return summary


def _restorable(path: Path, header: Header) -> Header:
    if header.revision not in revisions.known():
        hint = f"install Causeway {header.program} or a newer one"
        reason = f"is of a newer version than this program (tables {header.revision}); {hint}"
        raise StoreError(f"the backup {path} {reason}")
    return header


def _check_empty(connection: Connection) -> None:
    look = inspect(connection)
    schemas = [None] if connection.dialect.name == SQLITE else look.get_schema_names()
    for schema in schemas:
        if schema not in _FOREIGN_SCHEMAS and look.get_table_names(schema=schema):
            hint = "restore into a new one, then start the controllers with that"
            raise StoreError(f"the database is not empty; {hint}")


def _load(connection: Connection, path: Path, reader: backup_file.Reader) -> None:
    """Fill the tables; the rows that a migration made give way."""
    known = {table.name: tuple(table.columns.keys()) for table in _reflected(connection)}
    left = set(known)
    for table, rows in reader.batches(_BATCH):
        if set(table.columns) != set(known.get(table.table, ())):
            raise StoreError(f"the backup {path} is damaged: {table.table} is no table of its revision")
        target = _plain(table.table, table.columns)
        if table.table in left:
            left.remove(table.table)
            if connection.execute(select(func.count()).select_from(target)).scalar_one():
                connection.execute(delete(target))
        if rows:
            connection.execute(insert(target), [dict(zip(table.columns, row, strict=True)) for row in rows])
    if left:
        raise StoreError(f"the backup {path} is damaged: it lacks {', '.join(sorted(left))}")


def _tables(connection: Connection) -> Iterator[tuple[str, tuple[str, ...], Iterable[Row]]]:
    for table in _reflected(connection):
        names = tuple(str(each.name) for each in table.columns)
        plain = _plain(table.name, names)
        order = [plain.c[each.name] for each in table.primary_key.columns]
        found = connection.execution_options(yield_per=_BATCH).execute(
            select(*plain.columns).order_by(*order)
        )
        yield str(table.name), names, (tuple(row) for row in found)


def _reflected(connection: Connection) -> list[sqlalchemy.Table]:
    """The tables as they are in the database, each after those that it refers to."""
    tables = MetaData()
    tables.reflect(connection)
    return [table for table in tables.sorted_tables if table.name != _UNTOUCHED]


def _plain(name: str, names: Iterable[str]) -> TableClause:
    """A table without types: values are passed on as the database has them."""
    return sqlalchemy.table(name, *(column(each) for each in names))
