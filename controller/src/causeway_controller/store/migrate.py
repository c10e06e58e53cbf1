"""Bring a database to the tables of this version: whole, or not at all. `revisions` says which it has."""

from __future__ import annotations

from typing import Final

from alembic import command, util
from alembic.config import Config
from sqlalchemy import text
from sqlalchemy.engine import Connection

from causeway_controller.errors import StoreError
from causeway_controller.store.database import SQLITE, Database

_SCRIPTS: Final = "causeway_controller.store:migrations"
_TURN: Final = 0x43575354
"""Of several controllers that start at once, one migrates PostgreSQL; the number is arbitrary."""


def upgrade(database: Database, *, to: str = "head") -> None:
    """Migrate the database up to a revision, in one transaction.

    Raises StoreError; then it is as it was. A database of a newer version is refused.
    """
    with database.write() as connection:
        upgrade_within(connection, to=to)


def upgrade_within(connection: Connection, *, to: str = "head") -> None:
    """Migrate within the caller's transaction, as `upgrade`."""
    if connection.dialect.name != SQLITE:
        connection.execute(text("SELECT pg_advisory_xact_lock(:turn)"), {"turn": _TURN})
    made = config()
    made.attributes["connection"] = connection
    try:
        command.upgrade(made, to)
    except util.CommandError as error:
        hint = "it is of a newer version of Causeway: install that one, or restore a backup of this one"
        raise StoreError(f"the database cannot be migrated ({error}); {hint}") from error


def config() -> Config:
    """Where Alembic finds the revisions."""
    made = Config()
    made.set_main_option("script_location", _SCRIPTS)
    return made
