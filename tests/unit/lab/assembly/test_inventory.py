"""What the lab's controller is told of the lab is the lab."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network

import pytest

from causeway_controller.inventory.entry import enter
from causeway_controller.inventory.tenancy import GatewayCredentials
from causeway_controller.inventory.views import Known, tenancy
from causeway_lab.assembly import inventory
from causeway_lab.world import topology
from causeway_wire.desired import Extension

KNOWN = Known(
    controllers=(ip_network("10.10.0.2/32"), ip_network("2001:db8:5::2/128")),
    gateway_credentials=GatewayCredentials(ca="", certificates={}),
)


@pytest.mark.parametrize("extension", list(Extension))
def test_seen_through_the_inventory_each_tenant_is_as_the_topology_says(extension: Extension) -> None:
    world = topology.build(extension=extension)
    told = inventory.of(world, "unix:///run/hypervisor")
    given = enter(told)
    for name, tenant in world.tenants.items():
        seen = tenancy(told, given, name, inventory.HOST, known=KNOWN).tenants[name]
        assert tenant == replace(
            seen, provider=tenant.provider, networks=tenant.networks, appliances=tenant.appliances
        )
        assert (seen.provider.id, seen.server.management) == (
            tenant.provider.id,
            tenant.server.management,
        )
        for network, adapter in seen.server.vlans.items():
            segment = world.port_groups[topology.SWITCH, int(adapter.name.removeprefix("vlan"))]
            assert segment == topology.vlan_of(name, list(tenant.networks).index(network))
            assert adapter.addresses == tenant.server.vlans[network].addresses
        for network, there in tenant.networks.items():
            assert replace(seen.networks[network], inner=there.inner) == there
