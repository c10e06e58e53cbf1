"""The lab as a provider with a second host: inventory for a controller that is a stranger to the lab."""

from __future__ import annotations

from ipaddress import ip_interface

from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.tenant import PlanEntry, ReplicaVm, Static, Tenant
from causeway_lab.assembly import inventory
from causeway_lab.world import numbering
from causeway_lab.world.topology import Topology
from tests.provider_inventory import with_

TENANT, HOST = "acme", "sp2"
APPLIANCE = "acme-sp2"
UPLINK = ip_interface("10.10.0.40/24")


def second_host(world: Topology, url: str, *, entries: tuple[PlanEntry, ...] | None = None) -> Inventory:
    """The lab's inventory with another name of the host, one tenant, and an appliance with an uplink of its
    own; `entries` of the failover plan, in place of the lab's.
    """
    told = inventory.of(world, url)
    return with_(
        told,
        hosts=tuple(with_(host, id=HOST) for host in told.hosts),
        vlan_pools=tuple(with_(pool, host=HOST) for pool in told.vlan_pools),
        gateways=tuple(with_(gateway, host=HOST) for gateway in told.gateways),
        hardware_plans=tuple(with_(plan, host=HOST) for plan in told.hardware_plans),
        tenants=tuple(_moved(tenant, entries) for tenant in told.tenants if tenant.id == TENANT),
    )


def _moved(tenant: Tenant, entries: tuple[PlanEntry, ...] | None) -> Tenant:
    (subscription,), (plan,) = tenant.subscriptions, tenant.failover_plans
    at = Static(addresses=(UPLINK,), gateways=(numbering.sp(1)[0].ip,))
    return with_(
        tenant,
        subscriptions=(
            with_(
                subscription,
                uplink=with_(subscription.uplink, address=at),
                networks=tuple(with_(each, appliance_addresses=()) for each in subscription.networks),
            ),
        ),
        vms=tuple(with_(vm, replica=ReplicaVm(host=HOST, vm_id=f"{TENANT}/{vm.name}")) for vm in tenant.vms),
        failover_plans=(plan if entries is None else with_(plan, entries=entries),),
    )
