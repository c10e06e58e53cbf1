"""What moves for whom: those who wait for a tenant's resources look again when they may be others."""

from __future__ import annotations

from datetime import UTC, datetime

from causeway_controller.store.database import Database
from causeway_controller.store.inventories import Inventories
from causeway_controller.store.marks import Marks, marks
from causeway_controller.store.runs import Run, Runs
from tests.controller_api import two_tenants

AT = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)


def test_a_run_moves_its_own_tenant_only_and_the_inventory_everybody(database: Database) -> None:
    runs, first = Runs(database), marks(database, Marks())
    runs.start(Run(id="r1", tenant="acme", host="esx1", request="{}", actor="anna", at=AT))
    begun = marks(database, first)
    assert begun.of("acme") != first.of("acme")
    assert begun.of("bolt") == first.of("bolt")
    runs.finish("r1", epoch=1, kind="failed", detail="{}", at=AT)
    over = marks(database, begun)
    assert over.of("acme") not in {begun.of("acme"), first.of("acme")}
    assert over.of("bolt") == first.of("bolt")
    Inventories(database, now=lambda: AT).replace(two_tenants(), expected=0, actor="test")
    entered = marks(database, over)
    assert entered.of("acme") != over.of("acme")
    assert entered.of("bolt") != over.of("bolt")


def test_nothing_moves_while_nothing_happens(database: Database) -> None:
    first = marks(database, Marks())
    assert marks(database, first) == first
