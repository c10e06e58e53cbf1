"""A tenant's certificates are found without a look at everybody's, however many there are."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Select
from sqlalchemy.dialects import sqlite

from causeway_controller.store.ledger_questions import NEWEST_OF, NEWEST_OF_GATEWAYS, OF_SLOT
from tests import stores


@pytest.mark.parametrize(
    "question",
    [NEWEST_OF.params(whose="acme"), NEWEST_OF_GATEWAYS, OF_SLOT.params(which="agent acme-esx1")],
    ids=["tenant", "gateways", "slot"],
)
def test_no_question_of_a_failover_reads_the_whole_ledger(tmp_path: Path, question: Select[object]) -> None:
    database = stores.made(tmp_path / "causeway.db")
    asked = question.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True})
    with database.read() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {asked}")
        steps = [str(row.detail) for row in plan]
    database.close()
    read = [step for step in steps if step.startswith(("SCAN", "SEARCH"))]
    assert any("certificate" in step for step in read), steps
    assert not [step for step in read if step.startswith("SCAN certificate")], steps
