"""The inventory of a provider, whole: what `apply` sends, `export` answers and git keeps."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from causeway_controller.contract.production import Production
from causeway_controller.contract.provider import (
    Gateway,
    GatewayPool,
    HardwarePlan,
    Host,
    PublicPool,
    VlanPool,
)
from causeway_controller.contract.tenant import Tenant
from causeway_wire.desired import Document


class Inventory(Document, frozen=True, kw_only=True):
    """Everything a provider entered. Names are unique within their list; what refers, refers by name."""

    hosts: Annotated[tuple[Host, ...], Meta(max_length=1000)] = ()
    vlan_pools: Annotated[tuple[VlanPool, ...], Meta(max_length=10_000)] = ()
    public_pools: Annotated[tuple[PublicPool, ...], Meta(max_length=10_000)] = ()
    gateways: Annotated[tuple[Gateway, ...], Meta(max_length=1000)] = ()
    gateway_pools: Annotated[tuple[GatewayPool, ...], Meta(max_length=1000)] = ()
    hardware_plans: Annotated[tuple[HardwarePlan, ...], Meta(max_length=1000)] = ()
    production: Annotated[tuple[Production, ...], Meta(max_length=64)] = ()
    """At a tenant's controller: its own networks, by the provider that extends them."""
    tenants: Annotated[tuple[Tenant, ...], Meta(max_length=10_000)] = ()
