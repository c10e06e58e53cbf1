"""What two controllers in the lab are told: a provider's, and a tenant's own. Pure.

The provider has a host and a cloud gateway of its own beside those of the lab; the tenant has the appliances
that its controller proposes.
"""

from __future__ import annotations

from typing import Any, Final

from msgspec.structs import replace

from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.provider import Gateway, HostKind
from causeway_lab.assembly import inventory
from causeway_lab.assembly.inventory import SECOND_HOST
from causeway_lab.world import numbering, topology
from causeway_lab.world.topology import Topology
from causeway_wire.desired import Extension
from causeway_wire.types import Name, TenantId

EDGE: Final[Name] = "edge9"
"""The provider's cloud gateway."""
OWN_HOST: Final[Name] = "own"
"""The tenant's."""
_EDGE, _VLAN, _OWN, _ROUTER = 60, 252, 240, 1
"""Hosts' numbers in their networks that nothing of the lab has."""


def provider(world: Topology, url: str, tenant: TenantId) -> Inventory:
    """Return a provider's inventory of one tenant, on a host whose hypervisor listens at `url`."""
    told = inventory.second_host(world, url, tenant)
    edge = Gateway(
        id=EDGE,
        host=SECOND_HOST,
        public=numbering.internet(_EDGE),
        inside=numbering.sp(_EDGE),
        gateways=numbering.ips(numbering.internet(_ROUTER)),
        public_network=topology.INTERNET,
        inside_network=topology.SP,
    )
    (entry,) = told.tenants
    (subscription,) = entry.subscriptions
    networks = tuple(
        each
        if each.extension is Extension.BRIDGED
        else replace(each, appliance_addresses=numbering.production(k, _VLAN))
        for k, each in enumerate(subscription.networks)
    )
    return replace(
        told,
        gateways=(edge,),
        gateway_pools=tuple(replace(pool, gateways=(EDGE,)) for pool in told.gateway_pools),
        tenants=(replace(entry, subscriptions=(replace(subscription, networks=networks),)),),
    )


def completed(proposed: dict[str, Any], url: str) -> dict[str, Any]:
    """Return the proposal of `causeway appliance proposed` with what only the tenant's site knows."""
    host = {"id": OWN_HOST, "kind": HostKind.LAB.value, "endpoint": url, "storage": {"id": "lab"}}
    production = [
        {**entry, "networks": [_placed(entry["tenant"], k, one) for k, one in enumerate(entry["networks"])]}
        for entry in proposed["production"]
    ]
    return {"hosts": [host], "production": production}


def _placed(tenant: TenantId, k: int, network: dict[str, Any]) -> dict[str, Any]:
    addresses = [str(one) for one in numbering.production(k, _OWN)]
    own = {
        **network["appliance"],
        "host": OWN_HOST,
        "network": f"{tenant}-{network['id']}",
        "address": {**network["appliance"]["address"], "addresses": addresses},
    }
    return {**network, "appliance": own}
