"""What a run is told as costs the same however many runs there were."""

from __future__ import annotations

import sqlite3

import pytest
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateTable

from causeway_controller.store import run_reports
from causeway_controller.store.columns import METADATA
from causeway_controller.store.tables import run


@pytest.fixture
def connection() -> sqlite3.Connection:
    made = sqlite3.connect(":memory:")
    for table in METADATA.sorted_tables:
        made.execute(str(CreateTable(table).compile(dialect=sqlite.dialect())))
    return made


def test_no_table_is_read_from_end_to_end_for_one_run(connection: sqlite3.Connection) -> None:
    question = str(run_reports._RUNS.where(run.c.id == "r1").compile(dialect=sqlite.dialect()))
    plan = [row[3] for row in connection.execute(f"explain query plan {question}", ("r1",))]
    assert plan
    assert [step for step in plan if "SCAN" in step or "MATERIALIZE" in step] == []
