"""What controllers are told: a provider and a tenant on libvirt hosts whose bridges are the lab's. Pure."""

from __future__ import annotations

from typing import Any, Final

from msgspec.structs import replace

from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.provider import Host, HostKind, Storage, StorageKind
from causeway_controller.contract.tenant import ReplicaVm
from causeway_lab.assembly import two_sites
from causeway_lab.assembly.inventory import SECOND_HOST
from causeway_lab.world import namespaces, topology
from causeway_lab.world.topology import Topology
from causeway_wire.types import TenantId, VmName

HOST: Final = SECOND_HOST
SWITCH: Final = "bridge:br{vlan}"


def of(world: Topology, uri: str, pool: str, tenant: TenantId, replicas: dict[VmName, str]) -> Inventory:
    """Return the inventory; `replicas` are the UUIDs of their domains.

    A bridge's name ends in its segment's number, which so is the VLAN that a switch of that pattern finds.
    """
    told = two_sites.provider(world, uri, tenant)
    host = Host(
        id=HOST,
        kind=HostKind.LIBVIRT,
        endpoint=uri,
        storage=Storage(id=pool, kind=StorageKind.DIRECTORY),
    )
    (entry,) = told.tenants
    (subscription,) = entry.subscriptions
    uplink = replace(subscription.uplink, network=segment(world, topology.SP))
    (first, *_) = told.vlan_pools
    number = world.segments.index(topology.vlan_of(tenant, 0))
    return replace(
        told,
        hosts=(host,),
        vlan_pools=(replace(first, switch=SWITCH, first=number, last=number),),
        gateways=tuple(
            replace(
                one,
                public_network=segment(world, topology.INTERNET),
                inside_network=segment(world, topology.SP),
            )
            for one in told.gateways
        ),
        tenants=(
            replace(
                entry,
                platform=HostKind.LIBVIRT,
                subscriptions=(replace(subscription, uplink=uplink),),
                vms=tuple(
                    replace(vm, replica=ReplicaVm(host=HOST, vm_id=replicas[vm.name])) for vm in entry.vms
                ),
            ),
        ),
    )


def completed(proposed: dict[str, Any], world: Topology, uri: str, pool: str) -> dict[str, Any]:
    """Return the tenant's inventory: the proposal with its own libvirt host."""
    told = two_sites.completed(proposed, uri)
    storage = {"id": pool, "kind": StorageKind.DIRECTORY.value}
    hosts = [{**one, "kind": HostKind.LIBVIRT.value, "storage": storage} for one in told["hosts"]]
    production = [
        {**entry, "networks": [_placed(world, one) for one in entry["networks"]]}
        for entry in told["production"]
    ]
    return {"hosts": hosts, "production": production}


def _placed(world: Topology, network: dict[str, Any]) -> dict[str, Any]:
    appliance = network["appliance"]
    return {**network, "appliance": {**appliance, "network": segment(world, appliance["network"])}}


def segment(world: Topology, name: str) -> str:
    """As a vNIC on a libvirt host names it."""
    return f"bridge:{namespaces.bridge(name, world.segments)}"
