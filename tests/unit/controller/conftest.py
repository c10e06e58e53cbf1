"""What tests of several rooms begin with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from causeway_controller.store.database import Database
from tests import stores


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """An empty store."""
    made = stores.made(tmp_path / "causeway.db")
    yield made
    made.close()
