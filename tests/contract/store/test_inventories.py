"""The inventory in the store: whole or not at all, and never over somebody else's change."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from ipaddress import ip_network
from types import SimpleNamespace
from typing import Final

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Connection

from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.production import OwnNetwork, Production
from causeway_controller.contract.tenant import PlanEntry
from causeway_controller.errors import StoreError
from causeway_controller.inventory import modes
from causeway_controller.inventory.in_use import InUse
from causeway_controller.store import in_use
from causeway_controller.store import inventories as inventories_module
from causeway_controller.store.audit import Audit
from causeway_controller.store.database import Database
from causeway_controller.store.in_use import Renamed
from causeway_controller.store.inventories import Inventories
from causeway_controller.store.runs import Run, Runs
from causeway_controller.store.tenancies import Standing, Standings
from causeway_wire.problem import ProblemError, ProblemType
from tests import run_events
from tests.provider_inventory import plan, seed_example, tenant, with_

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
_SECONDS: Final = 20


@pytest.fixture
def inventories(database: Database) -> Inventories:
    return Inventories(database, now=lambda: AT)


def test_an_empty_store_has_an_empty_inventory_of_revision_0(inventories: Inventories) -> None:
    stored = inventories.load()
    assert (stored.revision, stored.inventory) == (0, Inventory())


def test_what_was_entered_is_read_again(inventories: Inventories) -> None:
    entered = inventories.replace(seed_example(), expected=0, actor="anna")
    assert inventories.load() == entered
    assert (entered.revision, entered.inventory) == (1, seed_example())
    assert len(entered.allocation.vlans) == 5


def test_what_was_given_stays_through_edits(inventories: Inventories) -> None:
    first = inventories.replace(seed_example(), expected=0, actor="anna")
    grown = seed_example(
        hardware_plans=(plan("large", 4), plan("small", 2)),
        tenants=(tenant("zeta", vms=(), failover_plans=(), public_addresses=()), tenant()),
    )
    second = inventories.replace(grown, expected=1, actor="anna")
    assert set(first.allocation.vlans) < set(second.allocation.vlans)
    assert set(first.allocation.macs) < set(second.allocation.macs)
    assert inventories.load() == second
    gone = inventories.replace(with_(grown, tenants=()), expected=2, actor="anna")
    assert inventories.load() == gone
    assert gone.allocation.vlans == ()


def test_a_stale_revision_is_refused_and_nothing_changes(inventories: Inventories) -> None:
    entered = inventories.replace(seed_example(), expected=0, actor="anna")
    with pytest.raises(ProblemError) as caught:
        inventories.replace(Inventory(), expected=0, actor="bert")
    assert caught.value.problem.type == ProblemType.PRECONDITION_FAILED.urn
    assert caught.value.problem.revision == 1
    assert inventories.load() == entered


def test_a_broken_rule_is_refused_and_nothing_changes(inventories: Inventories, database: Database) -> None:
    entered = inventories.replace(seed_example(), expected=0, actor="anna")
    with pytest.raises(ProblemError) as caught:
        inventories.replace(seed_example(vlan_pools=(), hosts=()), expected=1, actor="bert")
    assert str(caught.value.problem.pointer).startswith("/")
    assert inventories.load() == entered
    assert len(Audit(database).records()) == 1


def test_the_same_again_is_no_new_revision(inventories: Inventories) -> None:
    entered = inventories.replace(seed_example(), expected=0, actor="anna")
    assert inventories.replace(seed_example(), expected=1, actor="bert") == entered


def test_each_revision_is_in_the_audit(inventories: Inventories, database: Database) -> None:
    inventories.replace(seed_example(), expected=0, actor="anna")
    (record,) = Audit(database).records()
    assert (record.act.actor, record.act.action, record.act.subject, record.act.at) == (
        "anna",
        "inventory.replace",
        "revision 1",
        AT,
    )


def test_the_database_too_refuses_a_vlan_that_is_given_twice(
    inventories: Inventories, database: Database
) -> None:
    inventories.replace(seed_example(), expected=0, actor="anna")
    again = text(
        "INSERT INTO vlan_lease (tenant, plan, network, host, switch, vlan, place) "
        "SELECT 'other', plan, network, host, switch, vlan, place FROM vlan_lease"
    )
    with pytest.raises(StoreError), database.write() as connection:
        connection.execute(again)


def test_one_tenant_is_read_without_the_others(inventories: Inventories) -> None:
    other = tenant("zeta", vms=(), failover_plans=(), public_addresses=())
    networks = ("lan", 10), ("dmz", 20)
    own, others = (
        Production(
            id=f"by-{name}",
            tenant=name,
            networks=(OwnNetwork(id=network, prefixes=(ip_network(f"192.168.{third}.0/24"),)),),
        )
        for name, (network, third) in zip(("acme", "zeta"), networks, strict=True)
    )
    entered = seed_example(tenants=(other, tenant()), production=(own, others))
    whole = inventories.replace(entered, expected=0, actor="anna")
    alone = inventories.of_tenant("acme")
    assert alone.inventory == seed_example(production=(own,))
    assert alone.allocation.vlans == tuple(e for e in whole.allocation.vlans if e.tenant == "acme")
    assert len(alone.allocation.macs) == 6
    assert inventories.of_tenant("nobody").inventory.tenants == ()


def test_an_open_run_is_seen_by_who_replaces_the_inventory(
    inventories: Inventories, database: Database
) -> None:
    inventories.replace(seed_example(), expected=0, actor="anna")
    runs = Runs(database)
    request = '{"request":"fail-over","tenant":"acme","vms":["db1"]}'
    runs.start(Run(id="r1", tenant="acme", host="esx1", request=request, actor="anna", at=AT))
    for change in (lambda one: inventories.replace(one, expected=1, actor="bert"), _tried(inventories)):
        with pytest.raises(ProblemError) as caught:
            change(with_(seed_example(), tenants=(with_(tenant(), vms=tenant().vms[:1], failover_plans=()),)))
        assert {one.type for one in caught.value.problem.each} == {ProblemType.FAILOVER_IN_PROGRESS.urn}
        assert "run r1 of tenant acme at esx1 is not over" in caught.value.problem.detail
    assert inventories.load().revision == 1
    run_events.finish(runs, "r1", epoch=1, kind="finished", detail="{}", at=AT, left=Standing())
    assert inventories.replace(with_(seed_example(), tenants=()), expected=1, actor="bert").revision == 2


def test_who_lives_at_the_provider_for_good_leaves_the_failover_with_the_inventory(
    inventories: Inventories, database: Database
) -> None:
    inventories.replace(seed_example(), expected=0, actor="anna")
    both = frozenset({"db1", "web1"})
    standing = Standing(mode=modes.Full(both, plan="site", permanent=both), publications=())
    Standings(database).put("acme", "esx1", standing)
    plans = (with_(tenant().failover_plans[0], entries=(PlanEntry(vm="web1"),)),)
    without = seed_example(tenants=(tenant(vms=tenant().vms[:1], failover_plans=plans),))
    inventories.tried(without, before=inventories.load())
    assert Standings(database).get("acme", "esx1") == standing, "nothing was entered yet"
    inventories.replace(without, expected=1, actor="bert")
    web1 = frozenset({"web1"})
    left = Standing(mode=modes.Full(web1, plan="site", permanent=web1), publications=())
    assert Standings(database).get("acme", "esx1") == left
    acts = [record.act for record in Audit(database).records()]
    assert [(one.actor, one.subject, one.detail) for one in acts if one.action == "failover.let-go"] == [
        ("bert", "tenant acme at esx1", "db1")
    ]
    with pytest.raises(ProblemError, match="the last one that is failed over in network lan"):
        inventories.replace(
            with_(without, tenants=(tenant(vms=(), failover_plans=()),)), expected=2, actor="bert"
        )


def _tried(inventories: Inventories) -> Callable[[Inventory], object]:
    return lambda one: inventories.tried(one, before=inventories.load())


def test_a_run_that_begins_waits_for_who_replaces_the_inventory(
    inventories: Inventories, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise it would be carried out with what the inventory was, and neither would see the other."""
    inventories.replace(seed_example(), expected=0, actor="anna")
    asked, order = threading.Event(), []

    def looked(connection: Connection, renamed: Renamed | None) -> tuple[InUse, ...]:
        found = in_use.of(connection, renamed)
        starting.start()
        asked.wait(_SECONDS)
        time.sleep(0.3)  # it has come to the store by now, and waits there
        order.append("entered")
        return found

    def start() -> None:
        asked.set()
        request = '{"request":"fail-over","tenant":"acme","vms":["db1"]}'
        run = Run(id="r1", tenant="acme", host="esx1", request=request, actor="anna", at=AT)
        Runs(database).start(run)
        order.append("started")

    starting = threading.Thread(target=start)
    monkeypatch.setattr(inventories_module, "in_use", SimpleNamespace(of=looked))
    inventories.replace(with_(seed_example(), tenants=()), expected=1, actor="bert")
    starting.join(_SECONDS)
    assert order == ["entered", "started"]
