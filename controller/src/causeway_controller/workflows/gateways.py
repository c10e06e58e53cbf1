"""A provider's cloud gateway, from the inventory to an agent that has its document. Repeatable.

A gateway is kept like an appliance, of nobody (tenant ``""``) and in a place that is its own name: whoever
watches appliances, renews their certificates and updates them does so with gateways. What is theirs alone is
a TLS certificate for tunnels over TCP, and a document that changes with every tenant of their pool.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from typing import Final

from causeway_controller.contract import provider as provided
from causeway_controller.errors import ControllerError, StoreError
from causeway_controller.failover import documents
from causeway_controller.fleet.client import AgentClient
from causeway_controller.hypervisors.base import Progress, Provider, unwatched
from causeway_controller.inventory import certificates, vnics
from causeway_controller.inventory.book import index
from causeway_controller.inventory.health import NOBODY, Deployed
from causeway_controller.inventory.tenancy import Gateway, ManagementAccess, Site
from causeway_controller.store.appliances import Appliances
from causeway_controller.store.authorities import gateways
from causeway_controller.store.counters import Epochs
from causeway_controller.store.generations import GenerationBook
from causeway_controller.store.inventories import Inventories
from causeway_controller.store.runs import Runs
from causeway_controller.workflows.appliances import Onboarding, Wanted
from causeway_controller.workflows.certifying import Certifying
from causeway_controller.workflows.conforming import conforms
from causeway_controller.workflows.life import Deployment
from causeway_controller.workflows.numbering import numbered
from causeway_controller.workflows.ports import Tenancies
from causeway_controller.workflows.provisioning import APPLY_SECONDS, Under, refuse_unheard
from causeway_wire.identity import Purpose
from causeway_wire.problem import ProblemError
from causeway_wire.seed import RoleName
from causeway_wire.types import ApplianceId, Epoch, Generation, Name, TenantId

_CARE_SECONDS: Final = 120.0

_log = logging.getLogger(__name__)


class GatewayProvisioning:
    """Deploys gateways; `life.Deployment`, where a gateway's name stands for the host."""

    def __init__(
        self,
        *,
        inventories: Inventories,
        tenancies: Tenancies,
        hosts: Callable[[provided.Host], Awaitable[Provider]],
        clients: Callable[[ApplianceId, ManagementAccess], Awaitable[AgentClient]],
        onboarding: Onboarding,
        certifying: Certifying,
        runs: Runs,
        epochs: Epochs,
        generations: GenerationBook,
        appliances: Appliances,
        now: Callable[[], datetime],
        patience: float = 1.0,
    ) -> None:
        """`patience`: how many times longer than usual to wait for appliances."""
        self._inventories = inventories
        self._tenancies = tenancies
        self._hosts = hosts
        self._clients = clients
        self._onboarding = onboarding
        self._certifying = certifying
        self._runs = runs
        self._epochs = epochs
        self._generations = generations
        self._appliances = appliances
        self._now = now
        self._apply_seconds = patience * APPLY_SECONDS

    async def check(
        self,
        tenant: TenantId,  # noqa: ARG002 - nobody's
        host: Name,
        *,
        under: Under | None = None,
        in_place: bool = False,
    ) -> None:
        """Raise what `ensure` raises before it touches anything; `in_place` as of `Provisioning.check`."""
        gateway, entry, provider = await self._checked(host, under)
        if in_place:
            await self._onboarding.check_in_place(_wanted(gateway, entry), provider)

    async def ensure(
        self,
        tenant: TenantId,  # noqa: ARG002 - nobody's
        host: Name,
        progress: Progress = unwatched,
        *,
        under: Under | None = None,
        overrule: bool = False,  # noqa: ARG002 - it serves no failover
        in_place: bool = False,
    ) -> ApplianceId:
        """Have the gateway of this name deployed, running, enrolled, certified and configured.

        What is so already is left as it is. `under`: the run that this is part of; `in_place` as of
        `Provisioning.ensure`. Raises ProblemError (`not-found`, `unsupported`, and `failover-in-progress`
        while a run is open on it) with nothing touched; HypervisorError, EnrolmentRefused, AgentUnreachable,
        ChangeFailed, ChangePending, StoreError.
        """
        gateway, entry, provider = await self._checked(host, under)
        access = gateway.management
        place = Deployed(
            id=gateway.id, tenant=NOBODY, host=gateway.id, address=access.address, port=access.port
        )
        await asyncio.to_thread(self._appliances.enter, place, at=self._now())
        await self._onboarding.bring_up(_wanted(gateway, entry), provider, progress, in_place=in_place)
        await self._served(*await self._site(gateway.id), under, compared=True)
        await asyncio.to_thread(self._appliances.changed, gateway.id, at=self._now())
        return gateway.id

    async def conform(self, tenant: TenantId, host: Name) -> None:  # noqa: ARG002 - nobody's
        """Give a gateway that runs the certificate and the document of now. Nothing is deployed.

        Raises as `ensure`, and nothing of a host.
        """
        await asyncio.to_thread(self._runs.refuse_open, NOBODY, host)
        await self._served(*await self._site(host), None, compared=False)

    async def look(self, seen: Iterable[Deployed], in_charge: Callable[[], None]) -> None:
        """Give those gateways that just answered the certificate and the document that are due.

        A tenant that joins or leaves changes every gateway of its pool. What fails is tried after their next
        look. Raises StoreError.
        """
        answered = [one for one in seen if one.gateway and one.seen is not None and one.seen == one.asked]
        if not answered:
            return
        there = index((await asyncio.to_thread(self._inventories.load)).inventory).gateways
        for one in (each for each in answered if each.id in there):
            try:
                async with asyncio.timeout(_CARE_SECONDS):
                    await asyncio.to_thread(self._runs.refuse_open, NOBODY, one.id)  # gives it both itself
                    site, gateway = await self._site(one.id)
                    in_charge()
                    await self._served(site, gateway, None, compared=False)
            except StoreError:
                raise
            except (ControllerError, ProblemError, TimeoutError) as error:
                _log.warning("gateway not looked after", extra={"appliance": one.id, "reason": str(error)})

    async def _checked(
        self, name: ApplianceId, under: Under | None
    ) -> tuple[Gateway, provided.Gateway, Provider]:
        _, gateway = await self._site(name)
        but = "" if under is None else under.run
        await asyncio.to_thread(self._runs.refuse_open, NOBODY, name, but=but)
        refuse_unheard(f"gateway {name}", gateway.management)
        names = index((await asyncio.to_thread(self._inventories.load)).inventory)
        entry = names.gateways[name]
        return gateway, entry, await self._hosts(names.hosts[entry.host])

    async def _site(self, name: ApplianceId) -> tuple[Site, Gateway]:
        """Raises ProblemError (`not-found`, `unsupported`)."""
        site = await self._tenancies.load(NOBODY, name)
        return site, next(one for one in site.gateways if one.id == name)

    async def _served(self, site: Site, gateway: Gateway, under: Under | None, *, compared: bool) -> None:
        """Have a TLS certificate for tunnels for the key born on it, and its document in force.

        `compared`: as of `Certifying.ensure`.
        """
        agent = await self._clients(gateway.id, gateway.management)
        certified = await self._certifying.ensure(
            agent,
            certificates.of_gateway(gateway.id, gateway.name),
            authority=gateways(gateway.name),
            key=documents.GATEWAY_KEY,
            purpose=Purpose.GATEWAY,
            common_name=gateway.name,
            compared=compared,
        )
        if certified:
            _log.info("gateway certified", extra={"appliance": gateway.id})
            site, gateway = await self._site(gateway.id)  # its authority may be there only now
        await self._configured(site, gateway, agent, under)

    async def _configured(
        self, site: Site, gateway: Gateway, agent: AgentClient, under: Under | None
    ) -> None:
        """Give it its document, unless it runs an equal one."""
        epoch = await asyncio.to_thread(self._epoch, gateway.id) if under is None else under.epoch
        if await conforms(agent, site, gateway.id, epoch=epoch):
            return

        async def send(generation: Generation) -> None:
            document = documents.document(site, gateway.id, generation=generation, epoch=epoch)
            await agent.apply(document, timeout=self._apply_seconds)
            _log.info("gateway configured", extra={"appliance": gateway.id, "generation": generation})

        await numbered(self._generations, gateway.id, send)

    def _epoch(self, gateway: ApplianceId) -> Epoch:
        return self._epochs.current(NOBODY, gateway) or self._epochs.take(NOBODY, gateway)


def _wanted(gateway: Gateway, entry: provided.Gateway) -> Wanted:
    return Wanted(
        id=gateway.id,
        role=RoleName.GATEWAY,
        management=gateway.management,
        adapters=(gateway.public, gateway.inside),
        vnics=vnics.of_gateway(entry),
    )


class ByKind:
    """Tenants' appliances by one, gateways by the other."""

    def __init__(self, tenants: Deployment, gateways: Deployment) -> None:
        self._tenants = tenants
        self._gateways = gateways

    async def check(
        self, tenant: TenantId, host: Name, *, under: Under | None = None, in_place: bool = False
    ) -> None:
        """As `Deployment.check`."""
        await self._of(tenant).check(tenant, host, under=under, in_place=in_place)

    async def ensure(
        self,
        tenant: TenantId,
        host: Name,
        *,
        under: Under | None = None,
        overrule: bool = False,
        in_place: bool = False,
    ) -> ApplianceId:
        """As `Deployment.ensure`."""
        return await self._of(tenant).ensure(tenant, host, under=under, overrule=overrule, in_place=in_place)

    async def conform(self, tenant: TenantId, host: Name) -> None:
        """As `Deployment.conform`."""
        await self._of(tenant).conform(tenant, host)

    def _of(self, tenant: TenantId) -> Deployment:
        return self._gateways if tenant == NOBODY else self._tenants
