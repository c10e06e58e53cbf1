"""Rules of a change: what was given to tenants is not taken away or moved by an edit."""

from __future__ import annotations

from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.provider import HardwarePlan
from causeway_controller.inventory import book as names_of
from causeway_controller.inventory.findings import Findings, some
from causeway_wire.problem import ProblemType
from causeway_wire.types import Name, TenantId

_NAMES = 4


def check(findings: Findings, inventory: Inventory, before: Inventory) -> None:
    """Note where the inventory takes from tenants what `before` gave them.

    A subscription that ends gives its VLANs back; a plan or a host that is removed with all that refers to it
    may go.
    """
    plans, subscribers = names_of.index(before).plans, _subscribers(inventory, before)
    for place, plan in enumerate(inventory.hardware_plans):
        if plan.id in plans:
            held = sorted(subscribers.get(plan.id, ()))
            _plan(findings, plan, plans[plan.id], held, f"/hardware_plans/{place}")


def _subscribers(inventory: Inventory, before: Inventory) -> dict[Name, set[TenantId]]:
    """Tenants that had a plan and go on having it, by plan."""
    had = {(entry.plan, tenant.id) for tenant in before.tenants for entry in tenant.subscriptions}
    found: dict[Name, set[TenantId]] = {}
    for tenant in inventory.tenants:
        for entry in tenant.subscriptions:
            if (entry.plan, tenant.id) in had:
                found.setdefault(entry.plan, set()).add(tenant.id)
    return found


def _plan(
    findings: Findings, plan: HardwarePlan, before: HardwarePlan, subscribers: list[str], pointer: str
) -> None:
    """Networks are added to a plan and never taken from it; subscribers' stay where they are."""
    networks = names_of.plan_networks(plan)
    gone = [entry.id for entry in before.networks if entry.id not in networks]
    if gone:
        detail = (
            f"networks of a plan only grow, and {', '.join(gone)} would go; keep it, or make another plan"
        )
        findings.add(ProblemType.INVALID, f"{pointer}/networks", detail)
    if not subscribers:
        return
    whose = f"the VLANs of {some(subscribers, most=_NAMES)}"
    if plan.host != before.host:
        detail = f"{whose} are on host {before.host} and would move; make another plan on {plan.host}"
        findings.add(ProblemType.INVALID, f"{pointer}/host", detail)
    classes = {entry.id: entry.network_class for entry in before.networks}
    for n, entry in enumerate(plan.networks):
        if classes.get(entry.id, entry.network_class) is not entry.network_class:
            detail = f"{whose} are of class {classes[entry.id].value} and would move; add another network"
            findings.add(ProblemType.INVALID, f"{pointer}/networks/{n}/network_class", detail)
