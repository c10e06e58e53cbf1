"""A host of VMs compared with what the inventory needs of it. Nothing is changed there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from msgspec import UNSET

from causeway_controller.contract.change import Filling
from causeway_controller.contract.hosts import Finding, Grade, HostReport, HostVm, HostVms, LintReport, Topic
from causeway_controller.contract.provider import Host
from causeway_controller.contract.tenant import ReplicaVm
from causeway_controller.errors import ControllerError, SealBroken, StoreError
from causeway_controller.hypervisors.base import Cause, FoundVm, HypervisorError, Inspecting, Provider
from causeway_controller.hypervisors.findings import good, unknown, warning
from causeway_controller.hypervisors.findings import problem as found_problem
from causeway_controller.inventory import book, filling, host_needs, matching, refused_lists
from causeway_controller.inventory import replicas as told_of
from causeway_controller.inventory.certificates import Issued
from causeway_controller.inventory.host_needs import HostNeeds, Replica
from causeway_controller.inventory.modes import Idle, Mode
from causeway_controller.inventory.replicas import Told
from causeway_controller.store.inventories import Inventories, Stored
from causeway_controller.store.replicas import Replicas
from causeway_controller.store.tenancies import Standings
from causeway_controller.workflows.fitting import fitting
from causeway_wire.problem import Problem, ProblemError, ProblemType, problem
from causeway_wire.types import Name, TenantId, VmName

SECONDS: Final = 90.0
"""For all that a host is asked."""
_NOTICED: Final = 5.0
_TOO_MUCH: Final = 300.0
"""Seconds between two clocks: what is worth a word, and what makes enrolments and certificates fail."""
_ANYTHING: Final = "see that its endpoint is right, that it runs, and that a firewall lets us through"
_STATIC: Final = (
    "nobody reaches it: give its guest those as static addresses (DHCP finds no server there), on the "
    "adapter that the replica has: Linux may call it otherwise, Windows may keep them for a hidden one"
)
_AT_ONCE: Final = 8
_REMEDIES: Final[Mapping[Cause, tuple[Topic, str]]] = {
    Cause.UNREACHED: (Topic.REACHED, _ANYTHING),
    Cause.SLOW: (Topic.REACHED, "look at its management service, its storage and its load"),
    Cause.IDENTITY: (
        Topic.IDENTITY,
        "find out who answers there; enter its new `pin` only when you know that its key was changed",
    ),
    Cause.LOGIN: (
        Topic.IDENTITY,
        "put the secret that `login` names, with `causeway vault put`; see that its user is not locked",
    ),
    Cause.RIGHTS: (Topic.RIGHTS, "give its user the role of the how-to there, propagating to what is below"),
    Cause.REFUSED: (Topic.REACHED, "do what it says; its own log has more of it"),
    Cause.UNKNOWN: (Topic.REACHED, _ANYTHING),
}


@dataclass(frozen=True, slots=True)
class _Entered:
    """What is entered and told, read once however many hosts are looked at."""

    stored: Stored
    told: Mapping[TenantId, Mapping[VmName, Told]]

    def findings(self, name: Name, *, now: datetime) -> tuple[Finding, ...]:
        """What was told that is wrong with replicas on this host."""
        return tuple(told_of.findings(self.stored.inventory.tenants, self.told, name, now=now))


@dataclass(frozen=True, slots=True, kw_only=True)
class HostChecks:
    """Asks hosts."""

    inventories: Inventories
    standings: Standings
    hosts: Callable[[Host], Awaitable[Provider]]
    told: Replicas
    refused: Callable[[], Sequence[Issued]]
    """What was revoked and has not ended."""
    now: Callable[[], datetime]
    seconds: float = SECONDS

    async def check(self, name: Name) -> HostReport:
        """Return what was found; also that the host cannot be asked is found.

        Raises ProblemError (`not-found`), StoreError.
        """
        entered = await asyncio.to_thread(self._entered)
        host, needs = await asyncio.to_thread(_needs, entered.stored, name)

        async def inspected(asked: Inspecting, findings: list[Finding]) -> None:
            inspection = await asked.inspect(needs)
            findings.append(good(Topic.REACHED, f"{host.endpoint} answers"))
            findings += (*inspection.findings, self._time(host, inspection.clock))
            await self._replicas(asked, findings, needs, entered, name)

        return await self._report(host, inspected)

    async def lint(self) -> LintReport:
        """Return what is wrong with replicas, on each host that has some, and what fills up in the inventory
        and in lists of what is revoked; that a host cannot be asked is found.

        Raises StoreError.
        """
        entered = await asyncio.to_thread(self._entered)
        vms = (vm for tenant in entered.stored.inventory.tenants for vm in tenant.vms)
        names = {vm.replica.host for vm in vms if vm.replica is not UNSET}
        room = asyncio.Semaphore(_AT_ONCE)

        async def one(name: Name) -> HostReport:
            async with room:
                host, needs = await asyncio.to_thread(_needs, entered.stored, name)
                return await self._report(
                    host, lambda asked, found: self._replicas(asked, found, needs, entered, name)
                )

        refused = await asyncio.to_thread(self.refused)
        return LintReport(
            hosts=tuple(await asyncio.gather(*(one(name) for name in sorted(names)))),
            fills=await asyncio.to_thread(_fills, entered.stored),
            revoked=tuple(refused_lists.troubles(refused, now=self.now())),
        )

    async def _replicas(
        self, asked: Inspecting, findings: list[Finding], needs: HostNeeds, entered: _Entered, name: Name
    ) -> None:
        standing = await asyncio.to_thread(self.standings.all)
        modes = {tenant: one.mode for (tenant, host), one in standing.items() if host == name}
        findings += await asyncio.to_thread(entered.findings, name, now=self.now())
        findings += replicas(needs.replicas, await asked.vms(), modes)

    def _entered(self) -> _Entered:
        return _Entered(self.inventories.load(), self.told.all())

    async def _report(
        self, host: Host, ask: Callable[[Inspecting, list[Finding]], Awaitable[None]]
    ) -> HostReport:
        findings: list[Finding] = []
        try:
            async with asyncio.timeout(self.seconds):
                await ask(_inspecting(await self.hosts(host), host), findings)
        except (StoreError, SealBroken) as error:
            findings.append(found_problem(Topic.IDENTITY, str(error), "put the secret that `login` names"))
        except TimeoutError:
            text = f"host {host.id} did not answer everything within {self.seconds:.0f} s"
            findings.append(found_problem(Topic.REACHED, text, "look at its management service and its load"))
        except ControllerError as error:
            findings.append(refused(error))
        ready = all(one.grade is not Grade.PROBLEM for one in findings)
        return HostReport(host=host.id, kind=host.kind, ready=ready, findings=tuple(findings))

    async def vms(self, name: Name) -> HostVms:
        """Return the VMs that the host has. Raises ProblemError, HypervisorError, StoreError, SealBroken."""
        stored = await asyncio.to_thread(self.inventories.load)
        host, needs = await asyncio.to_thread(_needs, stored, name)
        found = await self._listed(host)
        known = {one.vm_id: f"replica {one.tenant}/{one.vm}" for one in needs.replicas}
        told = (
            HostVm(
                id=one.id,
                name=one.name,
                powered_on=one.powered_on,
                nics=one.nics,
                known_as=_known(one, known),
            )
            for one in found
        )
        return HostVms(host=name, vms=tuple(sorted(told, key=lambda one: (one.name, one.id))))

    async def misfits(
        self, name: Name, wanted: Mapping[VmName, ReplicaVm], *, tenant: TenantId, staff: bool
    ) -> Mapping[VmName, Problem]:
        """Return which of the tenant's VMs get replicas on this host that do not fit, and why (`/vm_id`):
        each is there, off, no appliance of ours and no replica of another VM. The host is asked once.

        Who is not the provider's `staff` names none that is in a network of the provider's own machines, and
        is not told what the host calls it.
        Raises ProblemError, HypervisorError, StoreError, SealBroken.
        """
        stored = await asyncio.to_thread(self.inventories.load)
        host, needs = await asyncio.to_thread(_needs, stored, name)
        found = await self._listed(host)
        own = frozenset() if staff else frozenset(needs.networks)

        def looked() -> Mapping[VmName, Problem]:
            changed, _ = told_of.with_replicas(self.inventories.load().inventory, tenant, wanted)
            there = fitting(changed, host, found, named=staff)
            here = (vm for vm in wanted if wanted[vm].host == name)
            why = {vm: there.fit(wanted[vm].vm_id, (tenant, vm), own=own) for vm in here}
            return {vm: one for vm, one in why.items() if one is not None}

        return await asyncio.to_thread(looked)

    async def renamed(self, name: Name, before: str, vm_id: str, *, tenant: TenantId, vm: VmName) -> None:
        """See that the host has no VM of the id before any more and has one of this id, that it is no
        appliance of ours and no replica of another VM. It may run: its VM is failed over.

        Raises ProblemError (`/vm_id`), HypervisorError, StoreError, SealBroken.
        """
        inventory = (await asyncio.to_thread(self.inventories.load)).inventory
        host = book.host(book.index(inventory), name)
        found = await self._listed(host)
        if any(before in (one.id, *one.other_ids) for one in found):
            detail = f"{vm} is failed over to VM {before}, which host {name} still has; bring it back first"
            raise ProblemError(problem(ProblemType.FAILOVER_IN_PROGRESS, detail, pointer="/vm_id"))
        wanted = {vm: ReplicaVm(host=name, vm_id=vm_id)}
        changed, _ = await asyncio.to_thread(told_of.with_replicas, inventory, tenant, wanted)
        fitting(changed, host, found, named=True).nobodys(vm_id, (tenant, vm))

    async def _listed(self, host: Host) -> Sequence[FoundVm]:
        """Raises ProblemError, HypervisorError, StoreError, SealBroken."""
        try:
            async with asyncio.timeout(self.seconds):
                return await _inspecting(await self.hosts(host), host).vms()
        except TimeoutError as error:
            raise HypervisorError(f"host {host.id} did not answer within {self.seconds:.0f} s") from error

    def _time(self, host: Host, clock: datetime | None) -> Finding:
        if clock is None:
            advice = "see on the host that its clock is synchronised, as `timedatectl` or `chronyc` says"
            text = f"host {host.id} does not tell its time"
            return unknown(Topic.TIME, text, advice)
        apart = abs((clock - self.now()).total_seconds())
        text = f"its clock and ours are {apart:.0f} s apart"
        if apart < _NOTICED:
            return good(Topic.TIME, text)
        said = warning if apart < _TOO_MUCH else found_problem
        advice = (
            "synchronise both by NTP: an appliance begins with its host's time, and judges certificates by it"
        )
        return said(Topic.TIME, text, advice)


def replicas(
    wanted: Sequence[Replica], found: Sequence[FoundVm], modes: Mapping[TenantId, Mode]
) -> Iterator[Finding]:
    """Say of each replica that is gone, has another id by now, or runs while nothing is failed over."""
    by_id = {known: one for one in found for known in (*one.other_ids, one.id)}
    well = 0
    for one in wanted:
        who = f"the replica of {one.tenant}/{one.vm}"
        there = by_id.get(one.vm_id)
        if there is None:
            yield _gone(one, who, found)
        elif there.powered_on and one.vm not in modes.get(one.tenant, Idle()).vms:
            text = f"{who}, {there.name}, is powered on, and {one.vm} is not failed over"
            advice = "power it off, unless somebody tests with it: it has the addresses of production"
            yield warning(Topic.REPLICAS, text, advice)
        elif (others := _other_addresses(one, there)) is not None:
            yield found_problem(Topic.REPLICAS, f"{who} runs {others}", _STATIC)
        elif _elsewhere(one, there):
            ours, theirs = ", ".join(map(str, one.addresses)), ", ".join(there.seen)
            text = f"its host has seen {who} as {theirs}, and not as {ours}"
            yield warning(Topic.REPLICAS, text, _STATIC)
        else:
            well += 1
    if well:
        text = f"{well} of {len(wanted)} replicas are as the inventory says"
        yield good(Topic.REPLICAS, text)


def _other_addresses(one: Replica, there: FoundVm) -> str | None:
    """What its guest says, where that is not what is failed over; None where it is, or nobody says."""
    if not (there.powered_on and there.addresses):
        return None
    lacking = [str(each) for each in one.addresses if str(each) not in there.addresses]
    return f"with {', '.join(there.addresses)} and without {', '.join(lacking)}" if lacking else None


def _elsewhere(one: Replica, there: FoundVm) -> bool:
    """Whether its host has seen it under nothing but other addresses: it need not have seen all."""
    ours = {str(each) for each in one.addresses}
    return there.powered_on and bool(there.seen) and ours.isdisjoint(there.seen)


def _known(one: FoundVm, replica_of: Mapping[str, str]) -> str:
    for known in (one.id, *one.other_ids):
        if known in replica_of:
            return replica_of[known]
    return "" if one.owner_id is None else f"appliance {one.owner_id}"


def _gone(one: Replica, who: str, found: Sequence[FoundVm]) -> Finding:
    """What replicates may have made it anew: then it has another id, and its old name or MAC address."""
    alike = matching.alike(one.vm, one.macs, [vm for vm in found if vm.owner_id is None])
    if len(alike) == 1:
        text = f"{who} has another id: {one.vm_id} is gone, and {alike[0].name} has {alike[0].id}"
        return found_problem(Topic.REPLICAS, text, f"if it is the same VM, enter vm_id {alike[0].id}")
    text = f"{who} is gone: the host has no VM {one.vm_id}"
    return found_problem(
        Topic.REPLICAS, text, "replicate it again, or enter the id that `causeway host vms` shows"
    )


def refused(error: ControllerError) -> Finding:
    """What a host was refused for, with what helps against that."""
    cause, advice = Cause.UNKNOWN, ""
    if isinstance(error, HypervisorError):
        cause, advice = error.cause, error.advice
    topic, usual = _REMEDIES[cause]
    return found_problem(topic, str(error), advice or usual)


def _fills(stored: Stored) -> tuple[Filling, ...]:
    return tuple(filling.find(stored.inventory, stored.allocation))


def _needs(stored: Stored, name: Name) -> tuple[Host, HostNeeds]:
    """A host and what is to be there. Raises ProblemError (`not-found`)."""
    host = book.host(book.index(stored.inventory), name)
    return host, host_needs.of_host(stored.inventory, stored.allocation, name)


def _inspecting(provider: Provider, host: Host) -> Inspecting:
    if not isinstance(provider, Inspecting):
        detail = f"what commands host {host.id}, of kind {host.kind.value}, can neither check nor list it"
        raise ProblemError(problem(ProblemType.UNSUPPORTED, detail))
    return provider
