"""Which VMs of a host may stand in for which: looked at together, as the inventory would be."""

from __future__ import annotations

from typing import Any

import pytest

from causeway_controller.contract.hosts import VmNic
from causeway_controller.contract.tenant import ReplicaVm
from causeway_controller.hypervisors.base import FoundVm
from causeway_controller.inventory.replicas import with_replicas
from causeway_controller.workflows.fitting import fitting
from tests.provider_inventory import seed_example, tenant, with_

FOUND = (
    FoundVm(id="vm-web1", name="web1-r", powered_on=False),
    FoundVm(id="uuid", name="x", powered_on=False, other_ids=("vm-9",)),
)


def said(**wanted: str) -> dict[str, str]:
    """What is said of each that does not fit."""
    places = {vm: ReplicaVm(host="esx1", vm_id=vm_id) for vm, vm_id in wanted.items()}
    inventory, _ = with_replicas(seed_example(), "acme", places)
    there = fitting(inventory, inventory.hosts[0], FOUND, named=True)
    found = {vm: there.fit(vm_id, ("acme", vm), own=()) for vm, vm_id in wanted.items()}
    return {vm: one.detail for vm, one in found.items() if one is not None}


def test_what_is_another_ones_by_now_may_change_hands_with_it() -> None:
    assert "another VM's replica" in said(db1="vm-web1")["db1"]
    assert said(db1="vm-web1", web1="vm-9") == {}


def test_one_vm_by_two_of_its_ids_stands_in_for_neither() -> None:
    found = said(db1="uuid", web1="vm-9")
    assert {vm: "another VM's replica" in detail for vm, detail in found.items()} == {
        "db1": True,
        "web1": True,
    }


@pytest.mark.parametrize(
    "more",
    [
        {"powered_on": True},
        {"owner_id": "zeta-esx1"},
        {"nics": (VmNic(mac="52:54:00:00:00:99", network="dvportgroup-9"),)},
        {"nics": (VmNic(mac="02:00:00:00:00:07", network="network-3"),)},
    ],
)
def test_who_replicates_is_told_no_name_of_what_is_not_theirs(more: dict[str, Any]) -> None:
    acme = tenant()
    vms = tuple(with_(one, macs=("52:54:00:00:00:99",)) if one.name == "web1" else one for one in acme.vms)
    inventory = seed_example(tenants=(with_(acme, vms=vms),))
    theirs = FoundVm(**{"id": "vm-7", "name": "zeta-mail", "powered_on": False, **more})
    for named, begins in ((True, "zeta-mail "), (False, ("VM vm-7 ", "host esx1 has no VM vm-7 "))):
        there = fitting(inventory, inventory.hosts[0], [theirs], named=named)
        found = there.fit("vm-7", ("acme", "db1"), own=("network-3",))
        assert found is not None
        assert found.detail.startswith(begins)
        assert "network-3" not in found.detail
        assert named or "zeta" not in found.detail
