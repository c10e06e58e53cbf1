"""Which appliances a provider needs: one per tenant and host, with a vNIC for each VLAN (seed)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.tenant import Adapters, Subscription, Tenant, Uplink
from causeway_controller.inventory import book
from causeway_controller.inventory.allocation import TRUNK, UPLINK
from causeway_controller.inventory.book import Book
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.types import ApplianceId, Name, NetworkId, TenantId

_NAME_LENGTH: Final = 63
"""Of a name (`types.NAME_PATTERN`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NeededNetwork:
    """A network of a plan that the appliance reaches, and where the subscription stands in its tenant."""

    plan: Name
    network: NetworkId
    subscription: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NeededAppliance:
    """The appliance of one tenant on one host."""

    tenant: TenantId
    host: Name
    uplink: Uplink
    trunk: bool
    networks: tuple[NeededNetwork, ...]

    @property
    def id(self) -> ApplianceId:
        """Its name, from those of tenant and host: readable where there is room, and always the same."""
        whole = f"{self.tenant}-{self.host}"
        if len(whole) <= _NAME_LENGTH:
            return whole
        return f"{whole[: _NAME_LENGTH - 9]}-{hashlib.sha256(whole.encode()).hexdigest()[:8]}"

    @property
    def subscription(self) -> int:
        """Where the tenant's first subscription on the host stands."""
        return self.networks[0].subscription

    @property
    def adapters(self) -> tuple[str, ...]:
        """Names of its vNICs, the uplink's first."""
        if self.trunk:
            return (UPLINK, TRUNK)
        return (UPLINK, *(f"{entry.plan}/{entry.network}" for entry in self.networks))


def of_tenant(tenant: Tenant, names: Book) -> Iterator[NeededAppliance]:
    """The tenant's appliances, in the order in which their hosts are first subscribed on."""
    by_host: dict[Name, list[tuple[int, Subscription]]] = {}
    for place, subscription, plan in names.subscribed(tenant):
        by_host.setdefault(plan.host, []).append((place, subscription))
    for host, subscriptions in by_host.items():
        yield NeededAppliance(
            tenant=tenant.id,
            host=host,
            uplink=subscriptions[0][1].uplink,
            trunk=subscriptions[0][1].adapters is Adapters.TRUNK,
            networks=tuple(
                NeededNetwork(plan=subscription.plan, network=network.id, subscription=place)
                for place, subscription in subscriptions
                for network in names.plans[subscription.plan].networks
            ),
        )


def networks_elsewhere(names: Book, tenant: TenantId, host: Name) -> frozenset[NetworkId]:
    """Return the tenant's production networks that its appliances on other hosts carry."""
    entry = names.tenants.get(tenant)
    return frozenset(
        each.network
        for _, subscription, plan in (() if entry is None else names.subscribed(entry))
        if plan.host != host
        for each in subscription.networks
    )


def of_tenant_on(names: Book, tenant: TenantId, host: Name) -> NeededAppliance:
    """Return the tenant's appliance on the host. Raises ProblemError (`not-found`) when none is needed."""
    entry = names.tenants.get(tenant)
    for appliance in () if entry is None else of_tenant(entry, names):
        if appliance.host == host:
            return appliance
    detail = f"tenant {tenant} has no subscription on host {host}; enter one, or name another host"
    raise ProblemError(problem(ProblemType.NOT_FOUND, detail))


def needed(inventory: Inventory) -> tuple[NeededAppliance, ...]:
    """The provider's appliances for all tenants."""
    names = book.index(inventory)
    return tuple(each for tenant in inventory.tenants for each in of_tenant(tenant, names))
