"""Handlers of what is a tenant's: told at once, or once it differs; and its runs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from aiohttp import web

from causeway_controller.api.callers import Knows, no_tenant
from causeway_controller.api.exchange import Answer, Ask, Handler, malformed
from causeway_controller.contract import routes, tenant_routes
from causeway_controller.contract.tenant_view import VersionedResources
from causeway_controller.inventory import tenant_view
from causeway_controller.store import marks
from causeway_controller.store.appliances import Appliances
from causeway_controller.store.database import Database
from causeway_controller.store.inventories import Inventories
from causeway_controller.store.ledger import Ledger
from causeway_controller.store.marks import Mark, Marks
from causeway_controller.store.replicas import Replicas
from causeway_controller.store.tenancies import Standings
from causeway_controller.workflows.shared_looks import SharedLook
from causeway_wire import codec
from causeway_wire.types import TenantId

WAIT_SECONDS: Final = 25
"""The longest wait for a difference; proxies cut connections that are silent for 30 and more."""
LOOK_SECONDS: Final = 1.0
"""Between two looks at the store, for all who wait together."""


class Pulse:
    """The store's marks, looked at once for all who wait."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._marks = Marks()
        self._looks = SharedLook(self._look, seconds=LOOK_SECONDS)

    async def mark(self, tenant: TenantId) -> tuple[Mark, Mark]:
        """What moves when anything of the tenant's does, at most `LOOK_SECONDS` old. Raises StoreError."""
        return (await self._looks.now()).of(tenant)

    async def moved(
        self, tenant: TenantId, before: tuple[Mark, Mark], *, seconds: float
    ) -> tuple[Mark, Mark]:
        """Return the mark once it is another than before, or after so many seconds. Raises StoreError."""
        await self._looks.until(lambda found: found.of(tenant) != before, seconds=seconds)
        return await self.mark(tenant)

    def _look(self) -> Marks:
        self._marks = marks.marks(self._database, self._marks)
        return self._marks


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceHandlers:
    """Reads the inventory. Who waits is asked again who they are, whenever anything moved."""

    database: Database
    inventories: Inventories
    ledger: Ledger
    pulse: Pulse
    resolver: Knows

    def handlers(self) -> Mapping[str, Handler]:
        """By the name of the route."""
        return {tenant_routes.RESOURCES.name: self.resources}

    async def resources(self, ask: Ask) -> Answer:
        """All that is the tenant's."""
        tenant = ask.caller.tenant or ""
        after, wait = ask.query.get("after"), ask.number("wait", 0, highest=WAIT_SECONDS)
        until = asyncio.get_running_loop().time() + (wait if after is not None else 0)
        before = await self.pulse.mark(tenant)
        found = await asyncio.to_thread(self._found, ask)
        while found.version == after and (left := until - asyncio.get_running_loop().time()) > 0:
            now = await self.pulse.moved(tenant, before, seconds=left)
            if now != before:
                await self.resolver.caller(ask.http)
                before, found = now, await asyncio.to_thread(self._found, ask)
        return Answer(document=found)

    def _found(self, ask: Ask) -> VersionedResources:
        tenant = ask.caller.tenant or ""
        stored = self.inventories.of_tenant(tenant)
        if not stored.inventory.tenants:
            raise no_tenant(tenant)
        found = tenant_view.resources(
            stored.inventory,
            stored.allocation,
            tenant,
            open_runs=marks.open_runs(self.database, tenant),
            standing=Standings(self.database).of_tenant(tenant),
            asked=marks.asked(self.database, tenant),
            revoked=self.ledger.revocations_for(tenant),
            told=Replicas(self.database).of_tenant(tenant),
            deployed=Appliances(self.database).all(tenant),
            certified=self.ledger.servers_of(tenant),
        )
        return VersionedResources(version=codec.digest(found), resources=found)


def within(handlers: Mapping[str, Handler]) -> Mapping[str, Handler]:
    """The handlers of runs, about the caller's tenant: no path here names one."""
    return {name: _within(handler) for name, handler in handlers.items()}


def _within(handler: Handler) -> Handler:
    async def scoped(ask: Ask) -> Answer | web.StreamResponse:
        starts = ask.route.name == tenant_routes.START_RUN.name
        if starts and routes.IDEMPOTENCY_KEY not in ask.headers and not ask.flag("dry_run"):
            raise malformed("send an Idempotency-Key: an answer may be lost, and nothing is started twice")
        return await handler(replace(ask, places={**ask.places, "tenant": ask.caller.tenant or ""}))

    return scoped
