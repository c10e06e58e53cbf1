"""The lab's provider as its controller is told of it: the inventory that says what the topology is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec.structs import replace

from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.provider import (
    Gateway,
    GatewayPool,
    HardwarePlan,
    Host,
    HostKind,
    NetworkClass,
    PlanNetwork,
    PublicPool,
    Storage,
    StorageKind,
    VlanPool,
)
from causeway_controller.contract.tenant import (
    FailoverPlan,
    PlanEntry,
    ProtectedVm,
    ReplicaVm,
    Static,
    SubscribedNetwork,
    Subscription,
    Tenant,
    TenantEnd,
    TenantNetwork,
    Uplink,
)
from causeway_controller.inventory import tenancy
from causeway_lab.world import numbering, topology
from causeway_lab.world.topology import Topology
from causeway_wire.types import Name, NetworkId, TenantId

HOST: Final[Name] = "sp"
SECOND_HOST: Final[Name] = "sp2"
SECOND_UPLINK: Final = numbering.sp(40)
_PLAN: Final[Name] = "two-networks"
_POOL: Final[Name] = "edge"
_VLANS: Final = 50
_MOST: Final = 4095
"""Public addresses of one IP version."""


def of(world: Topology, endpoint: str) -> Inventory:
    """Return the inventory of this world, whose hypervisor listens at `endpoint` (a URL).

    VLANs are handed out in the order of tenants and networks, which is the topology's.
    """
    classes = dict(_classes(world))
    return Inventory(
        hosts=(
            Host(
                id=HOST,
                kind=HostKind.LAB,
                endpoint=endpoint,
                storage=Storage(id="lab", kind=StorageKind.DIRECTORY),
            ),
        ),
        vlan_pools=tuple(
            VlanPool(
                id=kind.value,
                host=HOST,
                switch=topology.SWITCH,
                network_class=kind,
                first=first,
                last=first + _VLANS - 1,
            )
            for kind, first in zip(NetworkClass, topology.FIRST_VLANS, strict=True)
        ),
        public_pools=tuple(
            PublicPool(
                id=f"v{prefix.version}", first=prefix[2], last=prefix[min(prefix.num_addresses - 2, _MOST)]
            )
            for prefix in topology.PUBLIC_PREFIXES
        ),
        gateways=tuple(
            Gateway(
                id=one.id,
                host=HOST,
                public=one.public.addresses,
                inside=one.inside.addresses,
                gateways=one.public.gateways,
                public_network=topology.INTERNET,
                inside_network=topology.SP,
            )
            for one in world.gateways
        ),
        gateway_pools=(
            GatewayPool(
                id=_POOL, name=topology.GATEWAY_NAME, gateways=tuple(one.id for one in world.gateways)
            ),
        ),
        hardware_plans=(
            HardwarePlan(
                id=_PLAN,
                host=HOST,
                networks=tuple(PlanNetwork(id=name, network_class=kind) for name, kind in classes.items()),
            ),
        ),
        tenants=tuple(_tenant(tenant) for tenant in world.tenants.values()),
    )


def _classes(world: Topology) -> Iterator[tuple[NetworkId, NetworkClass]]:
    """The networks that every tenant has, and of which class they are."""
    for tenant in world.tenants.values():
        for network in tenant.networks.values():
            yield network.id, NetworkClass.INTERNET if network.internet else NetworkClass.ISOLATED


def _tenant(tenant: tenancy.Tenant) -> Tenant:
    uplink = tenant.server.uplink
    return Tenant(
        id=tenant.id,
        platform=HostKind.LAB,
        gateway_pool=_POOL,
        public_addresses=tenant.public_addresses,
        test_addresses=tenant.test_addresses,
        networks=tuple(
            TenantNetwork(
                id=network.id,
                prefixes=network.prefixes,
                gateways=network.gateways,
                tenant_end=TenantEnd(tunnel=network.tunnel),
            )
            for network in tenant.networks.values()
        ),
        subscriptions=(
            Subscription(
                plan=_PLAN,
                uplink=Uplink(
                    network=topology.SP, address=Static(addresses=uplink.addresses, gateways=uplink.gateways)
                ),
                networks=tuple(
                    SubscribedNetwork(
                        plan_network=network.id,
                        network=network.id,
                        extension=network.extension,
                        appliance_addresses=tenant.server.vlans[network.id].addresses,
                    )
                    for network in tenant.networks.values()
                ),
            ),
        ),
        vms=tuple(
            ProtectedVm(
                name=vm.name,
                network=vm.network,
                addresses=vm.addresses,
                macs=vm.macs,
                replica=ReplicaVm(host=HOST, vm_id=f"{tenant.id}/{vm.name}"),
            )
            for vm in tenant.vms.values()
        ),
        failover_plans=(
            FailoverPlan(
                id=tenant.plan_name,
                entries=tuple(PlanEntry(vm=planned.vm, delay=planned.delay) for planned in tenant.plan),
                routed=tenant.routed,
                rules=tenant.publications,
            ),
        ),
    )


def second_host(
    world: Topology, url: str, name: TenantId, *, entries: tuple[PlanEntry, ...] | None = None
) -> Inventory:
    """Return one tenant on another host beside the lab's own, with an uplink that nothing in the lab has.

    `entries` take the place of those of the lab's failover plan.
    """
    told = of(world, url)
    return replace(
        told,
        hosts=tuple(replace(host, id=SECOND_HOST) for host in told.hosts),
        vlan_pools=tuple(replace(pool, host=SECOND_HOST) for pool in told.vlan_pools),
        gateways=tuple(replace(gateway, host=SECOND_HOST) for gateway in told.gateways),
        hardware_plans=tuple(replace(plan, host=SECOND_HOST) for plan in told.hardware_plans),
        tenants=tuple(_moved(tenant, entries) for tenant in told.tenants if tenant.id == name),
    )


def _moved(tenant: Tenant, entries: tuple[PlanEntry, ...] | None) -> Tenant:
    (subscription,), (plan,) = tenant.subscriptions, tenant.failover_plans
    at = Static(addresses=SECOND_UPLINK, gateways=numbering.ips(numbering.sp(1)))
    uplink = replace(subscription.uplink, address=at)
    networks = tuple(replace(each, appliance_addresses=()) for each in subscription.networks)
    return replace(
        tenant,
        subscriptions=(replace(subscription, uplink=uplink, networks=networks),),
        vms=tuple(
            replace(vm, replica=ReplicaVm(host=SECOND_HOST, vm_id=f"{tenant.id}/{vm.name}"))
            for vm in tenant.vms
        ),
        failover_plans=(plan if entries is None else replace(plan, entries=entries),),
    )
