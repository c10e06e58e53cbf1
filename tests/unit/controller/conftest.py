"""What tests of several rooms begin with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from causeway_controller.store import migrate
from causeway_controller.store.database import Database, connect


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """An empty store."""
    made = connect(f"sqlite:///{tmp_path}/causeway.db")
    migrate.upgrade(made)
    yield made
    made.close()
