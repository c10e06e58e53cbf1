"""The order in which a failover plan starts its VMs, as one sequence. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Container
from graphlib import TopologicalSorter

from msgspec import UNSET

from causeway_controller.contract.tenant import FailoverPlan, PlanEntry
from causeway_controller.inventory.tenancy import PlannedVm
from causeway_wire.types import VmName


def planned(plan: FailoverPlan, vms: Container[VmName]) -> tuple[PlannedVm, ...]:
    """Return the plan's entries about these VMs, in an order that keeps every `after` and every priority.

    Among those that may start, the one of the earliest priority comes first, then the one entered first. The
    plan has no circle (`rules_failover`).
    """
    entries = {entry.vm: entry for entry in plan.entries}
    places = {vm: (entry.priority, place, vm) for place, (vm, entry) in enumerate(entries.items())}
    sorter = TopologicalSorter({vm: entry.after for vm, entry in entries.items()})
    sorter.prepare()
    free: list[tuple[int, int, VmName]] = []
    ordered: list[VmName] = []
    while sorter.is_active():
        for vm in sorter.get_ready():
            heapq.heappush(free, places[vm])
        _, _, vm = heapq.heappop(free)
        ordered.append(vm)
        sorter.done(vm)
    return tuple(_planned(entries[vm], vms) for vm in ordered if vm in vms)


def _planned(entry: PlanEntry, vms: Container[VmName]) -> PlannedVm:
    return PlannedVm(
        vm=entry.vm,
        priority=entry.priority,
        after=tuple(vm for vm in entry.after if vm in vms),
        delay=entry.delay,
        ready=None if entry.ready is UNSET else entry.ready,
    )
