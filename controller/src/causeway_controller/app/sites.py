"""Tenants on hosts as runs need them: loaded from the store, their machines and agents reachable."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from pathlib import Path
from typing import Final

from msgspec import UNSET

from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.provider import Host
from causeway_controller.errors import MachineMissing
from causeway_controller.failover.steps import MachineKind, MachineRef
from causeway_controller.fleet import enrolment
from causeway_controller.fleet.pool import Pool
from causeway_controller.hypervisors import hosts
from causeway_controller.hypervisors.base import Machine, PowerControl, Provider, log_out
from causeway_controller.inventory import modes, production, views
from causeway_controller.inventory.book import index
from causeway_controller.inventory.health import NOBODY, Deployed, Power
from causeway_controller.inventory.production import Place
from causeway_controller.inventory.tenancy import GatewayCredentials, Site, Tenant, TenantCredentials
from causeway_controller.inventory.views import Known
from causeway_controller.peers.client import ProviderClient
from causeway_controller.peers.half import HalfClient, HalfPatience
from causeway_controller.peers.kept_clients import KeptClients
from causeway_controller.store.appliances import Appliances
from causeway_controller.store.credentials import Credentials
from causeway_controller.store.database import Database
from causeway_controller.store.enrolments import Enrolments
from causeway_controller.store.inventories import Inventories, Stored
from causeway_controller.store.ledger import Ledger
from causeway_controller.store.links import Links
from causeway_controller.store.replicas import Replicas
from causeway_controller.store.secrets import Secrets
from causeway_controller.store.tenancies import Standings
from causeway_controller.store.told import Told
from causeway_controller.trust.sealing import Vault
from causeway_controller.workflows.ports import Half
from causeway_controller.workflows.providers import door_of
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.types import ApplianceId, IPNetwork, Name, Secret, TenantId, VmName

_NO_GATEWAYS: Final = GatewayCredentials(ca="", certificates={})


class Sites:
    """`workflows.ports.Tenancies` over the store. What it loaded it can reach, until it loads it again."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        *,
        pool: Pool,
        controllers: tuple[IPNetwork, ...],
        image: Path,
        halves: HalfPatience,
        now: Callable[[], datetime],
    ) -> None:
        """`controllers`: where the controllers' connections come from. `image`: the appliances'. `halves`:
        how long to wait for what a provider does.
        """
        self._inventories = Inventories(database, now=now)
        self._standings = Standings(database)
        self._credentials = Credentials(database, vault, now=now)
        self._ledger = Ledger(database, now=now)
        self._secrets = Secrets(database, vault, now=now)
        self._pool = pool
        self._controllers = controllers
        self._image = image
        self._patience = halves
        self._links = Links(database, vault, now=now)
        self._replicas = Replicas(database)
        self._appliances = Appliances(database)
        self._enrolments = Enrolments(database, vault, now=now, make=enrolment.make_token)
        self._told = Told(database, vault, now=now)
        self._halves: set[ApplianceId] = set()
        """Names of the providers' halves of sites that were loaded."""
        self._hosts: dict[Name, tuple[tuple[Host, Secret | None], Provider]] = {}
        """With its entry and the secret of its login: others may be entered while we run."""
        self._entries: dict[Name, Host] = {}
        """As they were read last: a machine is known for longer than what was read with it stays true."""
        self._machines: dict[MachineRef, PowerControl] = {}
        self._providers = KeptClients()

    async def load(self, tenant: TenantId, host: Name, plan: Name = "") -> Site:
        """Return the site, and know from now on how its machines and agents are reached.

        A gateway is loaded as `NOBODY`'s, by its name in place of a host's. Raises ProblemError (`not-found`,
        `unsupported`), StoreError, SealBroken.
        """
        if tenant == NOBODY:
            return await asyncio.to_thread(self._gateway_site, host)
        stored = await asyncio.to_thread(self._inventories.of_tenant, tenant)
        if (place := production.find(stored.inventory, tenant, host)) is not None:
            return await self._load_own(stored.inventory, place)
        site = await asyncio.to_thread(self._site, stored, tenant, host, plan)
        found = site.tenants[tenant]
        await self._pool.know(found.provider.id, found.server.management)
        self._know_machines(stored.inventory, site, tenant, host)
        return site

    async def _load_own(self, inventory: Inventory, place: Place) -> Site:
        """As `load`, of a network of production at a tenant's controller."""
        site = await asyncio.to_thread(self._own_site, place)
        appliance = site.tenants[place.tenant].appliances[place.network.id]
        await self._pool.know(appliance.id, appliance.management)
        kind = MachineKind.TENANT_APPLIANCE
        reference = MachineRef(kind=kind, tenant=place.tenant, name=appliance.id)
        host = index(inventory).hosts[place.appliance.host]
        self._entries[host.id] = host
        self._machines[reference] = _Machine(self, host.id, appliance.id)
        self._halves.add(place.production.id)
        return site

    def _own_site(self, place: Place) -> Site:
        provider, network = place.production.id, place.network.id
        told = self._told.resources(provider)
        if told is None or told.tenant != place.tenant:
            detail = (
                f"provider {provider} has not told yet what {place.tenant} has there: `causeway provider "
                f"rescan {provider}` asks it, once it is joined (`causeway provider list`)"
            )
            raise ProblemError(problem(ProblemType.UNSUPPORTED, detail))
        return production.site(
            place,
            told=told,
            end=self._told.end(provider, network),
            mode=self._standings.get(place.tenant, network).mode,
            controllers=self._controllers,
            revoked=self._ledger.revocations(),
        )

    async def unenrolled(self, appliance: ApplianceId) -> str:
        """Return the words of the command that enrols it, empty where it has enrolled. Raises StoreError.

        A token alone says nothing: to deploy again what is not reached makes one, which stays if that fails.
        """
        if not await self._enrolments.waits(appliance):
            return ""
        if await asyncio.to_thread(self._ledger.alive_of_agent, appliance):
            return ""
        deployed = await asyncio.to_thread(self._appliances.all)
        return next((one.deploy for one in deployed if one.id == appliance), "")

    def half(self, name: ApplianceId, run: str) -> Half | None:
        """The provider's half of a run, of a site that was loaded; None for what is an appliance."""
        if name not in self._halves:
            return None

        async def connect() -> AbstractAsyncContextManager[ProviderClient]:
            return self._providers.client(name, door_of(await asyncio.to_thread(self._links.get, name)))

        return HalfClient(connect=connect, name=name, run=run, patience=self._patience)

    async def changed(self, tenant: TenantId, host: Name, site: Site) -> None:
        """Nothing to do: what a run left is read from the store each time."""

    async def host(self, host: Host) -> Provider:
        """Return what commands this host, logged in. Raises HypervisorError, StoreError, SealBroken."""
        self._entries[host.id] = host
        login = None if host.login is UNSET else await asyncio.to_thread(self._secrets.get, host.login)
        known = self._hosts.get(host.id)
        if known is not None and known[0] == (host, login):
            return known[1]
        opened = hosts.provider(host, login, image=self._image)
        self._hosts[host.id] = (host, login), opened
        if known is not None:
            await log_out(known[1])
        return opened

    async def host_named(self, name: Name) -> Provider:
        """As `host`, of a host that was read before, by its newest entry: who still had the one before would
        log in anew for each question, and end the login of who has the other.
        """
        return await self.host(self._entries[name])

    async def left(self, provider: Name) -> None:
        """Keep nothing open to a provider that was left."""
        await self._providers.forget(provider)

    async def close(self) -> None:
        """Log out of every host, where there is something to log out of, and leave the providers."""
        await self._providers.close()
        opened = [provider for _, provider in self._hosts.values()]
        self._hosts.clear()
        await asyncio.gather(*map(log_out, opened))

    def machine(self, reference: MachineRef) -> PowerControl:
        """Return what powers this machine, of a site that was loaded. Raises MachineMissing."""
        try:
            return self._machines[reference]
        except KeyError:
            raise MachineMissing(reference.owner_id) from None

    async def host_of(self, tenant: TenantId, host: Name) -> Provider:
        """What commands this host of the inventory, or a gateway's, which is `NOBODY`'s.

        Raises ProblemError (`not-found`), and as `host`.
        """
        stored = await asyncio.to_thread(self._inventories.of_tenant, tenant)
        names = index(stored.inventory)
        if tenant == NOBODY and host in names.gateways:
            host = names.gateways[host].host
        found = names.hosts.get(_host_name(stored.inventory, tenant, host))
        if found is None:
            detail = (
                f"the inventory does not say any more which host the machine of {host} is on: enter it again "
                "to have it deleted there, or say that it is gone (--gone), which leaves the host alone"
            )
            raise ProblemError(problem(ProblemType.NOT_FOUND, detail))
        return await self.host(found)

    async def powered(self, one: Deployed) -> Power:
        """What its host says of the appliance's machine. Raises HypervisorError, StoreError, SealBroken."""
        stored = await asyncio.to_thread(self._inventories.of_tenant, one.tenant)
        names = index(stored.inventory)
        gateway = names.gateways.get(one.id) if one.gateway else None
        name = _host_name(stored.inventory, one.tenant, one.host) if gateway is None else gateway.host
        host = names.hosts.get(name)
        if host is None:
            return Power.UNKNOWN
        machine = await (await self.host(host)).find(one.id)
        if machine is None:
            return Power.MISSING
        return Power.ON if machine.powered_on else Power.OFF

    async def answers(self, tenant: TenantId, vm: VmName) -> bool | None:
        """Whether the replica's guest answers, as its host says: there is no way into tenants' networks."""
        reference = MachineRef(kind=MachineKind.REPLICA, tenant=tenant, name=vm)
        found = await self.machine(reference).find(reference.owner_id)
        return None if found is None else found.guest_answers

    def _site(self, stored: Stored, tenant: TenantId, host: Name, plan: Name) -> Site:
        standing = self._standings.get(tenant, host)
        known = Known(
            controllers=self._controllers,
            gateway_credentials=self._gateways(stored.inventory, tenant),
            credentials=self._credentials.of_tenant(tenant),
            mode=standing.mode,
            publications=standing.publications,
            revoked=tuple(self._ledger.revocations()),
            replicas=self._replicas.of_tenant(tenant),
        )
        return views.tenancy(
            stored.inventory,
            stored.allocation,
            tenant,
            host,
            known=known,
            plan=plan or _reached_by(stored.inventory, tenant, standing.mode),
        )

    def _gateway_site(self, name: ApplianceId) -> Site:
        """The gateway with all tenants of its pool that have credentials, each once for each of its hosts."""
        stored = self._inventories.load()
        names = index(stored.inventory)
        entry = names.gateways.get(name)
        if entry is None:
            detail = f"the inventory has no gateway {name}; enter it again, or retire it"
            raise ProblemError(problem(ProblemType.NOT_FOUND, detail))
        pool = next((one for one in stored.inventory.gateway_pools if name in one.gateways), None)
        if pool is None:
            detail = f"gateway {name} is in no gateway pool, whose name its certificate has; enter one"
            raise ProblemError(problem(ProblemType.UNSUPPORTED, detail))
        theirs = self._credentials.of_gateways(pool.name) or _NO_GATEWAYS
        tenants: dict[TenantId, Tenant] = {}
        credentials: dict[TenantId, TenantCredentials] = {}
        for one in views.of_pool(stored.inventory, stored.allocation, pool.id):
            known = self._credentials.of_tenant(one.tenant.id)
            if known is not None:
                tenants[one.key], credentials[one.key] = one.tenant, known
        return Site(
            tenants=tenants,
            gateways=(views.gateway(entry, pool, self._controllers),),
            credentials=credentials,
            gateway_credentials=theirs,
            revoked=tuple(self._ledger.revocations()),
        )

    def _gateways(self, inventory: Inventory, tenant: TenantId) -> GatewayCredentials:
        names = index(inventory)
        entry = names.tenants.get(tenant)
        if entry is None or entry.gateway_pool is UNSET:
            return _NO_GATEWAYS
        return self._credentials.of_gateways(names.gateway_pools[entry.gateway_pool].name) or _NO_GATEWAYS

    def _know_machines(self, inventory: Inventory, site: Site, tenant: TenantId, host: Name) -> None:
        names, appliance = index(inventory), site.tenants[tenant].provider.id
        self._entries[host] = names.hosts[host]
        kind = MachineKind.PROVIDER_APPLIANCE
        reference = MachineRef(kind=kind, tenant=tenant, name=appliance)
        self._machines[reference] = _Machine(self, host, appliance)
        for vm in names.tenants[tenant].vms:
            if vm.replica is not UNSET and vm.replica.host == host:
                reference = MachineRef(kind=MachineKind.REPLICA, tenant=tenant, name=vm.name)
                self._machines[reference] = _Machine(self, host, vm.replica.vm_id)


def _host_name(inventory: Inventory, tenant: TenantId, host: Name) -> Name:
    """The hypervisor of what is there: a host, or the one that a network's appliance is on."""
    place = production.find(inventory, tenant, host)
    return host if place is None else place.appliance.host


def _reached_by(inventory: Inventory, tenant: TenantId, mode: modes.Mode) -> Name:
    """The plan that the mode was reached by, unless it was removed since: the way back must not need it."""
    plans = {plan.id for one in inventory.tenants if one.id == tenant for plan in one.failover_plans}
    return modes.plan(mode) if modes.plan(mode) in plans else ""


class _Machine:
    """A machine by its host's id of it (`PowerControl`); the host is opened when it is needed."""

    def __init__(self, sites: Sites, host: Name, identifier: str) -> None:
        self._sites = sites
        self._host = host
        self._id = identifier

    async def find(self, owner_id: str) -> Machine | None:  # noqa: ARG002 - it is one machine
        """The machine as its host has it."""
        return await (await self._sites.host_named(self._host)).find(self._id)

    async def power(self, owner_id: str, *, on: bool, grace: float) -> None:  # noqa: ARG002 - it is one machine
        """Power it on or off."""
        await (await self._sites.host_named(self._host)).power(self._id, on=on, grace=grace)
