"""Appliances and gateways that the inventory needs and that nobody has deployed yet. Pure.

An appliance that a failover plan needs is a trouble: better found out before the disaster. Others are worth a
notice, and so are gateways, which full failover does without.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from msgspec import UNSET

from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.tenant import Tenant
from causeway_controller.inventory import book, production
from causeway_controller.inventory.health import NOBODY, Deployed
from causeway_wire.types import ApplianceId, Name, TenantId

_Place = tuple[TenantId, Name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Undeployed:
    """One of them."""

    subject: str
    detail: str
    """With the command that deploys it."""
    wanted: bool
    """Whether a failover plan needs it."""


def find(inventory: Inventory, deployed: Iterable[Deployed]) -> tuple[Undeployed, ...]:
    """Return them, those that are wanted first."""
    there = {(one.tenant, one.host) for one in deployed}
    found = [*_gateways(inventory, there), *_appliances(inventory, there)]
    return tuple(sorted(found, key=lambda one: not one.wanted))


def _appliances(inventory: Inventory, there: Collection[_Place]) -> Iterator[Undeployed]:
    tenants = book.index(inventory).tenants
    for one in production.needed(inventory):
        if (one.tenant, one.host) in there:
            continue
        tenant = tenants.get(one.tenant)
        plans = [] if tenant is None else sorted(_plans(tenant, one.host))
        needs = f" and failover plan {plans[0]} needs it" if plans else ""
        yield Undeployed(
            subject=f"{one.tenant} on {one.host}",
            detail=f"is not deployed{needs}: `causeway appliance deploy {one.tenant} {one.host}`",
            wanted=bool(plans),
        )


def _plans(tenant: Tenant, host: Name) -> Iterator[Name]:
    """The tenant's failover plans that start a replica on the host."""
    here = {vm.name for vm in tenant.vms if vm.replica is not UNSET and vm.replica.host == host}
    for plan in tenant.failover_plans:
        if any(entry.vm in here for entry in plan.entries):
            yield plan.id


def _gateways(inventory: Inventory, there: Collection[_Place]) -> Iterator[Undeployed]:
    """Those of a pool that has none at all keep its tenants from partial failover, and say so."""
    served = {tenant for tenant, _ in there}
    pools = {one.gateway_pool for one in inventory.tenants if one.id in served and _has_tunnels(one)}
    for gateway in inventory.gateways:
        if (NOBODY, gateway.id) in there:
            continue
        waiting = [
            pool.id
            for pool in inventory.gateway_pools
            if pool.id in pools and gateway.id in pool.gateways and not _any(pool.gateways, there)
        ]
        needs = (
            f" and pool {waiting[0]} has no other, so that its tenants have no partial failover"
            if waiting
            else ""
        )
        yield Undeployed(
            subject=f"gateway {gateway.id}",
            detail=f"is not deployed{needs}: `causeway gateway deploy {gateway.id}`",
            wanted=False,
        )


def _has_tunnels(tenant: Tenant) -> bool:
    return any(network.tenant_end is not UNSET for network in tenant.networks)


def _any(gateways: Iterable[ApplianceId], there: Collection[_Place]) -> bool:
    return any((NOBODY, one) in there for one in gateways)
