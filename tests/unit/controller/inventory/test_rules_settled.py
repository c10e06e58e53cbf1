"""VMs that were made permanent in a full failover: they may leave it and be renumbered, and cut nothing."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import pytest
from msgspec import UNSET

from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.tenant import PlanEntry
from causeway_controller.inventory import modes
from causeway_controller.inventory.in_use import InUse
from causeway_controller.inventory.modes import Full, Mode
from causeway_controller.inventory.rules import check
from causeway_wire.problem import Problem
from tests.changes_in_use import BEFORE, BOTH, DB1, FULL, REHEARSAL, WEB1, acme, db1, site_plan

SETTLED = Full(BOTH, plan="site", permanent=BOTH)
WITHOUT_DB1 = acme(vms=(WEB1,))(site_plan(entries=(PlanEntry(vm="web1"),))(BEFORE))
WITHOUT_WEB1 = acme(vms=(DB1,))(site_plan(entries=(PlanEntry(vm="db1"),))(BEFORE))
RENUMBERED = db1(addresses=(ip_address("192.168.10.99"),))(BEFORE)


def in_use(mode: Mode = SETTLED, *, run: str = "") -> InUse:
    return InUse(tenant="acme", host="esx1", mode=mode, run=run)


def found(after: Inventory, use: InUse) -> tuple[Problem, ...]:
    return tuple(check(after, before=BEFORE, in_use=(use,)).problems)


@pytest.mark.parametrize("after", [WITHOUT_DB1, RENUMBERED], ids=["removed", "renumbered"])
def test_what_was_made_permanent_may_leave_a_full_failover_and_be_renumbered(after: Inventory) -> None:
    assert found(after, in_use()) == ()
    for mode in (FULL, Full(BOTH, permanent=frozenset({"web1"})), modes.partial(BOTH, BOTH), REHEARSAL):
        assert found(after, in_use(mode)) != (), mode
    assert found(after, in_use(run="r-1")) != ()


def test_it_stays_in_its_network_and_keeps_its_replica_while_it_is_entered() -> None:
    moved, bare = db1(network="dmz")(BEFORE), db1(replica=UNSET)(BEFORE)
    assert "/tenants/0/vms/1/network" in [one.pointer for one in found(moved, in_use())]
    assert "/tenants/0/vms/1/replica" in [one.pointer for one in found(bare, in_use())]


def test_the_last_one_of_a_network_does_not_leave() -> None:
    """Its appliance would end what it does in that network."""
    published = replace(in_use(), published=True)
    told = found(acme(vms=(), failover_plans=())(BEFORE), published)
    assert {one.pointer for one in told} == {"/tenants/0/vms", "/tenants/0/failover_plans"}
    assert "db1 would go, the last one that is failed over in network lan" in told[0].detail


def test_no_public_rule_is_left_behind_to_an_address_that_another_one_may_get() -> None:
    (by_plan,) = (one for one in found(WITHOUT_WEB1, in_use()) if one.pointer == "/tenants/0/vms")
    assert "web1 would go, and a public rule leads to its 192.168.10.11" in by_plan.detail
    without_rules = acme(vms=(DB1,))(site_plan(entries=(PlanEntry(vm="db1"),), rules=())(BEFORE))
    assert found(without_rules, replace(in_use(), published=True)) == (), "others count"
    led = replace(in_use(), published=True, ruled=frozenset(DB1.addresses))
    (published,) = found(RENUMBERED, led)
    assert published.pointer == "/tenants/0/vms/1/addresses"
    assert "`causeway rule publish` has others count" in published.detail


def test_who_is_not_permanent_yet_is_told_the_way() -> None:
    (told,) = found(WITHOUT_DB1, in_use(FULL))
    assert "`causeway failover permanent acme db1 --host esx1`" in told.detail
