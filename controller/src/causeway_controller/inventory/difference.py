"""From one inventory to another: entries, appliances and what tenants are given, compared. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from typing import Any, Final

import msgspec

from causeway_controller.contract.change import (
    Act,
    ChangedAppliance,
    ChangedEntry,
    ChangedLease,
    InventoryChange,
)
from causeway_controller.contract.inventory import Inventory
from causeway_controller.inventory import filling, production
from causeway_controller.inventory.allocation import (
    Allocation,
    MacLease,
    PublicLease,
    TunnelLease,
    VlanLease,
)

LEASES: Final = ("vlans", "macs", "tunnels", "public")
"""Members of `Allocation`."""


def between(
    before: tuple[Inventory, Allocation], after: tuple[Inventory, Allocation], *, revision: int
) -> InventoryChange:
    """Return everything that differs, in the order of the documents."""
    return InventoryChange(
        revision=revision,
        entries=tuple(_entries(before[0], after[0])),
        appliances=tuple(_appliances(before[0], after[0])),
        leases=tuple(_leases(before[1], after[1])),
        fills=tuple(filling.find(*after)),
    )


def words(lease: msgspec.Struct) -> str:
    """Return what has been given, in words."""
    match lease:
        case VlanLease():
            return (
                f"VLAN {lease.vlan} of switch {lease.switch} on {lease.host} for {lease.plan}/{lease.network}"
            )
        case MacLease():
            return f"MAC address {lease.mac} for adapter {lease.adapter} on {lease.host}"
        case TunnelLease():
            return f"port {lease.port} for the tunnel of {lease.network}"
        case PublicLease():
            return f"public address {lease.address}"
        case _:
            raise TypeError(type(lease).__name__)


def _entries(before: Inventory, after: Inventory) -> Iterator[ChangedEntry]:
    for kind in msgspec.structs.asdict(after):
        old = {entry.id: entry for entry in getattr(before, kind)}
        new = {entry.id: entry for entry in getattr(after, kind)}
        for name, act in _acts(old, new):
            yield ChangedEntry(act=act, kind=kind, id=name)


def _appliances(before: Inventory, after: Inventory) -> Iterator[ChangedAppliance]:
    old = {(one.tenant, one.host): one.adapters for one in production.needed(before)}
    new = {(one.tenant, one.host): one.adapters for one in production.needed(after)}
    for (tenant, host), act in _acts(old, new):
        adapters = old[tenant, host] if act is Act.REMOVED else new[tenant, host]
        yield ChangedAppliance(act=act, tenant=tenant, host=host, adapters=adapters)


def _leases(before: Allocation, after: Allocation) -> Iterator[ChangedLease]:
    for kind in LEASES:
        old = {lease: lease for lease in getattr(before, kind)}
        new = {lease: lease for lease in getattr(after, kind)}
        for lease, act in _acts(old, new):
            yield ChangedLease(act=act, kind=kind, tenant=lease.tenant, what=words(lease))


def _acts(old: Mapping[Any, Hashable], new: Mapping[Any, Hashable]) -> Iterator[tuple[Any, Act]]:
    """What becomes of each key: what goes first, then what comes or changes."""
    yield from ((key, Act.REMOVED) for key in old if key not in new)
    for key, value in new.items():
        if key not in old:
            yield key, Act.ADDED
        elif old[key] != value:
            yield key, Act.CHANGED
