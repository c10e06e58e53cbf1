"""A provider's inventory for tests: the seed's example, and edits of it."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface, ip_network
from typing import TypeVar

import msgspec

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
from causeway_controller.inventory.allocation import NOTHING, Allocation
from causeway_controller.inventory.rules import check
from causeway_wire.public_rules import PublicRule

Entry = TypeVar("Entry", bound=msgspec.Struct)


def with_(entry: Entry, **members: object) -> Entry:
    """The entry with other values of these members."""
    return msgspec.structs.replace(entry, **members)


def host(name: str = "esx1", kind: HostKind = HostKind.VSPHERE) -> Host:
    return Host(
        id=name,
        kind=kind,
        endpoint=f"https://{name}.example/sdk",
        storage=Storage(id="datastore-1"),
        login=name,
    )


def vlan_pool(
    name: str,
    first: int,
    last: int,
    *,
    on: str = "esx1",
    network_class: NetworkClass = NetworkClass.INTERNET,
    switch: str = "dvs-7",
) -> VlanPool:
    return VlanPool(id=name, host=on, switch=switch, network_class=network_class, first=first, last=last)


def plan(name: str, networks: int, *, on: str = "esx1") -> HardwarePlan:
    """A plan whose second network is isolated."""
    made = (
        PlanNetwork(id=f"n{i}", network_class=NetworkClass.ISOLATED if i == 2 else NetworkClass.INTERNET)
        for i in range(1, networks + 1)
    )
    return HardwarePlan(id=name, host=on, networks=tuple(made))


def uplink(address: str = "203.0.113.10/24", gateway: str = "203.0.113.1") -> Uplink:
    return Uplink(
        network="network-3",
        address=Static(addresses=(ip_interface(address),), gateways=(ip_address(gateway),)),
    )


def uplink_of(tenant: str) -> Uplink:
    """An uplink that no other tenant of these tests has, by the first letter of the name."""
    return uplink(f"203.0.113.{10 + ord(tenant[0]) - ord('a')}/24")


def subscription(name: str, *networks: str, at: Uplink | None = None) -> Subscription:
    """To this plan; its networks stand for these of the tenant, in order."""
    mapped = (
        SubscribedNetwork(plan_network=f"n{i}", network=network)
        for i, network in enumerate(networks, start=1)
    )
    return Subscription(plan=name, uplink=at or uplink(), networks=tuple(mapped))


def network(name: str = "lan", third: int = 10) -> TenantNetwork:
    return TenantNetwork(
        id=name,
        prefixes=(ip_network(f"192.168.{third}.0/24"),),
        gateways=(ip_address(f"192.168.{third}.1"),),
        tenant_end=TenantEnd(tunnel=f"{name}-tunnel"),
    )


def vm(name: str, last: int, *, on: str = "esx1") -> ProtectedVm:
    address = ip_address(f"192.168.10.{last}")
    return ProtectedVm(
        name=name, network="lan", addresses=(address,), replica=ReplicaVm(host=on, vm_id=f"vm-{name}")
    )


def rule(name: str = "web", port: int = 443, **members: object) -> PublicRule:
    made = PublicRule(
        id=name,
        public_address=ip_address("198.51.100.11"),
        public_port=port,
        internal_address=ip_address("192.168.10.11"),
        internal_port=port,
    )
    return with_(made, **members)


def tenant(name: str = "acme", **members: object) -> Tenant:
    """A tenant of both plans of `seed_example`, with two VMs and a failover plan."""
    made = Tenant(
        id=name,
        platform=HostKind.VSPHERE,
        gateway_pool="edge",
        public_addresses=(ip_address("198.51.100.11"),),
        networks=(network(), network("dmz", 20)),
        subscriptions=(
            subscription("small", "lan", at=uplink_of(name)),
            subscription("large", "dmz", at=uplink_of(name)),
        ),
        vms=(vm("web1", 11), vm("db1", 12)),
        failover_plans=(
            FailoverPlan(
                id="site",
                entries=(PlanEntry(vm="db1", priority=1), PlanEntry(vm="web1", after=("db1",))),
                rules=(rule(),),
            ),
        ),
    )
    return with_(made, **members)


def seed_example(**members: object) -> Inventory:
    """Plans of two and of three networks on one host, both assigned to one tenant."""
    made = Inventory(
        hosts=(host(),),
        vlan_pools=(
            vlan_pool("net", 100, 149),
            vlan_pool("iso", 150, 199, network_class=NetworkClass.ISOLATED),
        ),
        public_pools=(
            PublicPool(id="v4", first=ip_address("198.51.100.10"), last=ip_address("198.51.100.99")),
        ),
        gateways=(
            Gateway(
                id="gw1",
                host="esx1",
                public=(ip_interface("198.51.100.2/24"),),
                inside=(ip_interface("203.0.113.2/24"),),
            ),
        ),
        gateway_pools=(GatewayPool(id="edge", name="gw.example", gateways=("gw1",)),),
        hardware_plans=(plan("small", 2), plan("large", 3)),
        tenants=(tenant(),),
    )
    return with_(made, **members)


def two_hosts() -> Inventory:
    """The seed's other example: the plans are of two hosts, and still one tenant's."""
    at = uplink("203.0.113.30/24")
    return seed_example(
        hosts=(host(), host("esx2")),
        hardware_plans=(plan("small", 2), plan("large", 3, on="esx2")),
        vlan_pools=(
            *seed_example().vlan_pools,
            vlan_pool("net2", 100, 149, on="esx2"),
            vlan_pool("iso2", 150, 199, on="esx2", network_class=NetworkClass.ISOLATED),
        ),
        tenants=(tenant(subscriptions=(subscription("small", "lan"), subscription("large", "dmz", at=at))),),
    )


def other_tenant(**members: object) -> Tenant:
    """A second tenant of both plans, of whom nothing is replicated yet."""
    made = tenant("bolt", vms=(), failover_plans=(), public_addresses=())
    return with_(made, **members)


def found(inventory: Inventory, *, held: Allocation = NOTHING) -> list[tuple[str, str]]:
    """What is wrong with the inventory: (pointer, last word of the type) of each problem."""
    problems = check(inventory, held=held).problems
    assert all(len(each.detail) > 20 for each in problems)
    return [(str(each.pointer), each.type.rpartition(":")[2]) for each in problems]
