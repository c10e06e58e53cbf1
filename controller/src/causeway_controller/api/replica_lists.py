"""Handler of many replicas at once: all of them are entered and told of, or none."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from msgspec import UNSET
from msgspec.structs import replace

from causeway_controller.api import hosts
from causeway_controller.api.exchange import Answer, Ask, Handler
from causeway_controller.api.ports import HostService
from causeway_controller.api.replica_entry import ReplicaEntry
from causeway_controller.contract import replica_routes
from causeway_controller.contract.replicas import MOST, ListedReplica, RegisterReplicas, Replicas
from causeway_controller.contract.tenant import ReplicaVm, Tenant
from causeway_controller.inventory import replicas
from causeway_controller.inventory.findings import Findings, distinct
from causeway_controller.store import replicas as store
from causeway_wire.problem import Problem, ProblemError, ProblemType
from causeway_wire.types import Name, VmName

_ENTRY: Final = re.compile(r"/replicas/(\d+)(?:/|$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaListHandlers:
    """Enters replicas of many VMs, and keeps what is told of them."""

    entry: ReplicaEntry
    told: store.Replicas
    hosts: HostService

    def handlers(self) -> Mapping[str, Handler]:
        """By the names of their routes."""
        return {replica_routes.REGISTER_REPLICAS.name: self.register}

    async def register(self, ask: Ask) -> Answer:
        """Enter them. Once more changes nothing but when they were told. What is wrong is told at once,
        whoever found it: the list itself, the inventory's rules, the hosts.
        """
        asked = ask.document(RegisterReplicas).replicas
        tenant = await asyncio.to_thread(self.entry.tenant, ask)
        members = {one.vm: f"/replicas/{n}" for n, one in reversed([*enumerate(asked)])}
        changed = await self._looked_at(ask, asked, tenant, members)
        told = {one.vm: self.entry.told(ask, one) for one in asked}
        if ask.flag("dry_run"):
            vms = tuple(replace(vm, replica=changed.get(vm.name, vm.replica)) for vm in tenant.vms)
            tenant = replace(tenant, vms=vms)
        else:
            while more := await asyncio.to_thread(self._enter, ask, asked, members, changed):
                await self._ask_hosts(ask, more, members, of=more)
                changed = {**changed, **more}
            await asyncio.to_thread(self.told.keep, tenant.id, told)
            tenant = await asyncio.to_thread(self.entry.tenant, ask)
        found = replicas.reports(tenant, told, now=self.entry.now())
        return Answer(document=Replicas(replicas=tuple(one for one in found if one.vm in told)))

    async def _looked_at(
        self, ask: Ask, asked: Sequence[ListedReplica], tenant: Tenant, members: Mapping[VmName, str]
    ) -> Mapping[VmName, ReplicaVm]:
        """Return which of the tenant's VMs get another replica. Raises ProblemError with what is wrong."""
        findings = self._found(asked, tenant)
        vms = {vm.name for vm in tenant.vms}
        first = [one for n, one in enumerate(asked) if one.vm in vms and members[one.vm] == f"/replicas/{n}"]
        changed = _changed(first, tenant)
        if changed:
            faulty = set[int]()
            try:
                await asyncio.to_thread(self.entry.tried, ask, changed, members)
            except ProblemError as error:
                findings.take(error.problem)
                # Of these nothing more is told: whose a VM is may be no business of theirs.
                faulty = {_number(one.pointer or "") for one in error.problem.each}
            sound = {vm: one for vm, one in changed.items() if _number(members[vm]) not in faulty}
            try:
                await self._ask_hosts(ask, changed, members, of=sound)
            except ProblemError as error:
                findings.take(error.problem)
        findings.problems.sort(key=lambda one: _number(one.pointer or ""))
        findings.refuse()
        return changed

    def _check(self, asked: Sequence[ListedReplica], tenant: Tenant) -> None:
        """Raise ProblemError for what shows without anybody else."""
        self._found(asked, tenant).refuse()

    def _found(self, asked: Sequence[ListedReplica], tenant: Tenant) -> Findings:
        findings, known = Findings(), {vm.name for vm in tenant.vms}
        distinct(findings, ((one.vm, f"/replicas/{n}/vm") for n, one in enumerate(asked)), "VM")
        for n, one in enumerate(asked):
            if one.vm not in known:
                detail = replicas.no_vm(tenant.id, one.vm).problem.detail
                findings.add(ProblemType.UNKNOWN_REFERENCE, f"/replicas/{n}/vm", detail)
            self.entry.check_moment(findings, one, f"/replicas/{n}")
        return findings

    async def _ask_hosts(
        self,
        ask: Ask,
        changed: Mapping[VmName, ReplicaVm],
        members: Mapping[VmName, str],
        *,
        of: Mapping[VmName, ReplicaVm],
    ) -> None:
        """Raise ProblemError unless hosts have these `of` them, or (`unavailable`) where one is not asked."""

        async def asked(host: Name) -> Mapping[VmName, Problem]:
            staff = ask.caller.tenant is None
            misfits = self.hosts.misfits(host, changed, tenant=ask.places["tenant"], staff=staff)
            return await hosts.answered(misfits, host, staff=staff)

        found = await asyncio.gather(*map(asked, sorted({one.host for one in of.values()})))
        misfits, findings = {vm: one for each in found for vm, one in each.items()}, Findings()
        for vm in (vm for vm in members if vm in misfits and vm in of):
            findings.note(replace(misfits[vm], pointer=f"{members[vm]}{misfits[vm].pointer or ''}"))
        findings.refuse()

    def _enter(
        self,
        ask: Ask,
        asked: Sequence[ListedReplica],
        members: Mapping[VmName, str],
        known: Mapping[VmName, ReplicaVm],
    ) -> Mapping[VmName, ReplicaVm]:
        """Enter what is another than it is by now: nothing else is written down as done. Return what is not
        `known` to its host, because somebody else has changed it meanwhile; then nothing was entered.
        """

        def check() -> Mapping[VmName, ReplicaVm]:
            tenant = self.entry.tenant(ask)
            self._check(asked, tenant)
            changed = _changed(asked, tenant)
            if more := {vm: one for vm, one in changed.items() if vm not in known}:
                raise _UnknownError(more)
            return changed

        try:
            if wanted := check():
                self.entry.enter(ask, wanted, members, check=check)
        except _UnknownError as error:
            return error.replicas
        return {}


class _UnknownError(Exception):
    """Hosts were not asked for these."""

    def __init__(self, replicas: Mapping[VmName, ReplicaVm]) -> None:
        super().__init__(", ".join(replicas))
        self.replicas = replicas


def _number(pointer: str) -> int:
    """Which entry of the list it is about; what is about the whole of it, or about no part, comes last."""
    found = _ENTRY.match(pointer)
    return int(found[1]) if found else MOST


def _changed(asked: Sequence[ListedReplica], tenant: Tenant) -> Mapping[VmName, ReplicaVm]:
    """Those that have another replica than before."""
    before = {vm.name: vm.replica for vm in tenant.vms if vm.replica is not UNSET}
    wanted = {one.vm: ReplicaVm(host=one.host, vm_id=one.vm_id) for one in asked}
    return {vm: one for vm, one in wanted.items() if before.get(vm) != one}
