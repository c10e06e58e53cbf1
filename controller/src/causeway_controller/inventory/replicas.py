"""What was told of replicas, and what is wrong with them as far as that shows. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from causeway_controller.contract.hosts import Finding, Grade, Topic
from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.replicas import ReplicaReport
from causeway_controller.contract.tenant import ProtectedVm, ReplicaVm, Tenant
from causeway_controller.inventory.health import age
from causeway_wire.problem import Problem, ProblemError, ProblemType, problem
from causeway_wire.types import IPAddress, Name, TenantId, VmName

AHEAD: Final = timedelta(minutes=5)
"""How far the clock of who replicates may be ahead of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What who replicates a VM said last. It counts for the replica of this host and id, for no other."""

    host: Name
    vm_id: str
    restored_to: datetime | None
    addresses: tuple[IPAddress, ...]
    """The VM's in production; none where that was not said."""
    at: datetime
    by: str


def reports(tenant: Tenant, told: Mapping[VmName, Told], *, now: datetime) -> Iterator[ReplicaReport]:
    """Yield the tenant's replicas, with what is wrong with each."""
    for vm in tenant.vms:
        found = report(tenant, vm, told.get(vm.name), now=now)
        if found is not None:
            yield found


def report(tenant: Tenant, vm: ProtectedVm, told: Told | None, *, now: datetime) -> ReplicaReport | None:
    """Return the VM's replica; None where it has none."""
    if vm.replica is UNSET:
        return None
    about = _about(vm, told)
    return ReplicaReport(
        vm=vm.name,
        network=vm.network,
        addresses=vm.addresses,
        host=vm.replica.host,
        vm_id=vm.replica.vm_id,
        restored_to=restored_to(vm, told) or UNSET,
        told=UNSET if about is None else about.at,
        told_by=UNSET if about is None else about.by,
        wrong=tuple(f"{text}; {advice}" for text, advice in _wrong(tenant, vm, about, now=now)),
    )


def lacking(tenant: Tenant) -> Iterator[str]:
    """Say of each failover plan that it lacks replicas, and what to do: it is refused when it is begun, which
    is better found out before.
    """
    without = {vm.name for vm in tenant.vms if vm.replica is UNSET}
    for plan in tenant.failover_plans:
        bare = [entry.vm for entry in plan.entries if entry.vm in without]
        if bare:
            whose = f"{bare[0]} has" if len(bare) == 1 else f"{bare[0]} and {len(bare) - 1} more have"
            command = f"causeway replica register {tenant.id} {bare[0]} --host HOST --id ID"
            yield f"failover plan {plan.id} is refused, for {whose} no replica; enter it: `{command}`"


def restored_to(vm: ProtectedVm, told: Told | None) -> datetime | None:
    """Return the restore point of the VM's replica, as far as this tells of it."""
    about = _about(vm, told)
    return None if about is None else about.restored_to


def _about(vm: ProtectedVm, told: Told | None) -> Told | None:
    """What was told, where it was about the replica that the VM has."""
    return told if told is not None and (told.host, told.vm_id) == _place(vm) else None


def _place(vm: ProtectedVm) -> tuple[Name, str] | None:
    return None if vm.replica is UNSET else (vm.replica.host, vm.replica.vm_id)


def findings(
    tenants: Iterable[Tenant], told: Mapping[TenantId, Mapping[VmName, Told]], host: Name, *, now: datetime
) -> Iterator[Finding]:
    """Yield what was told that is wrong with the replicas that the tenants have on this host."""
    for tenant in tenants:
        for vm in tenant.vms:
            about = _about(vm, told.get(tenant.id, {}).get(vm.name))
            if about is not None and about.host == host:
                for text, advice in _wrong(tenant, vm, about, now=now):
                    said = f"the replica of {tenant.id}/{vm.name}: {text}"
                    yield Finding(topic=Topic.REPLICAS, grade=Grade.WARNING, text=said, advice=advice)


def _wrong(tenant: Tenant, vm: ProtectedVm, told: Told | None, *, now: datetime) -> Iterator[tuple[str, str]]:
    """Yield what is wrong, and what to do about it."""
    if told is None:
        return
    limit = timedelta(seconds=tenant.stale_after)
    if told.restored_to is not None and now - told.restored_to > limit:
        old, patience = age(now - told.restored_to), age(limit)
        text = f"its last restore point is {old} old, and it counts as stale after {patience}"
        yield text, f"see why {vm.name} is not replicated"
    if told.addresses and set(told.addresses) != set(vm.addresses):
        theirs, ours = (", ".join(map(str, each)) for each in (told.addresses, vm.addresses))
        text = f"{vm.name} was renumbered: who replicates it says {theirs}, the inventory {ours}"
        yield text, "enter its addresses as they are, or nobody reaches it after a failover"


def with_replicas(
    inventory: Inventory, tenant: TenantId, wanted: Mapping[VmName, ReplicaVm | UnsetType]
) -> tuple[Inventory, Mapping[str, VmName]]:
    """Return the inventory in which these are the replicas of the tenant's VMs, and whose replica is at which
    RFC 6901 pointer.

    Raises ProblemError (`not-found`) where the tenant or one of the VMs is not in it.
    """
    found = {one.id: (n, one) for n, one in enumerate(inventory.tenants)}
    if tenant not in found:
        raise no_vm(tenant, next(iter(wanted)))
    n, entry = found[tenant]
    pointers = {
        f"/tenants/{n}/vms/{m}/replica": one.name for m, one in enumerate(entry.vms) if one.name in wanted
    }
    if missing := wanted.keys() - set(pointers.values()):
        raise no_vm(tenant, min(missing))
    vms = tuple(replace(one, replica=wanted.get(one.name, one.replica)) for one in entry.vms)
    tenants = (*inventory.tenants[:n], replace(entry, vms=vms), *inventory.tenants[n + 1 :])
    return replace(inventory, tenants=tenants), pointers


def none_of_theirs(host: Name, vm_id: str) -> Problem:
    """Return what is told to who is not the provider's staff of each VM of a host that they may not name.

    It is the same whatever the reason, and where there is no such VM: else whoever guesses ids would learn
    what others have there.
    """
    detail = (
        f"host {host} has no VM {vm_id} that can be named here: it is to be there, off, no other VM's "
        "replica, without another VM's MAC address, and in no network of the provider's own machines; "
        "correct the id, power it off, or ask the provider's staff, who see which of these it is"
    )
    return problem(ProblemType.INVALID, detail, pointer="/vm_id")


def no_vm(tenant: TenantId, vm: VmName) -> ProblemError:
    """The problem of a VM that the inventory has not: a replica has its network and addresses from there."""
    detail = f"there is no VM {vm} of tenant {tenant}; have it entered, with its network and addresses"
    return ProblemError(problem(ProblemType.NOT_FOUND, detail))
