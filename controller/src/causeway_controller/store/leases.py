"""Which controllers live: a row each, good until a moment of the database's clock, which they all share."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, delete, literal_column, select, update
from sqlalchemy.engine import Connection
from sqlalchemy.sql import ColumnElement

from causeway_controller.store.database import SQLITE, Database, upsert
from causeway_controller.store.tables import controller
from causeway_wire.types import Name

_CLOCK: Final = {
    # julianday counts days, and 2440587.5 is the beginning of 1970 (SQLite, "Date And Time Functions")
    SQLITE: "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)",
    "postgresql": "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)",
}
"""The database's clock in milliseconds since 1970: at the statement, not at the transaction's begin."""
_KEPT: Final = 86_400_000
"""Rows of controllers that are gone stay for a day."""


class Leases:
    """The rows of all controllers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self, name: Name, seconds: float) -> None:
        """Begin a lease; those that ended long ago are forgotten. Raises StoreError."""
        with self._database.write(urgent=True) as connection:
            now = _now(connection)
            connection.execute(delete(controller).where(controller.c.until < now - _KEPT))
            until = now + _milliseconds(seconds)
            row = upsert(connection, controller).values(name=name, until=until)
            connection.execute(
                row.on_conflict_do_update(index_elements=[controller.c.name], set_={"until": until})
            )

    def renew(self, name: Name, seconds: float) -> bool:
        """Make the lease last so long from now; False when it had ended: then it stays ended.

        Others may have taken over since. Raises StoreError.
        """
        with self._database.write(urgent=True) as connection:
            now = _now(connection)
            renewed = (
                update(controller)
                .where(controller.c.name == name, controller.c.until > now)
                .values(until=now + _milliseconds(seconds))
                .returning(controller.c.name)
            )
            return connection.execute(renewed).one_or_none() is not None

    def give_up(self, name: Name) -> None:
        """End the lease now, so that nobody waits for its end. Raises StoreError."""
        with self._database.write(urgent=True) as connection:
            connection.execute(delete(controller).where(controller.c.name == name))

    def alive(self) -> frozenset[Name]:
        """Names of the controllers whose lease has not ended. Raises StoreError."""
        with self._database.read() as connection:
            found = select(controller.c.name).where(controller.c.until > _now(connection))
            return frozenset(connection.execute(found).scalars())


def _now(connection: Connection) -> ColumnElement[int]:
    return literal_column(_CLOCK[connection.dialect.name], BigInteger())


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
