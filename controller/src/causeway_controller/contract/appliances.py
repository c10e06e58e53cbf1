"""Appliances that were deployed."""

from __future__ import annotations

from msgspec import Struct

from causeway_wire.types import ApplianceId, Name, TenantId


class DeployedAppliance(Struct, frozen=True, kw_only=True):
    """An appliance that runs, is enrolled, and has its document."""

    appliance: ApplianceId
    tenant: TenantId
    host: Name
