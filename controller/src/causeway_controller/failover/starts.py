"""Replicas started wave by wave: powered on, waited for, published. Pure.

A wave is over when each of its VMs is ready or late. Who waits for a VM that did not become so stays off,
unless the plan says that it does not matter; nobody else is held up. What the internet reaches of a VM is
published when it runs, never before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from causeway_controller.failover import documents, waves
from causeway_controller.failover.steps import (
    EditRules,
    Pause,
    Power,
    Ready,
    Stage,
    Step,
    replica_machine,
    switched,
)
from causeway_controller.inventory import modes
from causeway_controller.inventory.tenancy import PlannedVm, Tenant
from causeway_wire.public_rules import PublicRule
from causeway_wire.types import VmName


def stages(tenant: Tenant, after: modes.Full | modes.Rehearsal, vms: frozenset[VmName]) -> Iterator[Stage]:
    """Return the stages that start these VMs on the way to the mode."""
    rehearsal = isinstance(after, modes.Rehearsal)
    planned = waves.starting(tenant, vms)
    items = {item.vm: item for wave in planned for item in wave}
    published = _published(tenant, after)
    for wave in planned:
        yield tuple(step for item in wave for step in _start(tenant, item, items, published, rehearsal))
        if wave[-1].delay and wave is not planned[-1]:
            sentence = f"Wait as the plan says after {wave[-1].vm}"
            yield (Step(sentence, Pause(seconds=wave[-1].delay)),)


def _start(
    tenant: Tenant,
    item: PlannedVm,
    items: Mapping[VmName, PlannedVm],
    published: Mapping[VmName, tuple[PublicRule, ...]],
    rehearsal: bool,  # noqa: FBT001 - one caller, four lines above
) -> Iterator[Step]:
    machine = replica_machine(tenant, item.vm)
    yield Step(
        switched(item.vm, on=True),
        Power(machine=machine, on=True),
        seed=1,
        compensation=Power(machine=machine, on=False),
        required=False,
        needs=tuple(_good(items[vm]) for vm in item.after if vm in items and _matters(items[vm])),
    )
    measured = item.ready is not None or rehearsal
    if measured:
        by, timeout = (None, None) if item.ready is None else (item.ready.by, item.ready.timeout)
        action = Ready(machine=machine, by=by, timeout=timeout)
        yield Step(_ready(item.vm), action, required=False, needs=(switched(item.vm, on=True),))
    if item.vm in published:
        rules = published[item.vm]
        appliance = tenant.provider.id
        needs = (
            switched(item.vm, on=True),
            *([_ready(item.vm)] if item.ready and item.ready.required else []),
        )
        yield Step(
            f"Publish {item.vm} ({', '.join(rule.id for rule in rules)})",
            EditRules(appliance=appliance, put=rules),
            compensation=EditRules(appliance=appliance, remove=tuple(rule.id for rule in rules)),
            required=False,
            needs=needs,
            follows=(_ready(item.vm),) if measured else (),
        )


def _published(tenant: Tenant, mode: modes.Mode) -> dict[VmName, tuple[PublicRule, ...]]:
    """The rules that are in force in the mode, by the VM that they lead to."""
    owners = documents.owners(tenant)
    found: dict[VmName, tuple[PublicRule, ...]] = {}
    for rule in documents.public_rules(tenant, mode):
        owner = owners.get(rule.internal_address)
        if owner is not None:
            found[owner] = (*found.get(owner, ()), rule)
    return found


def _ready(vm: VmName) -> str:
    return f"The replica of {vm} is ready"


def _matters(item: PlannedVm) -> bool:
    return item.ready is None or item.ready.required


def _good(item: PlannedVm) -> str:
    """What must have gone well for those that wait for the VM."""
    return switched(item.vm, on=True) if item.ready is None else _ready(item.vm)
