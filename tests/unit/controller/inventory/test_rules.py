"""Every rule of the inventory: refused when it is entered, under the member's pointer, all at once."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address, ip_interface, ip_network

import pytest

from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.provider import (
    HostKind,
    NetworkClass,
    PublicPool,
    Storage,
    StorageKind,
)
from causeway_controller.contract.tenant import (
    Adapters,
    Dhcp,
    FailoverPlan,
    PlanEntry,
    ReplicaVm,
    Static,
    TenantEnd,
    Uplink,
)
from causeway_controller.inventory.allocation import Allocation, PublicLease
from causeway_controller.inventory.entry import enter
from causeway_wire.desired import Extension
from causeway_wire.problem import ProblemError
from tests.provider_inventory import (
    found,
    host,
    network,
    other_tenant,
    plan,
    rule,
    seed_example,
    subscription,
    tenant,
    two_hosts,
    uplink,
    vlan_pool,
    vm,
    with_,
)


def test_the_example_is_sound() -> None:
    assert found(seed_example()) == []


def of_provider(**members: object) -> Callable[[], Inventory]:
    return lambda: seed_example(**members)


def of_tenant(**members: object) -> Callable[[], Inventory]:
    return lambda: seed_example(tenants=(with_(tenant(), **members),))


PROVIDER = [
    (
        of_provider(vlan_pools=(vlan_pool("a", 100, 199), vlan_pool("b", 199, 300))),
        "/vlan_pools/1/first",
        "overlap",
    ),
    (
        of_provider(
            vlan_pools=(vlan_pool("a", 1, 9), vlan_pool("b", 9, 20, network_class=NetworkClass.ISOLATED))
        ),
        "/vlan_pools/1/first",
        "overlap",
    ),
    (of_provider(vlan_pools=(vlan_pool("a", 9, 1),)), "/vlan_pools/0/last", "invalid"),
    (of_provider(vlan_pools=(vlan_pool("a", 1, 9, on="esx9"),)), "/vlan_pools/0/host", "unknown-reference"),
    (of_provider(vlan_pools=(vlan_pool("a", 1, 9), vlan_pool("a", 10, 19))), "/vlan_pools/1/id", "duplicate"),
    (of_provider(hosts=(host(), host())), "/hosts/1/id", "duplicate"),
    *(
        (
            of_provider(hosts=(with_(host(), storage=Storage(id="d", kind=kind)),)),
            "/hosts/0/storage/kind",
            "unsupported",
        )
        for kind in (StorageKind.VIRTUAL_VOLUMES, StorageKind.DATASTORE_CLUSTER)
    ),
    (
        of_provider(
            public_pools=(
                PublicPool(id="a", first=ip_address("198.51.100.10"), last=ip_address("198.51.100.20")),
                PublicPool(id="b", first=ip_address("198.51.100.20"), last=ip_address("198.51.100.30")),
            )
        ),
        "/public_pools/1/first",
        "overlap",
    ),
    (
        of_provider(
            public_pools=(PublicPool(id="a", first=ip_address("2001:db8::"), last=ip_address("192.0.2.9")),)
        ),
        "/public_pools/0/last",
        "invalid",
    ),
    (
        of_provider(gateway_pools=(with_(seed_example().gateway_pools[0], gateways=("gw1", "gw9")),)),
        "/gateway_pools/0/gateways/1",
        "unknown-reference",
    ),
    (
        of_provider(
            gateways=(
                *seed_example().gateways,
                with_(seed_example().gateways[0], id="gw2", inside=(ip_interface("203.0.113.3/24"),)),
            )
        ),
        "/gateways/1/public/0",
        "duplicate",
    ),
    (
        of_provider(hardware_plans=(plan("small", 2, on="esx9"), plan("large", 3))),
        "/hardware_plans/0/host",
        "unknown-reference",
    ),
]

TENANT = [
    (of_tenant(gateway_pool="edge9"), "/tenants/0/gateway_pool", "unknown-reference"),
    (
        of_tenant(public_addresses=(ip_address("198.51.100.11"), ip_address("192.0.2.1"))),
        "/tenants/0/public_addresses/1",
        "outside-allocation",
    ),
    (
        of_tenant(networks=(with_(network(), gateways=(ip_address("192.168.11.1"),)), network("dmz", 20))),
        "/tenants/0/networks/0/gateways/0",
        "outside-network",
    ),
    (
        of_tenant(networks=(with_(network(), gateways=(ip_address("192.168.10.255"),)), network("dmz", 20))),
        "/tenants/0/networks/0/gateways/0",
        "invalid",
    ),
    (
        of_tenant(
            networks=(
                network(),
                with_(
                    network("dmz", 20),
                    prefixes=(ip_network("192.168.20.0/24"), ip_network("192.168.10.128/25")),
                ),
            )
        ),
        "/tenants/0/networks/1/prefixes/1",
        "overlap",
    ),
    (
        of_tenant(
            networks=(
                with_(
                    network(),
                    tenant_end=TenantEnd(
                        tunnel="t", address=Static(addresses=(ip_interface("192.168.10.1/24"),))
                    ),
                ),
                network("dmz", 20),
            )
        ),
        "/tenants/0/networks/0/tenant_end/address/addresses/0",
        "duplicate",
    ),
    (of_tenant(vms=(vm("web1", 11), vm("db1", 12), vm("db1", 13))), "/tenants/0/vms/2/name", "duplicate"),
    (
        of_tenant(vms=(vm("web1", 11), vm("db1", 12), vm("x", 12))),
        "/tenants/0/vms/2/addresses/0",
        "duplicate",
    ),
    (
        of_tenant(vms=(vm("web1", 11), vm("db1", 12), with_(vm("x", 13), addresses=()))),
        "/tenants/0/vms/2/addresses",
        "invalid",
    ),
    (
        of_tenant(vms=(vm("web1", 11), vm("db1", 12), with_(vm("x", 13), network="wan"))),
        "/tenants/0/vms/2/network",
        "unknown-reference",
    ),
    (
        of_tenant(
            vms=(vm("web1", 11), vm("db1", 12), with_(vm("x", 13), addresses=(ip_address("192.168.20.9"),)))
        ),
        "/tenants/0/vms/2/addresses/0",
        "outside-network",
    ),
    (
        of_tenant(vms=(vm("web1", 11), vm("db1", 12), with_(vm("x", 1), network="lan"))),
        "/tenants/0/vms/2/addresses/0",
        "duplicate",
    ),
    (
        of_tenant(vms=(vm("web1", 11), vm("db1", 12, on="esx9"))),
        "/tenants/0/vms/1/replica/host",
        "unknown-reference",
    ),
    (of_tenant(max_vms=1), "/tenants/0/vms/1", "invalid"),
]

SUBSCRIPTION = [
    (
        of_tenant(subscriptions=(subscription("small", "lan"), subscription("huge"))),
        "/tenants/0/subscriptions/1/plan",
        "unknown-reference",
    ),
    (
        of_tenant(subscriptions=(subscription("small", "lan"), subscription("large"), subscription("small"))),
        "/tenants/0/subscriptions/2/plan",
        "duplicate",
    ),
    (
        of_tenant(subscriptions=(subscription("small", "lan"), subscription("large", "wan"))),
        "/tenants/0/subscriptions/1/networks/0/network",
        "unknown-reference",
    ),
    (
        of_tenant(subscriptions=(subscription("small", "lan"), subscription("large", "lan"))),
        "/tenants/0/subscriptions/1/networks/0/network",
        "duplicate",
    ),
    (
        of_tenant(
            subscriptions=(subscription("small", "lan"), subscription("large", at=uplink("203.0.113.11/24")))
        ),
        "/tenants/0/subscriptions/1/uplink",
        "invalid",
    ),
    (
        of_tenant(
            subscriptions=(
                subscription("small", "lan"),
                with_(subscription("large"), adapters=Adapters.TRUNK),
            )
        ),
        "/tenants/0/subscriptions/1/adapters",
        "invalid",
    ),
    (
        of_tenant(subscriptions=(subscription("small", "lan", at=uplink(gateway="203.0.114.1")),)),
        "/tenants/0/subscriptions/0/uplink/address/gateways/0",
        "outside-network",
    ),
    (
        of_provider(
            hosts=(host(kind=HostKind.HYPERV),),
            tenants=(tenant(subscriptions=(subscription("small", "lan"),)),),
        ),
        "/tenants/0/subscriptions/0/plan",
        "invalid",
    ),
    (
        of_provider(hardware_plans=(plan("small", 2), plan("large", 8))),
        "/tenants/0/subscriptions/1/plan",
        "unsupported",
    ),
]


@pytest.mark.parametrize(("make", "pointer", "kind"), [*PROVIDER, *TENANT, *SUBSCRIPTION])
def test_what_breaks_a_rule_is_refused_under_its_pointer(
    make: Callable[[], Inventory], pointer: str, kind: str
) -> None:
    assert found(make())[0] == (pointer, kind)


def test_the_same_vlans_on_two_switches_do_not_overlap() -> None:
    pools = (vlan_pool("a", 100, 199), vlan_pool("b", 100, 199, switch="dvs-8"))
    assert found(seed_example(vlan_pools=pools)) == []


def test_a_trunk_carries_more_networks_than_there_are_adapters() -> None:
    subscriptions = tuple(
        with_(each, adapters=Adapters.TRUNK)
        for each in (subscription("small", "lan"), subscription("large", "dmz"))
    )
    plans = (plan("small", 2), plan("large", 40))
    assert found(seed_example(hardware_plans=plans, tenants=(tenant(subscriptions=subscriptions),))) == []


def test_a_replica_is_where_its_network_is_subscribed() -> None:
    moved = with_(vm("web1", 11), replica=ReplicaVm(host="esx2", vm_id="vm-1"))
    inventory = seed_example(hosts=(host(), host("esx2")), tenants=(tenant(vms=(moved, vm("db1", 12))),))
    nowhere = with_(moved, replica=ReplicaVm(host="esx9", vm_id="vm-1"))
    unknown = with_(inventory, tenants=(tenant(vms=(nowhere, vm("db1", 12))),))
    assert found(inventory) == found(unknown) == [("/tenants/0/vms/0/replica/host", "unknown-reference")]
    (acme,) = two_hosts().tenants
    other = with_(two_hosts(), tenants=(with_(acme, vms=(moved, vm("db1", 12)), failover_plans=()),))
    assert found(other) == [("/tenants/0/vms/0/replica/host", "invalid")]


def test_a_network_is_not_extended_in_one_way_on_one_host_and_otherwise_on_another() -> None:
    """One tunnel and one appliance of the tenant's are in it, so one subscription carries it."""
    (acme,) = two_hosts().tenants
    routed, large = (
        subscription("small", "lan"),
        subscription("large", "lan", at=acme.subscriptions[1].uplink),
    )
    bridged = with_(large, networks=(with_(large.networks[0], extension=Extension.BRIDGED),))
    told = found(with_(two_hosts(), tenants=(with_(acme, subscriptions=(routed, bridged)),)))
    assert ("/tenants/0/subscriptions/1/networks/0/network", "duplicate") in told


def test_an_address_belongs_to_one_tenant() -> None:
    inventory = seed_example(
        tenants=(tenant(), other_tenant(public_addresses=(ip_address("198.51.100.11"),)))
    )
    assert found(inventory) == [("/tenants/1/public_addresses/0", "duplicate")]


def test_an_address_that_was_chosen_for_a_tenant_cannot_be_named_for_another() -> None:
    address = ip_address("198.51.100.40")
    inventory = seed_example(tenants=(tenant(more_public_ipv4=1), other_tenant(public_addresses=(address,))))
    held = Allocation(public=(PublicLease(tenant="acme", address=address),))
    assert found(inventory, held=held) == [("/tenants/1/public_addresses/0", "duplicate")]


def test_an_appliance_that_is_spoken_to_has_a_static_address() -> None:
    at = Uplink(network="network-3", address=Dhcp())
    own = (subscription("small", "lan", at=at), subscription("large", at=at))
    inventory = seed_example(tenants=(tenant(subscriptions=own),))
    assert found(inventory) == [
        (f"/tenants/0/subscriptions/{n}/uplink/address", "unsupported") for n in range(len(own))
    ]


def test_a_replica_stands_in_for_one_vm() -> None:
    twin = with_(vm("web2", 13), replica=ReplicaVm(host="esx1", vm_id="vm-web1"))
    inventory = seed_example(tenants=(tenant(vms=(vm("web1", 11), vm("db1", 12), twin)),))
    assert found(inventory) == [("/tenants/0/vms/2/replica/vm_id", "duplicate")]


def test_all_problems_are_told_at_once() -> None:
    inventory = seed_example(
        hosts=(host(), host()),
        tenants=(
            tenant(
                gateway_pool="edge9",
                subscriptions=(subscription("small", "lan", at=Uplink(network="n", address=Dhcp())),),
                failover_plans=(
                    FailoverPlan(id="site", entries=(PlanEntry(vm="x"),), rules=(rule(port=22),)),
                ),
            ),
        ),
    )
    with pytest.raises(ProblemError) as caught:
        enter(inventory)
    assert isinstance(caught.value.problem.errors, tuple)
    assert [each.pointer for each in caught.value.problem.errors] == [
        "/hosts/1/id",
        "/tenants/0/gateway_pool",
        "/tenants/0/subscriptions/0/uplink/address",
        "/tenants/0/failover_plans/0/entries/0/vm",
        "/tenants/0/failover_plans/0/rules/0/public_port",
    ]


def test_of_a_host_that_is_none_only_those_are_named_that_the_tenant_is_on() -> None:
    """Who replicates one tenant's VMs is told this, and learns of no other host."""
    lost = with_(vm("db1", 12), replica=ReplicaVm(host="esx9", vm_id="vm-77"))
    with pytest.raises(ProblemError) as refused:
        enter(seed_example(hosts=(host(), host("zeta1")), tenants=(tenant(vms=(lost,)),)))
    details = [one.detail for one in refused.value.problem.each]
    said = "no host of the tenant's subscriptions is called esx9 (there is esx1); "
    assert [one for one in details if one.startswith(said)], details
