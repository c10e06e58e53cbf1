"""Handlers of the inventory, of tenants, and of the appliances that they need."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping

import msgspec

from causeway_controller.api import tags
from causeway_controller.api.callers import Caller, no_tenant
from causeway_controller.api.exchange import Answer, Ask, Handler
from causeway_controller.contract import routes
from causeway_controller.contract.change import (
    ApplianceNeeded,
    AppliancesNeeded,
    TenantReport,
    Tenants,
    TenantSummary,
)
from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.tenant import Tenant
from causeway_controller.inventory import book, difference, production
from causeway_controller.inventory.allocation import Allocation
from causeway_controller.store.inventories import Inventories, Stored
from causeway_wire.problem import ProblemError, ProblemType, problem


class InventoryHandlers:
    """Reads and replaces the inventory in the store."""

    def __init__(self, inventories: Inventories) -> None:
        self._inventories = inventories

    def handlers(self) -> Mapping[str, Handler]:
        """By the names of their routes."""
        return {
            routes.GET_INVENTORY.name: self.get,
            routes.PUT_INVENTORY.name: self.put,
            routes.TENANTS.name: self.tenants,
            routes.TENANT.name: self.tenant,
            routes.APPLIANCES.name: self.appliances,
        }

    async def get(self, ask: Ask) -> Answer:
        """The inventory in force, unless the caller has it."""
        stored = await asyncio.to_thread(self._inventories.load)
        tag = etag(stored.revision)
        if tags.has(ask.headers, tag):
            return Answer(status=304, headers={routes.ETAG: tag})
        return Answer(document=stored.inventory, headers={routes.ETAG: tag})

    async def put(self, ask: Ask) -> Answer:
        """Replace the inventory, or say what that would change."""
        wanted, match = ask.document(Inventory), ask.headers.get(routes.IF_MATCH)
        dry = ask.flag("dry_run")
        if match is None and not dry:
            detail = "send If-Match with the ETag of the inventory that this one replaces (GET shows it)"
            raise ProblemError(problem(ProblemType.PRECONDITION_REQUIRED, detail))
        return await asyncio.to_thread(self._put, wanted, match, dry=dry, actor=ask.caller.name)

    def _put(self, wanted: Inventory, match: str | None, *, dry: bool, actor: str) -> Answer:
        before = self._inventories.load()
        if match is not None:
            _check(before, wanted, match)
        if dry:
            given = self._inventories.tried(wanted, before=before)
            return _changed(before, (wanted, given), before.revision)
        after = self._inventories.replace(wanted, expected=before.revision, actor=actor)
        return _changed(before, (after.inventory, after.allocation), after.revision)

    async def tenants(self, ask: Ask) -> Answer:
        """A line for each tenant that the caller sees."""
        stored = await self._load(ask.caller)
        names = book.index(stored.inventory)
        told = (_summary(tenant, names) for tenant in _seen(stored, ask.caller))
        return Answer(document=Tenants(tenants=tuple(told)))

    async def tenant(self, ask: Ask) -> Answer:
        """One tenant with all that is theirs."""
        name = ask.places["tenant"]
        ask.caller.see(name)
        stored = await asyncio.to_thread(self._inventories.of_tenant, name)
        if not stored.inventory.tenants:
            raise no_tenant(name)
        report = TenantReport(
            tenant=stored.inventory.tenants[0],
            appliances=_needed(stored, ask.caller),
            leases=tuple(_leases(stored.allocation)),
        )
        return Answer(document=report)

    async def appliances(self, ask: Ask) -> Answer:
        """The appliances of the tenants that the caller sees."""
        stored = await self._load(ask.caller)
        return Answer(document=AppliancesNeeded(appliances=_needed(stored, ask.caller)))

    async def _load(self, caller: Caller) -> Stored:
        if caller.tenant is None:
            return await asyncio.to_thread(self._inventories.load)
        return await asyncio.to_thread(self._inventories.of_tenant, caller.tenant)


def etag(revision: int) -> str:
    """The strong entity tag of a revision."""
    return tags.strong(str(revision))


def _check(before: Stored, wanted: Inventory, match: str) -> None:
    """Raises ProblemError (`precondition-failed`) unless the tags name the inventory in force.

    Not where that is the wanted one already: the answer to the request that entered it may have been lost
    (RFC 9110, 13.1.1).
    """
    if tags.names(match, etag(before.revision)) or before.inventory == wanted:
        return
    detail = f"the inventory is at revision {before.revision}; read it again and repeat the change there"
    raise ProblemError(problem(ProblemType.PRECONDITION_FAILED, detail, pointer="", revision=before.revision))


def _changed(before: Stored, after: tuple[Inventory, Allocation], revision: int) -> Answer:
    change = difference.between((before.inventory, before.allocation), after, revision=revision)
    return Answer(document=change, headers={routes.ETAG: etag(revision)})


def _seen(stored: Stored, caller: Caller) -> Iterator[Tenant]:
    return (tenant for tenant in stored.inventory.tenants if caller.sees(tenant.id))


def _summary(tenant: Tenant, names: book.Book) -> TenantSummary:
    hosts = dict.fromkeys(plan.host for _, _, plan in names.subscribed(tenant))
    return TenantSummary(
        id=tenant.id,
        description=tenant.description,
        hosts=tuple(hosts),
        networks=len(tenant.networks),
        vms=len(tenant.vms),
    )


def _needed(stored: Stored, caller: Caller) -> tuple[ApplianceNeeded, ...]:
    return tuple(one for one in production.needed(stored.inventory) if caller.sees(one.tenant))


def _leases(allocation: Allocation) -> Iterator[str]:
    given: dict[str, tuple[msgspec.Struct, ...]] = msgspec.structs.asdict(allocation)
    return (difference.words(lease) for kind in difference.LEASES for lease in given[kind])
