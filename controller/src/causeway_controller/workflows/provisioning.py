"""A tenant's appliance on a host, from the inventory to an agent that has its document. Repeatable."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from causeway_controller.contract.provider import Host
from causeway_controller.failover import documents, losing, revocation
from causeway_controller.fleet.client import AgentClient
from causeway_controller.hypervisors.base import Progress, Provider, unwatched
from causeway_controller.inventory import appliances, book, host_needs, production, tenancy
from causeway_controller.inventory.health import Deployed
from causeway_controller.inventory.production import Place
from causeway_controller.inventory.tenancy import ManagementAccess, Site
from causeway_controller.inventory.vnics import of_provider_appliance
from causeway_controller.store.appliances import Appliances
from causeway_controller.store.counters import Epochs
from causeway_controller.store.generations import GenerationBook
from causeway_controller.store.inventories import Inventories
from causeway_controller.store.runs import Runs
from causeway_controller.workflows import rules
from causeway_controller.workflows.appliances import Onboarding, Wanted
from causeway_controller.workflows.numbering import numbered
from causeway_controller.workflows.ports import Tenancies
from causeway_controller.workflows.tunnels import ClientCertificates, ServerCertificates
from causeway_wire.desired import Desired
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.seed import RoleName
from causeway_wire.types import ApplianceId, Epoch, Generation, Name, TenantId

APPLY_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Under:
    """The open run that something is done for, and the epoch of who carries it out."""

    run: str
    epoch: Epoch


@dataclass(frozen=True, slots=True, kw_only=True)
class _Checked:
    """What may be deployed: its site, itself, what opens its host, and its place where production is ours."""

    site: Site
    wanted: Wanted
    provider: Callable[[], Awaitable[Provider]]
    own: Place | None = None


class Provisioning:
    """Deploys the provider's appliances that the inventory needs."""

    def __init__(
        self,
        *,
        inventories: Inventories,
        tenancies: Tenancies,
        hosts: Callable[[Host], Awaitable[Provider]],
        clients: Callable[[ApplianceId, ManagementAccess], Awaitable[AgentClient]],
        onboarding: Onboarding,
        runs: Runs,
        epochs: Epochs,
        generations: GenerationBook,
        appliances: Appliances,
        servers: ServerCertificates,
        ends: ClientCertificates,
        now: Callable[[], datetime],
        patience: float = 1.0,
    ) -> None:
        """`patience`: how many times longer than usual to wait for appliances."""
        self._inventories = inventories
        self._tenancies = tenancies
        self._hosts = hosts
        self._clients = clients
        self._onboarding = onboarding
        self._runs = runs
        self._epochs = epochs
        self._generations = generations
        self._appliances = appliances
        self._servers = servers
        self._ends = ends
        self._now = now
        self._apply_seconds = patience * APPLY_SECONDS

    async def ensure(
        self,
        tenant: TenantId,
        host: Name,
        progress: Progress = unwatched,
        *,
        under: Under | None = None,
        overrule: bool = False,
        in_place: bool = False,
    ) -> ApplianceId:
        """Have the tenant's appliance on this host deployed, running, enrolled and configured; its name.

        What is so already is left as it is. `under`: the run that this is part of; `overrule`: also where it
        serves a failover that the store knows nothing of, as after the restore of a backup: that ends then;
        `in_place`: its machine was removed to be made anew, and the room that it had is room enough.

        Raises ProblemError (`not-found`, `unsupported`, and `failover-in-progress` while a run is open
        there), with nothing touched, and `failover-in-progress` without `overrule` before it has another
        document; HypervisorError, EnrolmentRefused, AgentUnreachable, ChangeFailed, ChangePending,
        StoreError.
        """
        checked = await self._checked(tenant, host, under)
        wanted = checked.wanted
        place = Deployed(
            id=wanted.id,
            tenant=tenant,
            host=host,
            address=wanted.management.address,
            port=wanted.management.port,
        )
        await asyncio.to_thread(self._appliances.enter, place, at=self._now())
        await self._onboarding.bring_up(wanted, await checked.provider(), progress, in_place=in_place)
        await self._configure(checked, tenant, host, under, overrule=overrule)
        await asyncio.to_thread(self._appliances.changed, wanted.id, at=self._now())
        return wanted.id

    async def due(self, tenant: TenantId, host: Name) -> bool:
        """Whether `conform` is needed now: a tunnel of the appliance has a certificate that is to be renewed
        or was revoked, the appliance does not refuse yet what it is to refuse, or it shows what was revoked.

        Raises ProblemError (`not-found`, `unsupported`), AgentUnreachable, StoreError, SealBroken.
        """
        stored = await asyncio.to_thread(self._inventories.of_tenant, tenant)
        site = await self._tenancies.load(tenant, host)
        if (place := production.find(stored.inventory, tenant, host)) is not None:
            due, appliance = await self._ends.due(place), site.tenants[tenant].appliances[place.network.id]
            return due or await self._accepts(site, appliance.id, appliance.management)
        found = site.tenants[tenant]
        due = await self._servers.due(found)
        return due or await self._accepts(site, found.server.id, found.server.management)

    async def conform(self, tenant: TenantId, host: Name) -> None:
        """Give an appliance that runs the certificates and the document of now. Nothing is deployed.

        Raises as `ensure`, and nothing of a host.
        """
        await self._configure(await self._checked(tenant, host, None), tenant, host, None, overrule=False)

    async def _accepts(self, site: Site, appliance: ApplianceId, access: ManagementAccess) -> bool:
        """Whether it takes a certificate for good that its document would have it refuse, or shows one that
        was revoked: the next one may have been made by a controller that died before it was sent.
        """
        if not site.revoked:
            return False
        wanted = revocation.named(documents.document(site, appliance, generation=1, epoch=0))
        agent = await self._clients(appliance, access)
        said = await agent.observed()
        if not wanted <= {one.serial for one in said.revoked}:
            return True
        runs = await _running(agent)
        shown = frozenset() if runs is None else revocation.shown(runs)
        return not shown.isdisjoint(one.serial for one in site.revoked)

    async def check(
        self, tenant: TenantId, host: Name, *, under: Under | None = None, in_place: bool = False
    ) -> None:
        """Raise what `ensure` raises before it touches anything.

        `in_place`: also HypervisorError when its host could not make another machine in its place.
        """
        checked = await self._checked(tenant, host, under)
        if in_place:
            await self._onboarding.check_in_place(checked.wanted, await checked.provider())

    async def _checked(self, tenant: TenantId, host: Name, under: Under | None) -> _Checked:
        stored = await asyncio.to_thread(self._inventories.of_tenant, tenant)
        names = book.index(stored.inventory)
        if (place := production.find(stored.inventory, tenant, host)) is not None:
            return await self._checked_own(place, names.hosts[place.appliance.host], under)
        needed = appliances.of_tenant_on(names, tenant, host)
        but = "" if under is None else under.run
        await asyncio.to_thread(self._runs.refuse_open, tenant, host, but=but)
        site = await self._tenancies.load(tenant, host)
        appliance = site.tenants[tenant].server
        refuse_unheard(f"appliance {appliance.id}", appliance.management)
        wanted = Wanted(
            id=appliance.id,
            role=RoleName.PROVIDER,
            management=appliance.management,
            adapters=(appliance.uplink,),
            vnics=of_provider_appliance(needed, stored.allocation),
            bridged=host_needs.bridged_vlans(names, stored.allocation, tenant, host),
        )
        return _Checked(site=site, wanted=wanted, provider=functools.partial(self._hosts, names.hosts[host]))

    async def _checked_own(self, place: Place, host: Host, under: Under | None) -> _Checked:
        """As `_checked`, of an appliance of production at a tenant's controller."""
        but = "" if under is None else under.run
        await asyncio.to_thread(self._runs.refuse_open, place.tenant, place.network.id, but=but)
        site = await self._tenancies.load(place.tenant, place.network.id)
        appliance = site.tenants[place.tenant].appliances[place.network.id]
        refuse_unheard(f"appliance {appliance.id}", appliance.management)
        wanted = Wanted(
            id=appliance.id,
            role=RoleName.TENANT,
            management=appliance.management,
            adapters=(appliance.nic,),
            vnics=place.vnics,
            bridges=host_needs.bridges(place),
        )
        provider = functools.partial(self._hosts, host)
        return _Checked(site=site, wanted=wanted, provider=provider, own=place)

    async def _configure(
        self, checked: _Checked, tenant: TenantId, host: Name, under: Under | None, *, overrule: bool
    ) -> None:
        """Give it the document of the mode that it is in, and the public rules of that.

        Outside of a run under the epoch of the last one, not a newer one: a run that began meanwhile is not
        shut out, it shuts us out.
        """
        site, wanted = checked.site, checked.wanted
        client = await self._clients(wanted.id, wanted.management)
        if checked.own is not None:
            await self._ends.ensure(client, checked.own)
        else:
            await self._servers.ensure(client, site.tenants[tenant])
        site = await self._tenancies.load(tenant, host)  # with the certificates of now
        epoch = await asyncio.to_thread(self._epoch, tenant, host) if under is None else under.epoch

        async def send(generation: Generation) -> None:
            document = documents.document(site, wanted.id, generation=generation, epoch=epoch)
            if under is None and not overrule:
                await _refuse_loss(client, document, f"{tenant} {host}")
            await client.apply(document, timeout=self._apply_seconds)

        await numbered(self._generations, wanted.id, send)
        if checked.own is not None:
            return
        published = documents.public_rules(site.tenants[tenant], tenancy.mode(site, tenant))
        await rules.put(client, published, epoch=epoch)

    def _epoch(self, tenant: TenantId, host: Name) -> Epoch:
        return self._epochs.current(tenant, host) or self._epochs.take(tenant, host)


async def _running(agent: AgentClient) -> Desired | None:
    """The document that the agent has; None before its first."""
    return None if await agent.etag() is None else await agent.get_desired()


async def _refuse_loss(agent: AgentClient, document: Desired, place: str) -> None:
    """Raise ProblemError (`failover-in-progress`) where the appliance serves what the document would end.

    Only runs end failovers, and what they leave is remembered: the memory is older than the appliance.
    """
    runs = await _running(agent)
    if runs is not None and (lost := losing.lost(runs, document)):
        detail = (
            f"appliance {document.appliance} serves what this controller does not know, {', '.join(lost)}: "
            "an older backup may have been restored. It is left as it is: ask for the same failover again, "
            f"or end it by `causeway appliance deploy {place} --overrule`"
        )
        raise ProblemError(problem(ProblemType.FAILOVER_IN_PROGRESS, detail))


def refuse_unheard(what: str, access: ManagementAccess) -> None:
    """Raise ProblemError (`unsupported`) when it would listen to nobody."""
    if not access.sources:
        detail = "would listen to nobody; say as `sources` in the settings where controllers connect from"
        raise ProblemError(problem(ProblemType.UNSUPPORTED, f"{what} {detail}"))
