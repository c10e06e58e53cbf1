"""What an inventory would change, or has changed: entries, appliances, what tenants are given."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from causeway_controller.contract.tenant import Tenant
from causeway_wire.types import Name, TenantId


class Act(StrEnum):
    """What becomes of something."""

    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"


class ChangedEntry(Struct, frozen=True, kw_only=True):
    """An entry of one of the inventory's lists."""

    act: Act
    kind: str
    """The list: `hosts`, `tenants`, ..."""
    id: Name


class ApplianceNeeded(Struct, frozen=True, kw_only=True):
    """The appliance of a tenant on a host, with its vNICs, the uplink's first."""

    tenant: TenantId
    host: Name
    adapters: tuple[str, ...]


class AppliancesNeeded(Struct, frozen=True, kw_only=True):
    """The appliances that the inventory needs; of a tenant's own site the host is the network."""

    appliances: tuple[ApplianceNeeded, ...]


class ChangedAppliance(Struct, frozen=True, kw_only=True):
    """An appliance that is needed, no longer needed, or needed with other vNICs."""

    act: Act
    tenant: TenantId
    host: Name
    adapters: tuple[str, ...]


class ChangedLease(Struct, frozen=True, kw_only=True):
    """Something out of a pool that a tenant is given (`added`) or gives back (`removed`)."""

    act: Act
    kind: str
    """`vlans`, `macs`, `tunnels` or `public`."""
    tenant: TenantId
    what: str
    """Which, in words."""


class Filling(Struct, frozen=True, kw_only=True):
    """A pool or a list of the inventory that is nearly full: no problem yet, and worth another one."""

    pointer: str
    """RFC 6901, into the inventory."""
    used: Annotated[int, Meta(ge=0)]
    most: Annotated[int, Meta(ge=0)]
    detail: str
    """What of it is used, and what to do."""


class InventoryChange(Struct, frozen=True, kw_only=True):
    """From the inventory in force to another one."""

    revision: Annotated[int, Meta(ge=0)]
    """The one in force now: of a dry run the one before, else the new one."""
    entries: tuple[ChangedEntry, ...]
    appliances: tuple[ChangedAppliance, ...]
    leases: tuple[ChangedLease, ...]
    fills: tuple[Filling, ...] = ()
    """What is nearly full in the inventory that is entered, or would be."""


class TenantReport(Struct, frozen=True, kw_only=True):
    """A tenant: what was entered, and what it needs and has."""

    tenant: Tenant
    appliances: tuple[ApplianceNeeded, ...]
    leases: tuple[str, ...]
    """What the tenant has been given, in words."""


class TenantSummary(Struct, frozen=True, kw_only=True):
    """A tenant in a line."""

    id: TenantId
    description: str
    hosts: tuple[Name, ...]
    networks: int
    vms: int


class Tenants(Struct, frozen=True, kw_only=True):
    """The tenants that the caller may see."""

    tenants: tuple[TenantSummary, ...]
