"""A tenant's own production networks, at the tenant's controller: where its appliances stand."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from causeway_controller.contract.provider import ForeignId
from causeway_controller.contract.tenant import Assignment, Starter
from causeway_wire.desired import Document, Extension, PerVersion, Prefixes
from causeway_wire.types import Name, NetworkId, TenantId


class OwnAppliance(Document, frozen=True, kw_only=True):
    """The appliance of a production network: one for each (seed)."""

    host: Name
    """Of the inventory's hosts, on which production's VMs run."""
    network: ForeignId
    """The hypervisor's network or port group that is the production network."""
    address: Assignment
    """Its own address in the network."""
    extension: Extension = Extension.ROUTED
    """As the provider extends the network. `bridged` gives it a second vNIC there, without addresses."""


class OwnNetwork(Document, frozen=True, kw_only=True):
    """An IP network of production."""

    id: NetworkId
    """As the provider calls it."""
    prefixes: Prefixes
    gateways: PerVersion = ()
    appliance: OwnAppliance | UnsetType = UNSET
    """Omitted by who plans no partial failover of this network (seed): full failover needs none."""


class Production(Document, frozen=True, kw_only=True):
    """The networks that a provider extends."""

    id: Name
    """The provider, as `causeway provider list` shows it."""
    tenant: TenantId
    """Who this site is there."""
    networks: Annotated[tuple[OwnNetwork, ...], Meta(max_length=128)] = ()
    partial_failover_by: Annotated[tuple[Starter, ...], Meta(min_length=1, max_length=2)] = (Starter.TENANT,)
    """Whose staff may begin and end partial failovers. It is this site's controller that does them."""
