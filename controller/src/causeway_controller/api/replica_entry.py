"""Replicas entered in the inventory: one or many at once, each refusal told of the request's own members."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from causeway_controller.api.callers import no_tenant
from causeway_controller.api.exchange import Ask
from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.replicas import RegisterReplica
from causeway_controller.contract.tenant import ReplicaVm, Tenant
from causeway_controller.inventory import book, replicas, rules_tenant
from causeway_controller.inventory.findings import Findings
from causeway_controller.inventory.replicas import Told
from causeway_controller.store.audit import Act, Audit
from causeway_controller.store.in_use import Renamed
from causeway_controller.store.inventories import Inventories
from causeway_wire.problem import Problem, ProblemError, ProblemType, combine, problem
from causeway_wire.types import VmName

Wanted = Mapping[VmName, ReplicaVm | UnsetType]
Members = Mapping[VmName, str]
"""RFC 6901 pointers into the request: where it says what stands in for each VM."""

_TRIES: Final = 8
"""Somebody else may change the inventory between two looks at it."""
_SEGMENTS: Final = 6
"""Of a pointer to a replica in the inventory: `/tenants/0/vms/0/replica`."""
_NO_ID: Final = "\x7f"
"""What no id of a VM has in it (`ForeignId`)."""
_ELSEWHERE: Final = problem(
    ProblemType.INVALID,
    "an entry that is not yours is refused, and nothing is entered before that is mended; tell the provider, "
    "who sees it when the inventory is entered again",
    pointer="",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaEntry:
    """Has the inventory say which replicas VMs of one tenant have."""

    inventories: Inventories
    audit: Audit
    now: Callable[[], datetime]

    def tenant(self, ask: Ask) -> Tenant:
        """The tenant in the path. Raises ProblemError where the caller does not see it, or there is none."""
        name = ask.places["tenant"]
        ask.caller.see(name)
        found = self.inventories.of_tenant(name).inventory.tenants
        if not found:
            raise no_tenant(name)
        return found[0]

    def check_moment(self, findings: Findings, asked: RegisterReplica, member: str) -> None:
        """Note a restore point that is to come."""
        if asked.restored_to is not UNSET and asked.restored_to > self.now() + replicas.AHEAD:
            detail = f"{asked.restored_to.isoformat()} is to come; synchronise the clock of who replicates"
            findings.add(ProblemType.INVALID, f"{member}/restored_to", detail)

    def told(self, ask: Ask, asked: RegisterReplica) -> Told:
        """What is kept of what was told."""
        return Told(
            host=asked.host,
            vm_id=asked.vm_id,
            restored_to=asked.restored_to or None,
            addresses=asked.addresses,
            at=self.now(),
            by=ask.caller.name,
        )

    def tried(self, ask: Ask, wanted: Wanted, members: Members, *, renamed: Renamed | None = None) -> None:
        """Raise ProblemError unless the inventory could have them, before hosts are asked; StoreError."""
        stored = self.inventories.load()
        changed, pointers = replicas.with_replicas(stored.inventory, ask.places["tenant"], wanted)
        findings, order = Findings(), {vm: place for place, vm in enumerate(members)}
        reached = _reached(ask, findings, stored.inventory, wanted, members)
        shared = sorted(_shared(ask, changed, reached), key=lambda each: order[each[0]])
        for vm, found in shared:
            findings.note(replace(found, pointer=f"{members[vm]}/vm_id"))
        apart = _apart(ask, stored.inventory, reached)
        if apart != wanted:
            changed, pointers = replicas.with_replicas(stored.inventory, ask.places["tenant"], apart)
        try:
            if reached and not shared:
                self.inventories.tried(changed, before=stored, renamed=renamed)
        except ProblemError as error:
            findings.take(_about(ask, error.problem, pointers, members).problem)
        findings.refuse()

    def enter(
        self,
        ask: Ask,
        wanted: Wanted,
        members: Members,
        *,
        check: Callable[[], object],
        renamed: Renamed | None = None,
    ) -> None:
        """Have the inventory say so, and write down who wanted it. Raises ProblemError under the members of
        the request, StoreError; then nothing was entered.

        What was looked at before is looked at again by `check`: hosts were asked meanwhile, which takes time.
        """
        for left in reversed(range(_TRIES)):
            stored = self.inventories.load()
            check()
            changed, pointers = replicas.with_replicas(stored.inventory, ask.places["tenant"], wanted)
            try:
                self.inventories.replace(
                    changed, expected=stored.revision, actor=ask.caller.name, renamed=renamed
                )
            except ProblemError as error:
                if error.problem.type == ProblemType.PRECONDITION_FAILED.urn and left:
                    continue
                raise _about(ask, error.problem, pointers, members) from error
            break
        self.audit.extend([self._act(ask, vm, one) for vm, one in wanted.items()])

    def _act(self, ask: Ask, vm: VmName, one: ReplicaVm | UnsetType) -> Act:
        return Act(
            at=self.now(),
            actor=ask.caller.name,
            action="replica.remove" if one is UNSET else "replica.register",
            subject=f"replica {ask.places['tenant']}/{vm}",
            detail="" if one is UNSET else f"{one.vm_id} on {one.host}",
        )


def _reached(ask: Ask, findings: Findings, inventory: Inventory, wanted: Wanted, members: Members) -> Wanted:
    """Return those that may be looked at further, and note the others: of a host where the tenant has no
    subscription nothing more is told to who sees that tenant alone, or they would learn that there is one.
    """
    if ask.caller.tenant is None:
        return wanted
    names = book.index(inventory)
    tenant = names.tenants[ask.places["tenant"]]
    return {
        vm: one
        for vm, one in wanted.items()
        if one is UNSET
        or not rules_tenant.refuse_host(findings, tenant, one.host, names, f"{members[vm]}/host")
    }


def _apart(ask: Ask, inventory: Inventory, wanted: Wanted) -> Wanted:
    """Return them with an id that no VM has where one is the replica of a VM that the caller may not see: its
    host is asked of it then, as of any other, and what else is wrong is told as of any other.
    """
    theirs = {
        one.replica for tenant in inventory.tenants if not ask.caller.sees(tenant.id) for one in tenant.vms
    }
    return {
        vm: one if one is UNSET or one not in theirs else replace(one, vm_id=f"{one.vm_id}{_NO_ID}")
        for vm, one in wanted.items()
    }


def _shared(ask: Ask, changed: Inventory, wanted: Wanted) -> Iterator[tuple[VmName, Problem]]:
    """Yield each VM whose replica would be another VM's as well that the caller may see."""
    tenant = ask.places["tenant"]
    asked: dict[ReplicaVm, list[VmName]] = defaultdict(list)
    for vm, place in wanted.items():
        if place is not UNSET:
            asked[place].append(vm)
    bearers = ((entry.id, one.name, one.replica) for entry in changed.tenants for one in entry.vms)
    for bearer, name, place in bearers:
        if isinstance(place, UnsetType) or not ask.caller.sees(bearer):
            continue
        for vm in asked.get(place, ()):
            if (bearer, name) != (tenant, vm):
                detail = f"VM {place.vm_id} of host {place.host} is {name}'s replica; one is of one VM"
                yield vm, problem(ProblemType.DUPLICATE, detail)


def _about(ask: Ask, found: Problem, pointers: Mapping[str, VmName], members: Members) -> ProblemError:
    """The problem of the inventory, told of the request: only replicas were changed in it.

    What is wrong elsewhere was entered under other rules, and is told in full only to who sees it all.
    """
    first = next(iter(pointers))
    own = first[: first.index("/vms/") + 1]
    told = (_moved(one, pointers, members) if _is_seen(ask, one, own) else _ELSEWHERE for one in found.each)
    return ProblemError(combine(tuple(dict.fromkeys(told)), more=found.more or 0))


def _is_seen(ask: Ask, one: Problem, own: str) -> bool:
    return ask.caller.tenant is None or (one.pointer is not UNSET and one.pointer.startswith(own))


def _moved(one: Problem, pointers: Mapping[str, VmName], members: Members) -> Problem:
    if one.pointer is UNSET:
        return one
    parts = one.pointer.split("/")
    vm = pointers.get("/".join(parts[:_SEGMENTS]))
    if vm is None:
        return one
    return replace(one, pointer="/".join((members[vm], *parts[_SEGMENTS:])))
