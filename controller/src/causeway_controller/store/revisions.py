"""Which tables a database has, and which this version knows. Without Alembic, which only `migrate` needs: of
a controller's memory it takes 8 MiB.
"""

from __future__ import annotations

import functools
import pkgutil
from typing import Final

from sqlalchemy import column, inspect, select, table
from sqlalchemy.engine import Connection

from causeway_controller.errors import StoreError
from causeway_controller.store.database import Database
from causeway_controller.store.migrations import versions

_NUMBER: Final = slice(1, 5)
"""Of a revision, in the name of its file: `r0001_first`."""
_CURRENT: Final = table("alembic_version", column("version_num"))


@functools.cache
def known() -> tuple[str, ...]:
    """Return every revision of the tables, the oldest first."""
    return tuple(sorted(module.name[_NUMBER] for module in pkgutil.iter_modules(versions.__path__)))


def current(connection: Connection) -> str | None:
    """Return the revision of the tables in this database; None before there are any."""
    if not inspect(connection).has_table(_CURRENT.name):
        return None
    found: str | None = connection.execute(select(_CURRENT.c.version_num)).scalar_one_or_none()
    return found


def missing(database: Database) -> tuple[str, ...]:
    """Return the revisions that the database lacks, the oldest first.

    Raises StoreError, also where it is of a newer version.
    """
    with database.read() as connection:
        found = current(connection)
    if found is None:
        return known()
    if found not in known():
        hint = "install that one, or restore a backup of this one"
        raise StoreError(f"the database is of a newer version of Causeway (tables {found}); {hint}")
    return known()[known().index(found) + 1 :]
