"""As `rules_in_use`, of a network of production at a tenant's controller: its appliance stays where it is."""

from __future__ import annotations

from msgspec import UNSET

from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.production import OwnNetwork
from causeway_controller.inventory import book
from causeway_controller.inventory.findings import Findings
from causeway_controller.inventory.in_use import InUse, refuse, unchanged
from causeway_controller.inventory.production import Place


def check(findings: Findings, inventory: Inventory, place: Place, use: InUse) -> None:
    """Note where the inventory changes what this network's failover or run rests on."""
    name, network = place.production.id, place.network.id
    there = book.placed(inventory.production, name)
    if there is None:
        refuse(findings, "/production", f"provider {name} would go", [use])
        return
    pointer, entry = f"/production/{there[0]}", there[1]
    found = book.placed(entry.networks, network)
    if entry.tenant != place.tenant:
        refuse(findings, f"{pointer}/tenant", f"the tenant at provider {name} would be another", [use])
    elif found is None:
        refuse(findings, f"{pointer}/networks", f"network {network} would go", [use])
    else:
        _network(findings, place, found[1], f"{pointer}/networks/{found[0]}", use)


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
