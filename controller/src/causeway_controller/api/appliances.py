"""Handlers of appliances: brought about as the inventory says."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from causeway_controller.api.appliance_reports import AppliancesTold
from causeway_controller.api.exchange import Answer, Ask, Handler
from causeway_controller.api.ports import ApplianceService
from causeway_controller.contract import gateway_routes, routes
from causeway_controller.contract.appliances import ApplianceReports, DeployedAppliance
from causeway_controller.errors import ControllerError, StoreError
from causeway_controller.inventory import health
from causeway_controller.inventory.health import NOBODY
from causeway_controller.store.audit import Act, Audit
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.types import ApplianceId, Name, TenantId


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplianceHandlers:
    """Has the appliance service do it."""

    service: ApplianceService
    told: AppliancesTold
    audit: Audit
    now: Callable[[], datetime]

    def handlers(self) -> Mapping[str, Handler]:
        """By the names of their routes."""
        return {
            routes.DEPLOYED_APPLIANCES.name: self.list,
            routes.APPLIANCE.name: self.show,
            routes.ENSURE_APPLIANCE.name: self.ensure,
            routes.ROTATE_APPLIANCE.name: self.rotate,
            gateway_routes.GATEWAY.name: self.show,
            gateway_routes.ENSURE_GATEWAY.name: self.ensure,
            gateway_routes.ROTATE_GATEWAY.name: self.rotate,
        }

    async def list(self, ask: Ask) -> Answer:
        """Those of the tenants that the caller sees."""
        found = await asyncio.to_thread(self.told.reports, ask.caller.tenant)
        return Answer(document=ApplianceReports(appliances=found))

    async def show(self, ask: Ask) -> Answer:
        """One of them, or a gateway."""
        place = _place(ask)
        for one in await asyncio.to_thread(self.told.reports, place.tenant):
            if (one.appliance if place.gateway else one.host) == place.host:
                return Answer(document=one)
        detail = health.not_deployed(place.tenant, place.host)
        raise ProblemError(problem(ProblemType.NOT_FOUND, detail))

    async def ensure(self, ask: Ask) -> Answer:
        """Have it there."""
        act = functools.partial(self.service.ensure, overrule=ask.flag("overrule"))
        return await self._done(ask, "appliance.ensure", act)

    async def rotate(self, ask: Ask) -> Answer:
        """Have it under a new key and certificate."""
        act = functools.partial(self.service.rotate, revoke=ask.flag("revoke"), actor=ask.caller.name)
        return await self._done(ask, "appliance.rotate", act)

    async def _done(
        self, ask: Ask, action: str, act: Callable[[TenantId, Name], Awaitable[ApplianceId]]
    ) -> Answer:
        """Write down who wanted it before anything is done."""
        place = _place(ask)
        tenant, host = place.tenant, place.host
        subject = f"gateway {host}" if place.gateway else f"{tenant} on {host}"
        written = Act(at=self.now(), actor=ask.caller.name, action=action, subject=subject)
        await asyncio.to_thread(self.audit.append, written)
        try:
            appliance = await act(tenant, host)
        except StoreError:
            raise
        except ControllerError as error:
            detail = f"{error}. What was done stays; repeat it to go on"
            raise ProblemError(problem(ProblemType.UNAVAILABLE, detail)) from error
        if place.gateway:
            return Answer(document=DeployedAppliance(appliance=appliance))
        return Answer(document=DeployedAppliance(appliance=appliance, tenant=tenant, host=host))


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an appliance is. A gateway is `NOBODY`'s, in its own place."""

    tenant: TenantId
    host: Name

    @property
    def gateway(self) -> bool:
        return self.tenant == NOBODY


def _place(ask: Ask) -> _Place:
    """Raises ProblemError (`not-found`) where it is another's than the caller sees."""
    gateway = ask.places.get("gateway")
    if gateway is not None:
        ask.caller.see(NOBODY, f"gateway {gateway}")
        return _Place(NOBODY, gateway)
    tenant = ask.places["tenant"]
    ask.caller.see(tenant)
    return _Place(tenant, ask.places["host"])
