"""References to a tenant's machines, for steps."""

from __future__ import annotations

from causeway_controller.failover.inventory import Network, Tenant
from causeway_controller.failover.steps import MachineKind, MachineRef
from causeway_wire.types import VmName


def provider(tenant: Tenant) -> MachineRef:
    """The provider's appliance."""
    return MachineRef(kind=MachineKind.PROVIDER_APPLIANCE, tenant=tenant.id, name=tenant.provider.id)


def appliance(tenant: Tenant, network: Network) -> MachineRef:
    """The tenant's appliance of this network."""
    name = tenant.appliances[network.id].id
    return MachineRef(kind=MachineKind.TENANT_APPLIANCE, tenant=tenant.id, name=name)


def replica(tenant: Tenant, vm: VmName) -> MachineRef:
    """A VM's replica."""
    return MachineRef(kind=MachineKind.REPLICA, tenant=tenant.id, name=vm)
