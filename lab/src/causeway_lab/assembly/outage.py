"""A site's disaster in the lab: a tenant's router, appliances and VMs lose their power, and get it back."""

from __future__ import annotations

import asyncio

from causeway_lab.assembly.lab import Lab
from causeway_lab.world import namespaces
from causeway_lab.world.steps import step
from causeway_lab.world.topology import original_of
from causeway_wire.types import TenantId


async def cut_site(lab: Lab, tenant: TenantId) -> None:
    """Everything of the tenant's production site loses its power; its controller too is beyond reach."""
    found = lab.tenant(tenant)
    with step(f"Cut the power of {tenant}'s whole site", lab.listener):
        namespaces.unplug(lab.topology.machines[lab.topology.routers[tenant]])
        await asyncio.gather(
            *(lab.machines.power_off(original_of(tenant, vm)) for vm in found.vms),
            *(
                lab.hypervisor.power(appliance.id, on=False, grace=0)
                for appliance in found.appliances.values()
            ),
        )


async def restore_site(lab: Lab, tenant: TenantId) -> None:
    """Router and appliances have power again; VMs stay off while their replicas run."""
    found = lab.tenant(tenant)
    with step(f"Power on the router and the appliances of {tenant}'s site", lab.listener):
        namespaces.plug(lab.topology.machines[lab.topology.routers[tenant]])
        await asyncio.gather(
            *(lab.hypervisor.power(appliance.id, on=True, grace=0) for appliance in found.appliances.values())
        )


async def restore_vms(lab: Lab, tenant: TenantId) -> None:
    """The production VMs whose replicas do not run have power again."""
    found = lab.tenant(tenant)
    running = lab.mode(tenant).vms
    with step(f"Power on {tenant}'s VMs in production", lab.listener):
        await asyncio.gather(
            *(lab.machines.power_on(original_of(tenant, vm)) for vm in found.vms if vm not in running)
        )
