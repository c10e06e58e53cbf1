"""The lab's world: what its description promises before anything is wired."""

from __future__ import annotations

import pytest

from causeway_controller.failover import extension
from causeway_lab.world import topology
from causeway_wire.desired import Extension

FULL = topology.build()
BRIDGED = topology.build(extension=Extension.BRIDGED)


def test_both_tenants_have_equal_networks() -> None:
    acme, globex = FULL.tenants["acme"], FULL.tenants["globex"]
    assert acme.networks == globex.networks
    assert {str(prefix) for network in acme.networks.values() for prefix in network.prefixes} == {
        "192.168.10.0/24",
        "2001:db8:10::/64",
        "192.168.20.0/24",
        "2001:db8:20::/80",
    }


def test_no_two_adapters_share_a_mac_address() -> None:
    macs = [port.mac for machine in FULL.machines.values() for port in machine.ports]
    assert len(macs) == len(set(macs))


def test_tenants_share_no_segment_but_the_internet() -> None:
    for segment in set(FULL.segments) - {topology.INTERNET, topology.SP}:
        attached = {
            name.split("-")[0]
            for name, machine in FULL.machines.items()
            for port in machine.ports
            if port.segment == segment
        }
        assert len(attached) == 1


def test_a_replica_has_its_original_s_addresses_and_starts_powered_off() -> None:
    for tenant in FULL.tenants.values():
        for vm in tenant.vms:
            original = FULL.machines[topology.original_of(tenant.id, vm)]
            replica = FULL.machines[topology.replica_of(tenant.id, vm)]
            assert [port.addresses for port in replica.ports] == [port.addresses for port in original.ports]
            assert original.powered_on
            assert not replica.powered_on


def test_the_old_replica_runs_without_an_original() -> None:
    assert FULL.machines[topology.replica_of("acme", topology.OLD_VM)].powered_on
    assert topology.original_of("acme", topology.OLD_VM) not in FULL.machines
    assert topology.OLD_VM not in FULL.tenants["acme"].vms


@pytest.mark.parametrize("world", [FULL, BRIDGED], ids=["routed", "bridged"])
def test_the_inventory_s_adapters_are_wired(world: topology.Topology) -> None:
    for name, _, adapters, controller in world.appliances():
        assert [adapter.mac for adapter in adapters] == [port.mac for port in world.machines[name].ports]
        assert world.machines[name].kind is topology.Kind.APPLIANCE
        assert world.machines[controller].kind is topology.Kind.CONTROLLER


def test_a_bridged_world_lacks_nothing_that_bridged_networks_need() -> None:
    for tenant in BRIDGED.tenants.values():
        for vm in tenant.vms.values():
            network = tenant.networks[vm.network]
            assert network.extension is Extension.BRIDGED
            assert not list(extension.unmet(tenant, network, vm))


def test_the_internet_knows_no_way_but_to_public_addresses() -> None:
    routes = FULL.machines[topology.INTERNET_HOST].routes
    assert tuple(network for network, _ in routes) == topology.PUBLIC_PREFIXES


def test_public_and_test_addresses_belong_to_one_tenant_each() -> None:
    owned = [
        address
        for tenant in FULL.tenants.values()
        for address in (*tenant.public_addresses, *tenant.test_addresses)
    ]
    assert len(owned) == len(set(owned)) == 16
    for tenant in FULL.tenants.values():
        assert {rule.public_address for rule in tenant.publications} <= set(tenant.public_addresses)
        published = {address for vm in tenant.vms.values() for address in vm.addresses}
        assert {rule.internal_address for rule in tenant.publications} <= published


@pytest.mark.parametrize(
    ("tenants", "networks", "gateways", "count"), [(1, 1, 1, 3), (1, 2, 1, 4), (2, 2, 2, 8)]
)
def test_smaller_topologies_are_whole(tenants: int, networks: int, gateways: int, count: int) -> None:
    small = topology.build(tenants=tenants, networks=networks, gateways=gateways)
    assert len(list(small.appliances())) == count
    segments = set(small.segments)
    for name, _, adapters, _controller in small.appliances():
        assert len(adapters) == len(small.machines[name].ports)
        assert {port.segment for port in small.machines[name].ports} <= segments
