"""Which VMs of a host may stand in for which of production: there, and nobody else's. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from msgspec import UNSET

from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.provider import Host
from causeway_controller.hypervisors.base import FoundVm
from causeway_controller.inventory.replicas import none_of_theirs
from causeway_wire.problem import Problem, ProblemError, ProblemType, problem
from causeway_wire.types import TenantId, VmName

Who = tuple[TenantId, VmName]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitting:
    """What a host has, and what an inventory says of its VMs, by what they are looked up by."""

    host: Host
    found: Mapping[str, FoundVm]
    """By all its ids."""
    stand_ins: Mapping[str, frozenset[Who]]
    bearers: Mapping[str, frozenset[Who]]
    """By MAC address."""
    named: bool
    """Whether who asks may hear what the host calls a VM: it may be another tenant's, or the provider's."""

    def nobodys(self, vm_id: str, one: Who) -> FoundVm:
        """Return the host's VM of this id. Raises ProblemError (`/vm_id`) where it is none of production's,
        or another one's than this.
        """
        there = self.found.get(vm_id)
        if there is None:
            host = self.host.id
            raise _unfit(f"host {host} has no VM {vm_id}; `causeway host vms {host}` shows what it has")
        name = there.name if self.named else f"VM {vm_id}"
        if there.owner_id is not None:
            raise _unfit(f"{name} is an appliance of ours; give the id of the replica")
        if self._stand_ins(there) - {one}:
            where = f"VM {vm_id} of {self.host.id}"
            detail = f"{where} is another VM's replica, by this id or another; name its own"
            raise ProblemError(problem(ProblemType.DUPLICATE, detail, pointer="/vm_id"))
        bearers = self._bearers(there)
        if bearers and one not in bearers:
            raise _unfit(
                f"{name} has the MAC address of another VM than {one[1]}; give the id of its replica, "
                "or correct the `macs` of both in the inventory"
            )
        return there

    def fit(self, vm_id: str, one: Who, *, own: Collection[str]) -> Problem | None:
        """Return why the VM of this id does not fit: it must be off besides, for what runs is no replica, and
        in none of the networks `own`, of the provider's own machines. None where it fits.

        Who may not hear names hears no reason either, but that it is the replica of another VM of theirs.
        """
        found = self._misfit(vm_id, one, own=own)
        theirs = any(tenant == one[0] for tenant, _ in self._known(vm_id) - {one})
        return found if found is None or self.named or theirs else none_of_theirs(self.host.id, vm_id)

    def _known(self, vm_id: str) -> frozenset[Who]:
        """Whose the host's VM of this id is, as replica or by its MAC addresses."""
        there = self.found.get(vm_id)
        return frozenset() if there is None else self._stand_ins(there) | self._bearers(there)

    def _stand_ins(self, there: FoundVm) -> frozenset[Who]:
        return frozenset(each for known in _ids(there) for each in self.stand_ins.get(known, ()))

    def _bearers(self, there: FoundVm) -> frozenset[Who]:
        return frozenset(each for nic in there.nics for each in self.bearers.get(nic.mac.lower(), ()))

    def _misfit(self, vm_id: str, one: Who, *, own: Collection[str]) -> Problem | None:
        try:
            there = self.nobodys(vm_id, one)
        except ProblemError as error:
            return error.problem
        name = there.name if self.named else f"VM {vm_id}"
        if there.powered_on:
            detail = f"{name} is powered on, and a replica is off until it is failed over; power it off"
            return _unfit(detail).problem
        if any(nic.network in own for nic in there.nics):
            detail = (
                f"{name} is in a network where the provider's own machines are and no replica is; plug it "
                "elsewhere, or let their staff register it"
            )
            return _unfit(detail).problem
        return None


def fitting(inventory: Inventory, host: Host, found: Sequence[FoundVm], *, named: bool) -> Fitting:
    """Return what a host has (`found`), for an inventory that has the replicas which are looked at; `named`:
    whether who asks may hear how the host calls them.

    One endpoint may command several hosts of the inventory, and a VM may have several ids.
    """
    same = {each.id for each in inventory.hosts if each.endpoint == host.endpoint}
    stand_ins: dict[str, set[Who]] = defaultdict(set)
    bearers: dict[str, set[Who]] = defaultdict(set)
    for tenant in inventory.tenants:
        for vm in tenant.vms:
            one = tenant.id, vm.name
            for mac in vm.macs:
                bearers[mac.lower()].add(one)
            if vm.replica is not UNSET and vm.replica.host in same:
                stand_ins[vm.replica.vm_id].add(one)
    by_id: dict[str, FoundVm] = {}
    for each in found:
        for known in _ids(each):
            by_id.setdefault(known, each)
    return Fitting(
        host=host,
        named=named,
        found=by_id,
        stand_ins={known: frozenset(whose) for known, whose in stand_ins.items()},
        bearers={mac: frozenset(whose) for mac, whose in bearers.items()},
    )


def _ids(one: FoundVm) -> Iterator[str]:
    yield one.id
    yield from one.other_ids


def _unfit(detail: str) -> ProblemError:
    return ProblemError(problem(ProblemType.INVALID, detail, pointer="/vm_id"))
