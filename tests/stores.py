"""Stores with the tables of now: a process migrates one, and each test has a copy of its file.

How a store is migrated has tests of its own, `tests/contract/store/test_migrations.py`.
"""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

from causeway_controller import files
from causeway_controller.store import migrate
from causeway_controller.store.database import Database, connect


def made(file: Path) -> Database:
    """Open the store in this file, an empty one where there is none."""
    if not file.exists():
        file.touch(mode=files.PRIVATE)
        file.write_bytes(_migrated())
    return connect(f"sqlite:///{file}")


@functools.cache
def _migrated() -> bytes:
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "causeway.db"
        database = connect(f"sqlite:///{file}")
        migrate.upgrade(database)
        database.close()
        return file.read_bytes()
