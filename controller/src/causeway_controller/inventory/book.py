"""An inventory by name: what the rules look up. Of two entries with one name the first counts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.provider import Gateway, GatewayPool, HardwarePlan, Host, PlanNetwork
from causeway_controller.contract.tenant import Subscription, Tenant, TenantNetwork
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.types import ApplianceId, Name, NetworkId, TenantId

_TOLD: Final = 10
"""Names in a sentence."""


@dataclass(frozen=True, slots=True)
class Book:
    """The entries that others refer to."""

    hosts: Mapping[Name, Host]
    plans: Mapping[Name, HardwarePlan]
    gateways: Mapping[ApplianceId, Gateway]
    gateway_pools: Mapping[Name, GatewayPool]
    tenants: Mapping[TenantId, Tenant]

    def subscribed(self, tenant: Tenant) -> Iterator[tuple[int, Subscription, HardwarePlan]]:
        """The tenant's subscriptions to plans that exist, with their places."""
        for index, subscription in enumerate(tenant.subscriptions):
            plan = self.plans.get(subscription.plan)
            if plan is not None:
                yield index, subscription, plan


def index(inventory: Inventory) -> Book:
    """Look-up tables of the inventory."""
    return Book(
        hosts={entry.id: entry for entry in reversed(inventory.hosts)},
        plans={entry.id: entry for entry in reversed(inventory.hardware_plans)},
        gateways={entry.id: entry for entry in reversed(inventory.gateways)},
        gateway_pools={entry.id: entry for entry in reversed(inventory.gateway_pools)},
        tenants={entry.id: entry for entry in reversed(inventory.tenants)},
    )


class Entry(Protocol):
    """What others refer to."""

    @property
    def id(self) -> str:
        """Its name."""


One = TypeVar("One", bound=Entry)


def placed(entries: Iterable[One], name: str) -> tuple[int, One] | None:
    """Return the first entry of this name, behind its place among them; None where there is none."""
    return next(((n, one) for n, one in enumerate(entries) if one.id == name), None)


def host(names: Book, name: Name) -> Host:
    """Return the host of this name. Raises ProblemError (`not-found`), which says what hosts there are."""
    found = names.hosts.get(name)
    if found is None:
        there = ", ".join(list(names.hosts)[::-1][:_TOLD]) or "none"  # in the order of the inventory
        detail = f"the inventory has no host {name}; it has {there}"
        raise ProblemError(problem(ProblemType.NOT_FOUND, detail))
    return found


def networks(tenant: Tenant) -> Mapping[NetworkId, TenantNetwork]:
    """The tenant's production networks by name."""
    return {entry.id: entry for entry in reversed(tenant.networks)}


def plan_networks(plan: HardwarePlan) -> Mapping[NetworkId, PlanNetwork]:
    """The plan's networks by name."""
    return {entry.id: entry for entry in reversed(plan.networks)}
