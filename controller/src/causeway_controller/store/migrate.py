"""Bring a database to the tables of this version: whole, or not at all."""

from __future__ import annotations

from typing import Final

from alembic import command, util
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
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
    config = _config()
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, to)
    except util.CommandError as error:
        hint = "it is of a newer version of Causeway: install that one, or restore a backup of this one"
        raise StoreError(f"the database cannot be migrated ({error}); {hint}") from error


def missing(database: Database) -> tuple[str, ...]:
    """Revisions that the database lacks, the oldest first.

    Raises StoreError, also where it is of a newer version.
    """
    with database.read() as connection:
        current = revision(connection)
    known = revisions()
    if current is not None and current not in known:
        hint = "install that one, or restore a backup of this one"
        raise StoreError(f"the database is of a newer version of Causeway (tables {current}); {hint}")
    return known if current is None else known[known.index(current) + 1 :]


def revision(connection: Connection) -> str | None:
    """The revision of the tables in this database; None before there are any."""
    return MigrationContext.configure(connection).get_current_revision()


def revisions() -> tuple[str, ...]:
    """Every revision of the tables, the oldest first."""
    scripts = ScriptDirectory.from_config(_config())
    return tuple(reversed([script.revision for script in scripts.walk_revisions()]))


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", _SCRIPTS)
    return config
