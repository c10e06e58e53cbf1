"""Whoever guesses the ids of a host's VMs learns nothing of those that are not their own."""

from __future__ import annotations

from typing import Any

import pytest

from causeway_controller.contract.hosts import VmNic
from causeway_controller.hypervisors.base import FoundVm
from causeway_controller.workflows.fitting import fitting
from tests.provider_inventory import host, other_tenant, seed_example, tenant, vm, with_

MACS = {"web1": "52:54:00:00:00:01", "db1": "52:54:00:00:00:02", "x1": "52:54:00:00:00:03"}
INVENTORY = seed_example(
    tenants=(
        tenant(
            vms=tuple(with_(vm(name, n), macs=(MACS[name],)) for n, name in enumerate(("web1", "db1"), 11))
        ),
        other_tenant(vms=(with_(vm("x1", 13), macs=(MACS["x1"],)),)),
    )
)


def said(found: FoundVm, *, staff: bool) -> str:
    fit = fitting(INVENTORY, host("esx1"), [found], named=staff)
    misfit = fit.fit("vm-7", ("acme", "db1"), own={"management"})
    assert misfit is not None
    return misfit.detail


def machine(**more: Any) -> FoundVm:
    return FoundVm(**{"id": "vm-7", "name": "secret", "powered_on": False, **more})


NOT_THERE = machine(id="vm-8")


@pytest.mark.parametrize(
    "found",
    [
        machine(owner_id="bolt-esx1"),
        machine(powered_on=True),
        machine(other_ids=("vm-x1",)),
        machine(nics=(VmNic(mac=MACS["x1"], network="n"),)),
        machine(nics=(VmNic(mac="02:00:00:00:00:09", network="management"),)),
    ],
    ids=["an appliance", "on", "another tenant's replica", "of another tenant's VM", "the provider's own"],
)
def test_what_is_others_is_told_as_what_is_not_there(found: FoundVm) -> None:
    assert said(found, staff=False) == said(NOT_THERE, staff=False)
    assert said(found, staff=True) != said(NOT_THERE, staff=True)


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (machine(other_ids=("vm-web1",)), "another VM's replica"),
        (machine(nics=(VmNic(mac=MACS["web1"], network="n"),)), "MAC address of another VM than db1"),
    ],
)
def test_what_is_their_own_is_told(found: FoundVm, why: str) -> None:
    assert why in said(found, staff=False)
