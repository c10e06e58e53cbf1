"""As `rules_in_use`, of a network of production at a tenant's controller: its appliance stays where it is."""

from __future__ import annotations

from msgspec import UNSET

from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.production import OwnNetwork
from causeway_controller.inventory.findings import Findings
from causeway_controller.inventory.in_use import InUse, refuse, unchanged
from causeway_controller.inventory.production import Place


def check(findings: Findings, inventory: Inventory, place: Place, use: InUse) -> None:
    """Note where the inventory changes what this network's failover or run rests on."""
    name, network = place.production.id, place.network.id
    for n, entry in enumerate(inventory.production):
        if entry.id != name:
            continue
        pointer = f"/production/{n}"
        if entry.tenant != place.tenant:
            refuse(findings, f"{pointer}/tenant", f"the tenant at provider {name} would be another", [use])
            return
        for m, one in enumerate(entry.networks):
            if one.id == network:
                _network(findings, place, one, f"{pointer}/networks/{m}", use)
                return
        refuse(findings, f"{pointer}/networks", f"network {network} would go", [use])
        return
    refuse(findings, "/production", f"provider {name} would go", [use])


def _network(findings: Findings, place: Place, now: OwnNetwork, pointer: str, use: InUse) -> None:
    was, what = place.network, f"network {now.id}"
    unchanged(findings, [use], was, now, "prefixes", pointer=pointer, what=what)
    if not set(was.gateways) <= set(now.gateways):
        refuse(findings, f"{pointer}/gateways", f"a gateway of {what} would go", [use])
    if now.appliance is UNSET:
        refuse(findings, f"{pointer}/appliance", f"the appliance of {what} would go", [use])
    else:
        members, what = ("host", "address", "extension"), f"the appliance of {what}"
        where = f"{pointer}/appliance"
        unchanged(findings, [use], place.appliance, now.appliance, *members, pointer=where, what=what)
