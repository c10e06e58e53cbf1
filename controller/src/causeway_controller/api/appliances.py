"""Handlers of appliances: brought about as the inventory says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from causeway_controller.api.appliance_reports import AppliancesTold
from causeway_controller.api.callers import not_found
from causeway_controller.api.exchange import Answer, Ask, Handler
from causeway_controller.api.ports import ApplianceService
from causeway_controller.contract import routes
from causeway_controller.contract.appliances import ApplianceReports, DeployedAppliance
from causeway_controller.errors import ControllerError, StoreError
from causeway_controller.store.audit import Act, Audit
from causeway_wire.problem import ProblemError, ProblemType, problem


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
        }

    async def list(self, ask: Ask) -> Answer:
        """Those of the tenants that the caller sees."""
        found = await asyncio.to_thread(self.told.reports, ask.caller.tenant)
        return Answer(document=ApplianceReports(appliances=found))

    async def show(self, ask: Ask) -> Answer:
        """One of them."""
        tenant, host = ask.places["tenant"], ask.places["host"]
        ask.caller.see(tenant, f"tenant {tenant}")
        for one in await asyncio.to_thread(self.told.reports, tenant):
            if one.host == host:
                return Answer(document=one)
        raise not_found(f"appliance of {tenant} on {host}")

    async def ensure(self, ask: Ask) -> Answer:
        """Have it there, and write down who wanted it before anything is done."""
        tenant, host = ask.places["tenant"], ask.places["host"]
        ask.caller.see(tenant, f"tenant {tenant}")
        act = Act(
            at=self.now(), actor=ask.caller.name, action="appliance.ensure", subject=f"{tenant} on {host}"
        )
        await asyncio.to_thread(self.audit.append, act)
        try:
            appliance = await self.service.ensure(tenant, host)
        except StoreError:
            raise
        except ControllerError as error:
            detail = f"{error}. What was done stays; repeat it to go on"
            raise ProblemError(problem(ProblemType.UNAVAILABLE, detail)) from error
        return Answer(document=DeployedAppliance(appliance=appliance, tenant=tenant, host=host))
