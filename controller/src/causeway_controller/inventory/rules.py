"""Every rule of the provider's inventory, asked when it is entered and not in a disaster.

Pure. Nothing raises before everything has been looked at: one answer names all that is wrong.
"""

from __future__ import annotations

from collections.abc import Iterable

from causeway_controller.contract.inventory import Inventory
from causeway_controller.inventory import (
    book,
    rules_apart,
    rules_change,
    rules_failover,
    rules_hyperv,
    rules_in_use,
    rules_libvirt,
    rules_production,
    rules_provider,
    rules_subscription,
    rules_tenant,
    rules_vsphere,
)
from causeway_controller.inventory.allocation import NOTHING, Allocation
from causeway_controller.inventory.findings import Findings
from causeway_controller.inventory.in_use import InUse
from causeway_wire.types import IPAddress, TenantId


def check(
    inventory: Inventory,
    *,
    before: Inventory | None = None,
    held: Allocation = NOTHING,
    in_use: Iterable[InUse] = (),
) -> Findings:
    """Everything wrong with the inventory, by itself and as a change of `before`.

    `held` is what tenants have been given so far, and `in_use` where failovers stand and runs are under way:
    a change may not take from them what they have.
    """
    findings = Findings()
    names = book.index(inventory)
    chosen: dict[TenantId, list[IPAddress]] = {}
    for lease in held.public:
        chosen.setdefault(lease.tenant, []).append(lease.address)
    rules_provider.check(findings, inventory, names)
    rules_production.check(findings, inventory, names)
    for place, tenant in enumerate(inventory.tenants):
        pointer = f"/tenants/{place}"
        rules_tenant.check(findings, tenant, names, pointer)
        rules_subscription.check(findings, tenant, names, pointer)
        rules_failover.check(findings, tenant, names, chosen.get(tenant.id, ()), pointer)
    rules_libvirt.check(findings, inventory, names)
    rules_vsphere.check(findings, inventory)
    rules_hyperv.check(findings, inventory, names)
    rules_apart.check(findings, inventory, names, held)
    if before is not None:
        rules_change.check(findings, inventory, before)
        rules_in_use.check(findings, inventory, before, in_use)
    return findings
