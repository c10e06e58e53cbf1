"""A failover plan as waves: VMs that start at once, none before what it waits for is ready. Pure.

Waves instead of a schedule that depends on the moment: a dry run shows them, each is remembered when it is
over, and a controller that carries a run on finds the same ones.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from causeway_controller.inventory.tenancy import PlannedVm, Tenant
from causeway_wire.types import VmName

Wave = tuple[PlannedVm, ...]


def starting(tenant: Tenant, vms: frozenset[VmName]) -> tuple[Wave, ...]:
    """Return these VMs in waves: the plan's in its order, then the others by name."""
    planned = [item for item in tenant.plan if item.vm in vms]
    others = sorted(vms - {item.vm for item in planned})
    return (
        *_waves(planned, tenant.parallel),
        *_waves([PlannedVm(vm=vm) for vm in others], tenant.parallel),
    )


def stopping(tenant: Tenant, vms: frozenset[VmName], together: int) -> tuple[tuple[VmName, ...], ...]:
    """Return these VMs in groups of at most `together`: what started last stops first, and nothing in the
    group of a VM that waited for it.
    """
    groups: list[list[PlannedVm]] = [[]]
    for item in reversed([item for wave in starting(tenant, vms) for item in wave]):
        waited = any(item.vm in other.after for other in groups[-1])
        if waited or len(groups[-1]) == together:
            groups.append([])
        groups[-1].append(item)
    return tuple(tuple(item.vm for item in group) for group in groups if group)


def _waves(ordered: Sequence[PlannedVm], parallel: int) -> Iterable[Wave]:
    """Each wave is of one priority and no longer than `parallel`; a delay ends it.

    What a VM waits for comes before it in the order, so the first one left may always start.
    """
    left = list(ordered)
    while left:
        wave = _first(left, parallel)
        yield wave
        left = [item for item in left if item not in wave]


def _first(left: Sequence[PlannedVm], parallel: int) -> Wave:
    waiting = {item.vm for item in left}
    wave: list[PlannedVm] = []
    for item in left:
        if item.priority != left[0].priority or len(wave) == parallel:
            break
        if _free(item, waiting):
            wave.append(item)
            if item.delay:
                break
    return tuple(wave)


def _free(item: PlannedVm, waiting: Collection[VmName]) -> bool:
    return not any(vm in waiting for vm in item.after)
