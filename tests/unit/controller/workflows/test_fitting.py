"""Which VMs of a host may stand in for which: looked at together, as the inventory would be."""

from __future__ import annotations

from causeway_controller.contract.tenant import ReplicaVm
from causeway_controller.hypervisors.base import FoundVm
from causeway_controller.inventory.replicas import with_replicas
from causeway_controller.workflows.fitting import fitting
from tests.provider_inventory import seed_example

FOUND = (
    FoundVm(id="vm-web1", name="web1-r", powered_on=False),
    FoundVm(id="uuid", name="x", powered_on=False, other_ids=("vm-9",)),
)


def said(**wanted: str) -> dict[str, str]:
    """What is said of each that does not fit."""
    places = {vm: ReplicaVm(host="esx1", vm_id=vm_id) for vm, vm_id in wanted.items()}
    inventory, _ = with_replicas(seed_example(), "acme", places)
    there = fitting(inventory, inventory.hosts[0], FOUND)
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
