"""Handlers of replicas: entered by what replicates as if by hand, and told with how old they are."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from causeway_controller.api import hosts, tags
from causeway_controller.api.callers import not_found
from causeway_controller.api.exchange import Answer, Ask, Handler
from causeway_controller.api.ports import HostService
from causeway_controller.api.replica_entry import ReplicaEntry
from causeway_controller.contract import replica_routes, routes
from causeway_controller.contract.access import Permission
from causeway_controller.contract.replicas import RegisterReplica, ReplicaReport, Replicas
from causeway_controller.contract.tenant import ProtectedVm, ReplicaVm, Tenant
from causeway_controller.inventory import replicas
from causeway_controller.inventory.findings import Findings
from causeway_controller.store import replicas as store
from causeway_controller.store.in_use import Renamed
from causeway_controller.store.tenancies import Standings
from causeway_wire import codec
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.types import TenantId, VmName


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaHandlers:
    """Reads and changes one VM's replica in the inventory, and keeps what is told of it."""

    entry: ReplicaEntry
    told: store.Replicas
    standings: Standings
    hosts: HostService

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
        tenant = await asyncio.to_thread(self.entry.tenant, ask)
        told = await asyncio.to_thread(self.told.of_tenant, tenant.id)
        found = tuple(replicas.reports(tenant, told, now=self.entry.now()))
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
        findings = Findings()
        self.entry.check_moment(findings, asked, "")
        findings.refuse()
        if before is None or (before.host, before.vm_id) != (asked.host, asked.vm_id):
            wanted = ReplicaVm(host=asked.host, vm_id=asked.vm_id)
            renamed = _places(ask) if await asyncio.to_thread(self._may_rename, ask, wanted, before) else None
            these, members = {ask.places["vm"]: wanted}, {ask.places["vm"]: ""}
            await asyncio.to_thread(self.entry.tried, ask, these, members, renamed=renamed)
            fits = self._asked_host(ask, wanted, before, renamed)
            await hosts.answered(fits, asked.host, staff=ask.caller.tenant is None)
            await asyncio.to_thread(self._enter, ask, wanted, renamed)
        told = {ask.places["vm"]: self.entry.told(ask, asked)}
        await asyncio.to_thread(self.told.keep, ask.places["tenant"], told)
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

    def _found(self, ask: Ask) -> ReplicaReport | None:
        """The replica of the VM in the path. Raises ProblemError where there is no such VM."""
        tenant = self.entry.tenant(ask)
        vm = _vm(tenant, ask.places["vm"])
        told = self.told.of_tenant(tenant.id).get(vm.name)
        return replicas.report(tenant, vm, told, now=self.entry.now())

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
            found = await self.hosts.misfits(wanted.host, {vm: wanted}, tenant=tenant, staff=staff)
            if vm in found:
                raise ProblemError(found[vm])

    def _enter(self, ask: Ask, wanted: ReplicaVm | UnsetType, renamed: Renamed | None = None) -> None:
        """Have the inventory say so. Raises ProblemError under the members of the request, StoreError."""
        vm = ask.places["vm"]
        self.entry.enter(
            ask, {vm: wanted}, {vm: ""}, check=lambda: _check(ask, self._found(ask)), renamed=renamed
        )


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
