"""What columns are made of, alike in both databases; and the one description of all tables."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, Column, Integer, MetaData, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

METADATA = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)


class Words(TypeDecorator[str]):
    """Text. PostgreSQL cannot keep NUL, SQLite would: neither is asked to."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - SQLAlchemy's
        if value is not None and "\0" in value:
            raise ValueError("text for the store has a NUL character in it; remove it")
        return None if value is None else str(value)  # a StrEnum would reach PostgreSQL by its member's name


class Moment(TypeDecorator[datetime]):
    """An aware datetime, as RFC 3339 text in UTC with microseconds."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - SQLAlchemy's
        return None if value is None else value.astimezone(UTC).isoformat(timespec="microseconds")

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's
        return None if value is None else datetime.fromisoformat(value)


def number() -> Any:
    """64 bits in both; the stricter tables of SQLite have no BIGINT."""
    return BigInteger().with_variant(Integer(), "sqlite")


def only_row() -> Column[int]:
    """The key of a table that has one row."""
    return Column("id", Integer, primary_key=True, autoincrement=False)
