"""Handlers of replicas: entered by what replicates as if by hand, and told with how old they are."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from causeway_controller.api import hosts, tags
from causeway_controller.api.callers import not_found
from causeway_controller.api.exchange import Answer, Ask, Handler
from causeway_controller.api.ports import HostService
from causeway_controller.contract import replica_routes, routes
from causeway_controller.contract.access import Permission
from causeway_controller.contract.replicas import RegisterReplica, ReplicaReport, Replicas
from causeway_controller.contract.tenant import ProtectedVm, ReplicaVm, Tenant
from causeway_controller.inventory import replicas
from causeway_controller.inventory.replicas import Told
from causeway_controller.store import replicas as store
from causeway_controller.store.audit import Act, Audit
from causeway_controller.store.in_use import Renamed
from causeway_controller.store.inventories import Inventories
from causeway_controller.store.tenancies import Standings
from causeway_wire import codec
from causeway_wire.problem import Problem, ProblemError, ProblemType, combine, problem
from causeway_wire.types import TenantId, VmName

_TRIES: Final = 8
"""Somebody else may change the inventory between two looks at it."""
_ELSEWHERE: Final = problem(
    ProblemType.INVALID,
    "an entry that is not yours is refused, and nothing is entered before that is mended; tell the provider, "
    "who sees it when the inventory is entered again",
    pointer="",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaHandlers:
    """Reads and changes one VM's replica in the inventory, and keeps what is told of it."""

    inventories: Inventories
    told: store.Replicas
    standings: Standings
    audit: Audit
    hosts: HostService
    now: Callable[[], datetime]

    def handlers(self) -> Mapping[str, Handler]:
        """By the names of their routes."""
        return {
            replica_routes.REPLICAS.name: self.list,
            replica_routes.REPLICA.name: self.get,
            replica_routes.REGISTER_REPLICA.name: self.register,
            replica_routes.REMOVE_REPLICA.name: self.remove,
        }

    async def list(self, ask: Ask) -> Answer:
        """The tenant's replicas."""
        tenant = await asyncio.to_thread(self._tenant, ask)
        told = await asyncio.to_thread(self.told.of_tenant, tenant.id)
        found = tuple(replicas.reports(tenant, told, now=self.now()))
        return Answer(document=Replicas(replicas=found))

    async def get(self, ask: Ask) -> Answer:
        """One replica, unless the caller has it as it is."""
        found = await asyncio.to_thread(self._found, ask)
        if found is None:
            raise not_found(_what(ask))
        if tags.has(ask.headers, _tag(found)):
            return Answer(status=304, headers={routes.ETAG: _tag(found)})
        return _told(found)

    async def register(self, ask: Ask) -> Answer:
        """Enter the replica, and keep what is told of it. Once more changes nothing but when it was told."""
        asked = ask.document(RegisterReplica)
        before = await asyncio.to_thread(self._found, ask)
        _check(ask, before)
        self._refuse_future(asked)
        if before is None or (before.host, before.vm_id) != (asked.host, asked.vm_id):
            wanted = ReplicaVm(host=asked.host, vm_id=asked.vm_id)
            renamed = _places(ask) if await asyncio.to_thread(self._may_rename, ask, wanted, before) else None
            await asyncio.to_thread(self._known, ask, wanted, renamed)
            await hosts.answered(self._asked_host(ask, wanted, before, renamed), asked.host)
            await asyncio.to_thread(self._enter, ask, wanted, renamed)
        told = Told(
            host=asked.host,
            vm_id=asked.vm_id,
            restored_to=asked.restored_to or None,
            addresses=asked.addresses,
            at=self.now(),
            by=ask.caller.name,
        )
        await asyncio.to_thread(self.told.keep, ask.places["tenant"], ask.places["vm"], told)
        found = await asyncio.to_thread(self._found, ask)
        if found is None:  # removed by somebody else meanwhile
            raise not_found(_what(ask))
        return _told(found, status=200 if before is not None else 201)

    async def remove(self, ask: Ask) -> Answer:
        """Forget the replica. Once more finds none, and is done."""
        before = await asyncio.to_thread(self._found, ask)
        _check(ask, before)
        if before is not None:
            await asyncio.to_thread(self._enter, ask, UNSET)
        await asyncio.to_thread(self.told.forget, ask.places["tenant"], ask.places["vm"])
        return Answer(status=204)

    def _tenant(self, ask: Ask) -> Tenant:
        name = ask.places["tenant"]
        ask.caller.see(name, f"tenant {name}")
        found = self.inventories.of_tenant(name).inventory.tenants
        if not found:
            raise not_found(f"tenant {name}")
        return found[0]

    def _found(self, ask: Ask) -> ReplicaReport | None:
        """The replica of the VM in the path. Raises ProblemError where there is no such VM."""
        tenant = self._tenant(ask)
        vm = _vm(tenant, ask.places["vm"])
        told = self.told.of_tenant(tenant.id).get(vm.name)
        return replicas.report(tenant, vm, told, now=self.now())

    def _refuse_future(self, asked: RegisterReplica) -> None:
        if asked.restored_to is not UNSET and asked.restored_to > self.now() + replicas.AHEAD:
            detail = f"{asked.restored_to.isoformat()} is to come; synchronise the clock of who replicates"
            raise ProblemError(problem(ProblemType.INVALID, detail, pointer="/restored_to"))

    def _may_rename(self, ask: Ask, wanted: ReplicaVm, before: ReplicaReport | None) -> bool:
        """Whether the provider's staff says of a VM that is failed over what its replica is called by now."""
        if before is None or before.host != wanted.host or Permission.DEPLOY not in ask.caller.permissions:
            return False
        tenant, vm = _places(ask)
        return vm in self.standings.get(tenant, wanted.host).mode.vms

    async def _asked_host(
        self, ask: Ask, wanted: ReplicaVm, before: ReplicaReport | None, renamed: Renamed | None
    ) -> None:
        """Raise ProblemError unless its host has it; ControllerError where that cannot be asked."""
        tenant, vm = _places(ask)
        if before is not None and renamed is not None:
            await self.hosts.renamed(wanted.host, before.vm_id, wanted.vm_id, tenant=tenant, vm=vm)
        else:
            staff = ask.caller.tenant is None
            await self.hosts.fit(wanted.host, wanted.vm_id, tenant=tenant, vm=vm, staff=staff)

    def _known(self, ask: Ask, wanted: ReplicaVm, renamed: Renamed | None) -> None:
        """Raise ProblemError unless the inventory could have it, before the host is asked."""
        stored = self.inventories.load()
        for tenant in stored.inventory.tenants:
            for vm in tenant.vms:
                if vm.replica == wanted and (tenant.id, vm.name) != _places(ask):
                    whose = f"{vm.name}'s" if ask.caller.sees(tenant.id) else "another tenant's"
                    detail = f"VM {wanted.vm_id} of host {wanted.host} is {whose} replica; one is of one VM"
                    raise ProblemError(problem(ProblemType.DUPLICATE, detail, pointer="/vm_id"))
        changed, pointer = replicas.with_replica(stored.inventory, *_places(ask), wanted)
        try:
            self.inventories.tried(changed, before=stored, renamed=renamed)
        except ProblemError as error:
            raise _about(ask, error.problem, pointer) from error

    def _enter(self, ask: Ask, wanted: ReplicaVm | UnsetType, renamed: Renamed | None = None) -> None:
        """Have the inventory say so. Raises ProblemError under the members of the request.

        What was looked at before is looked at again: the host was asked meanwhile, which takes its time.
        """
        for left in reversed(range(_TRIES)):
            stored = self.inventories.load()
            _check(ask, self._found(ask))
            changed, pointer = replicas.with_replica(stored.inventory, *_places(ask), wanted)
            try:
                self.inventories.replace(
                    changed, expected=stored.revision, actor=ask.caller.name, renamed=renamed
                )
            except ProblemError as error:
                if error.problem.type == ProblemType.PRECONDITION_FAILED.urn and left:
                    continue
                raise _about(ask, error.problem, pointer) from error
            break
        self._record(ask, wanted)

    def _record(self, ask: Ask, wanted: ReplicaVm | UnsetType) -> None:
        act = Act(
            at=self.now(),
            actor=ask.caller.name,
            action="replica.remove" if wanted is UNSET else "replica.register",
            subject="replica {}/{}".format(*_places(ask)),
            detail="" if wanted is UNSET else f"{wanted.vm_id} on {wanted.host}",
        )
        self.audit.append(act)


def _places(ask: Ask) -> tuple[TenantId, VmName]:
    return ask.places["tenant"], ask.places["vm"]


def _vm(tenant: Tenant, name: VmName) -> ProtectedVm:
    found = next((vm for vm in tenant.vms if vm.name == name), None)
    if found is None:
        raise replicas.no_vm(tenant.id, name)
    return found


def _what(ask: Ask) -> str:
    return "replica of VM {1} of tenant {0}".format(*_places(ask))


def _tag(found: ReplicaReport) -> str:
    """Of what was entered and told; what follows from the time is left out."""
    return tags.strong(codec.digest(replace(found, wrong=())))


def _told(found: ReplicaReport, *, status: int = 200) -> Answer:
    return Answer(document=found, status=status, headers={routes.ETAG: _tag(found)})


def _check(ask: Ask, before: ReplicaReport | None) -> None:
    """Raise ProblemError (`precondition-failed`) where the caller means another state than this."""
    match = ask.headers.get(routes.IF_MATCH)
    if match is None or (before is not None and tags.names(match, _tag(before))):
        return
    now = "there is none" if before is None else "it is another by now"
    detail = f"{now}; read it again (GET shows its ETag), and repeat the change there"
    raise ProblemError(problem(ProblemType.PRECONDITION_FAILED, detail, pointer=""))


def _about(ask: Ask, found: Problem, pointer: str) -> ProblemError:
    """The problem of the inventory, told of the request: only the replica was changed in it.

    What is wrong elsewhere was entered under other rules, and is told in full only to who sees it all.
    """
    own = pointer[: pointer.index("/vms/") + 1]
    told = (_moved(one, pointer) if _is_seen(ask, one, own) else _ELSEWHERE for one in found.each)
    return ProblemError(combine(tuple(dict.fromkeys(told))))


def _is_seen(ask: Ask, one: Problem, own: str) -> bool:
    return ask.caller.tenant is None or (one.pointer is not UNSET and one.pointer.startswith(own))


def _moved(one: Problem, pointer: str) -> Problem:
    if one.pointer is UNSET or not one.pointer.startswith(pointer):
        return one
    return replace(one, pointer=one.pointer.removeprefix(pointer))
