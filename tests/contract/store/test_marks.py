"""What moves for whom: those who wait for a tenant's resources look again when they may be others."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import ip_address

from causeway_controller.inventory.health import Deployed
from causeway_controller.store.appliances import Appliances
from causeway_controller.store.database import Database
from causeway_controller.store.inventories import Inventories
from causeway_controller.store.marks import Marks, marks
from causeway_controller.store.runs import Run, Runs
from tests import run_events
from tests.controller_api import two_tenants

AT = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)


def test_a_run_moves_its_own_tenant_only_and_the_inventory_everybody(database: Database) -> None:
    runs, first = Runs(database), marks(database, Marks())
    runs.start(Run(id="r1", tenant="acme", host="esx1", request="{}", actor="anna", at=AT))
    begun = marks(database, first)
    assert begun.of("acme") != first.of("acme")
    assert begun.of("bolt") == first.of("bolt")
    run_events.finish(runs, "r1", epoch=1, kind="failed", detail="{}", at=AT)
    over = marks(database, begun)
    assert over.of("acme") not in {begun.of("acme"), first.of("acme")}
    assert over.of("bolt") == first.of("bolt")
    Inventories(database, now=lambda: AT).replace(two_tenants(), expected=0, actor="test")
    entered = marks(database, over)
    assert entered.of("acme") != over.of("acme")
    assert entered.of("bolt") != over.of("bolt")


def test_an_appliance_that_is_deployed_or_retired_moves_its_own_tenant_only(database: Database) -> None:
    appliances, first = Appliances(database), marks(database, Marks())
    one = Deployed(id="a1", tenant="acme", host="esx1", address=ip_address("192.0.2.1"), port=8443)
    appliances.enter(one, at=AT)
    deployed = marks(database, first)
    assert deployed.of("acme") != first.of("acme")
    assert deployed.of("bolt") == first.of("bolt")
    appliances.forget("a1")
    Runs(database).start(Run(id="r1", tenant="acme", host="esx1", request="{}", actor="anna", at=AT))
    assert marks(database, deployed).of("acme") not in {deployed.of("acme"), first.of("acme")}


def test_nothing_moves_while_nothing_happens(database: Database) -> None:
    first = marks(database, Marks())
    assert marks(database, first) == first
