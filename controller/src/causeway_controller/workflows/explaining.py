"""Why a packet does or does not get from A to B: every place on its way is asked, as far as it is ours.

Nothing is changed and no packet is sent. What this controller does not command is said to be unknown, with
who can be asked instead.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from msgspec import UNSET, structs

from causeway_controller.contract.appliances import Condition
from causeway_controller.contract.explain import Asked, Leg, PathAnswer, Question
from causeway_controller.errors import AgentUnreachable, ControllerError
from causeway_controller.failover import paths
from causeway_controller.failover.paths import End, Path, Place
from causeway_controller.failover.steps import replica_machine
from causeway_controller.inventory import appliances, book, naming, production, tenancy
from causeway_controller.inventory.health import Deployed
from causeway_controller.inventory.naming import KnownVm
from causeway_controller.inventory.tenancy import ProviderHalf, Site, Tenant, TenantAppliance
from causeway_controller.store.appliances import Appliances
from causeway_controller.store.inventories import Inventories, Stored
from causeway_controller.workflows.ports import Hypervisors, Tenancies
from causeway_wire.explanation import PacketPath
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.types import ApplianceId, IPAddress, IPNetwork, Name, TenantId

_PATIENCE: Final = 10.0
"""Seconds for one answer."""
_UNKNOWN = (ControllerError, ProblemError, TimeoutError)


class Explains(Protocol):
    """What is needed of an agent."""

    async def explain(self, query: Mapping[str, str]) -> PacketPath: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Explaining:
    """Asks agents, hosts and the store."""

    inventories: Inventories
    tenancies: Tenancies
    appliances: Appliances
    agents: Callable[[ApplianceId], Explains]
    hypervisors: Hypervisors

    async def explain(self, asked: Question) -> PathAnswer:
        """Return what carries or stops the packet. Nothing is changed.

        Raises ProblemError: `not-found` where no tenant has either address, or a VM of this name, `invalid`
        where it must be said which tenant or host is meant; StoreError.
        """
        if isinstance(asked.source, str) or isinstance(asked.destination, str):
            known = [one async for one in self._vms(asked.tenant)]
            found = naming.resolve(known, asked.source, asked.destination, of=asked.tenant)
            answer = await self._explained(asked.between(found.source, found.destination, found.tenant))
            return structs.replace(answer, named=found.named)
        return await self._explained(asked.between(asked.source, asked.destination, asked.tenant))

    async def _explained(self, asked: Asked) -> PathAnswer:
        tenant, host, site = await self._chosen(asked)
        one, mode = site.tenants[tenant], tenancy.mode(site, tenant)
        path = paths.path(one, mode, asked.source, asked.destination, host=host)
        answer = PathAnswer(
            tenant=tenant, host=host, mode=mode.name, verdict=path.decided, advice=path.advice
        )
        if path.decided:
            return answer
        legs = await self._legs(asked, site, one, host, path)
        verdict, advice, works = _summed_up(path, legs)
        return PathAnswer(
            tenant=tenant,
            host=host,
            mode=mode.name,
            verdict=verdict,
            advice=advice,
            works=works,
            legs=tuple(legs),
        )

    async def _vms(self, tenant: TenantId | None) -> AsyncIterator[KnownVm]:
        """Those that have names: the inventory's, and at a tenant's those that its provider told of.

        One that told nothing yet knows none.
        """
        stored = await self._stored(tenant)
        for entry in stored.inventory.tenants:
            for vm in entry.vms:
                vm_id = "" if vm.replica is UNSET else vm.replica.vm_id
                yield KnownVm(tenant=entry.id, name=vm.name, addresses=vm.addresses, vm_id=vm_id)
        for place in self._own(stored, None):
            with contextlib.suppress(ProblemError):
                site = await self.tenancies.load(place.tenant, place.network.id)
                for own in site.tenants[place.tenant].vms.values():
                    yield KnownVm(tenant=place.tenant, name=own.name, addresses=own.addresses)

    async def _stored(self, tenant: TenantId | None) -> Stored:
        if tenant is None:
            return await asyncio.to_thread(self.inventories.load)
        return await asyncio.to_thread(self.inventories.of_tenant, tenant)

    def _own(self, stored: Stored, host: Name | None) -> list[production.Place]:
        """Networks of production that are extended from here, at a tenant's controller."""
        there = production.places(stored.inventory)
        return [place for place in there if host in {None, place.network.id}]

    async def _chosen(self, asked: Asked) -> tuple[TenantId, Name, Site]:
        """The tenant on the host that the packet is about."""
        found = [each async for each in self._concerned(asked)]
        if not found:
            detail = f"no tenant has {asked.source} or {asked.destination}, in no network and in public"
            hint = "`causeway tenant list` has the tenants; a tenant's networks are in the inventory"
            raise ProblemError(problem(ProblemType.NOT_FOUND, f"{detail}; {hint}"))
        if len(found) > 1:
            busy = [each for each in found if tenancy.mode(each[2], each[0]).vms]
            found = busy if len(busy) == 1 else found
        if len(found) > 1:
            there = ", ".join(f"{tenant} on {host}" for tenant, host, _ in found[:10])
            detail = f"these addresses are those of {there}; say which tenant, and which host"
            raise ProblemError(problem(ProblemType.INVALID, detail))
        return found[0]

    async def _concerned(self, asked: Asked) -> AsyncIterator[tuple[TenantId, Name, Site]]:
        stored, ends = await self._stored(asked.tenant), (asked.source, asked.destination)
        for place in self._own(stored, asked.host):
            if any(_within(end, place.network.prefixes) for end in ends):
                yield (
                    place.tenant,
                    place.network.id,
                    await self.tenancies.load(place.tenant, place.network.id),
                )
        names = book.index(stored.inventory)
        for entry in stored.inventory.tenants:
            mine = [prefix for network in entry.networks for prefix in network.prefixes]
            public = (*entry.public_addresses, *entry.test_addresses)
            public += tuple(one.address for one in stored.allocation.public if one.tenant == entry.id)
            if not any(end in public or _within(end, mine) for end in ends):
                continue
            for needed in appliances.of_tenant(entry, names):
                if asked.host not in {None, needed.host}:
                    continue
                site = await self.tenancies.load(entry.id, needed.host)
                if any(paths.concerns(site.tenants[entry.id], end) for end in ends):
                    yield entry.id, needed.host, site

    async def _legs(self, asked: Asked, site: Site, tenant: Tenant, host: Name, path: Path) -> list[Leg]:
        """What each place says, in the packet's order."""
        sides: list[Awaitable[Leg | None]] = [self._providers_side(tenant, host, asked)]
        if path.crosses is not None:
            sides = [self._tenants_side(tenant, path, asked), self._gateways(site, tenant), *sides]
        if path.crosses is not None and path.source.place is Place.REPLICA:
            sides.reverse()
        ends = [self._replica(tenant, end) for end in (path.source, path.destination)]
        first, *between, last = await asyncio.gather(ends[0], *sides, ends[1])
        return [leg for leg in (first, *between, last) if leg is not None]

    async def _appliance(self, where: str, appliance: ApplianceId, asked: Asked) -> Leg:
        try:
            async with asyncio.timeout(_PATIENCE):
                told = await self.agents(appliance).explain(asked.query)
        except AgentUnreachable as error:
            verdict = f"it does not answer ({error.reason}); `causeway status` says more"
            return Leg(where=where, verdict=verdict)
        except _UNKNOWN as error:
            return Leg(where=where, verdict=f"it cannot be asked: {str(error) or 'no answer in time'}")
        stages = told.stages if told.reply is None else (*told.stages, told.reply)
        return Leg(where=where, verdict=told.verdict, passes=told.works, stages=stages)

    async def _providers_side(self, tenant: Tenant, host: Name, asked: Asked) -> Leg:
        if isinstance(tenant.provider, ProviderHalf):
            verdict = f"{tenant.provider.id}'s controller commands it: have its staff say {_there(asked)}"
            return Leg(where="the provider's appliance", verdict=verdict)
        where = f"the provider's appliance {tenant.provider.id} on {host}"
        return await self._appliance(where, tenant.provider.id, asked)

    async def _tenants_side(self, tenant: Tenant, path: Path, asked: Asked) -> Leg:
        network = path.crosses or ""
        end: TenantAppliance | None = tenant.appliances.get(network)
        where = f"the tenant's appliance of network {network}"
        if end is None:
            return Leg(where=where, verdict=f"the tenant's controller commands it: {_there(asked)}")
        return await self._appliance(f"the tenant's appliance {end.id}", end.id, asked)

    async def _gateways(self, site: Site, tenant: Tenant) -> Leg | None:
        """How the gateways are that the tunnel may go over; one that answers is enough."""
        if not site.gateways:
            return None
        known = {one.id: one for one in await asyncio.to_thread(self.appliances.all)}
        told = [(gateway.id, known.get(gateway.id)) for gateway in site.gateways]
        where = f"the gateways of {tenant.id}"
        verdict = "; ".join(_gateway(name, found) for name, found in told)
        conditions = {found.condition for _, found in told if found is not None}
        if Condition.HEALTHY in conditions:
            return Leg(where=where, verdict=verdict, passes=True)
        dead = all(found is not None and found.condition in _DEAD for _, found in told)
        return Leg(where=where, verdict=verdict, passes=False if dead else None)

    async def _replica(self, tenant: Tenant, end: End) -> Leg | None:
        if end.place is not Place.REPLICA or end.vm is None or isinstance(tenant.provider, ProviderHalf):
            return None  # what is the provider's, its controller tells
        reference = replica_machine(tenant, end.vm.name)
        where = f"the replica of {end.vm.name}"
        try:
            async with asyncio.timeout(_PATIENCE):
                found = await self.hypervisors(reference).find(reference.owner_id)
        except _UNKNOWN as error:
            return Leg(where=where, verdict=f"its host cannot be asked: {str(error) or 'no answer in time'}")
        if found is None:
            return Leg(where=where, verdict="its host has no such VM; enter the replica anew", passes=False)
        if not found.powered_on:
            return Leg(where=where, verdict="it is powered off: power it on, or undo", passes=False)
        silent = found.guest_answers is False
        verdict = "it runs, but its guest tools do not answer: look at its console" if silent else "it runs"
        return Leg(where=where, verdict=verdict, passes=None if silent else True)


_DEAD: Final = frozenset({Condition.MISSING, Condition.OFF, Condition.SILENT})


def _gateway(name: ApplianceId, found: Deployed | None) -> str:
    if found is None:
        return f"{name} is not watched by this controller"
    return f"{name} is {found.condition}" + (f" ({found.cause})" if found.cause else "")


def _there(asked: Asked) -> str:
    packet = " ".join(asked.query.values())
    return f"`causeway explain {packet}` there"


def _within(address: IPAddress, prefixes: Iterable[IPNetwork]) -> bool:
    return any(prefix.version == address.version and address in prefix for prefix in prefixes)


def _summed_up(path: Path, legs: Sequence[Leg]) -> tuple[str, str, bool | None]:
    """Verdict, next step, and whether it works."""
    ends = f"{path.source} to {path.destination}"
    for leg in legs:
        if leg.passes is False:
            return f"{ends} is stopped at {leg.where}: {leg.verdict}", _advice(leg), False
    unknown = [leg.where for leg in legs if leg.passes is None]
    if unknown:
        verdict = f"{ends} is stopped by nothing that this controller sees; unseen is {', '.join(unknown)}"
        first = next(leg for leg in legs if leg.passes is None)
        return verdict, f"{first.where}: {first.verdict}", None
    return f"{ends} passes, and its answer comes back", "look at the guests themselves if it does not", True


def _advice(leg: Leg) -> str:
    stopping = (stage for stage in leg.stages if not stage.passes)
    return next((stage.advice for stage in stopping if stage.advice), leg.verdict)
