"""Changes of every field of the inventory under a failover: which are refused, by which pointer."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address, ip_interface, ip_network

import msgspec
from msgspec import UNSET

from causeway_controller.contract import provider, tenant
from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.provider import HostKind, Rebuild, Storage, StorageKind
from causeway_controller.contract.tenant import (
    Adapters,
    Hook,
    Hooks,
    PlanEntry,
    ReplicaVm,
    Starter,
    Static,
    TenantEnd,
)
from causeway_controller.inventory import modes
from causeway_controller.inventory.modes import Full, Mode, Rehearsal
from causeway_wire.desired import Extension
from tests.provider_inventory import plan, rule, seed_example, uplink, vm, with_
from tests.provider_inventory import tenant as made_tenant

HOOK = Hook(name="hold")
BOTH = frozenset({"db1", "web1"})
PARTIAL, FULL = modes.partial(BOTH), Full(BOTH, plan="site")
REHEARSAL = Rehearsal(BOTH, plan="site")
STANDING: tuple[Mode, ...] = (PARTIAL, FULL, REHEARSAL)
BEFORE = seed_example()

Change = Callable[[Inventory], Inventory]
Entry = msgspec.Struct


def each(lists: str, /, **members: object) -> Change:
    """Another value of these members of the first entry of a list."""

    def change(inventory: Inventory) -> Inventory:
        first, *others = getattr(inventory, lists)
        return with_(inventory, **{lists: (with_(first, **members), *others)})

    return change


def acme(**members: object) -> Change:
    return each("tenants", **members)


ACME = made_tenant()
LAN, DMZ = ACME.networks
SMALL, LARGE = ACME.subscriptions
WEB1, DB1 = ACME.vms
(SITE_PLAN,) = ACME.failover_plans
(GATEWAY,) = BEFORE.gateways
ANOTHER = ReplicaVm(host="esx1", vm_id="vm-99")
MAPPED = SMALL.networks[0]
MOVED = with_(SMALL.uplink, address=uplink("203.0.113.77/24").address)


def lan(**members: object) -> Change:
    return acme(networks=(with_(LAN, **members), DMZ))


def small(**members: object) -> Change:
    return acme(subscriptions=(with_(SMALL, **members), LARGE))


def mapped(**members: object) -> Change:
    return small(networks=(with_(MAPPED, **members),))


def db1(**members: object) -> Change:
    return acme(vms=(WEB1, with_(DB1, **members)))


def site_plan(**members: object) -> Change:
    return acme(failover_plans=(with_(SITE_PLAN, **members),))


def entry(**members: object) -> Change:
    return site_plan(entries=(with_(SITE_PLAN.entries[0], **members), SITE_PLAN.entries[1]))


TENANT, SUBSCRIPTION = "/tenants/0", "/tenants/0/subscriptions/0"
REFUSED: list[tuple[type[Entry], str, Change, str, tuple[Mode, ...]]] = [
    (provider.Host, "id", each("hosts", id="esx9"), "/hosts", STANDING),
    (provider.Host, "kind", each("hosts", kind=HostKind.LAB), "/hosts/0/kind", STANDING),
    (provider.Gateway, "host", each("gateways", host="esx2"), "/gateways/0/host", (PARTIAL,)),
    (
        provider.Gateway,
        "public",
        each("gateways", public=(ip_interface("198.51.100.3/24"),)),
        "/gateways/0/public",
        (PARTIAL,),
    ),
    (
        provider.Gateway,
        "inside",
        each("gateways", inside=(ip_interface("203.0.113.3/24"),)),
        "/gateways/0/inside",
        (PARTIAL,),
    ),
    (provider.GatewayPool, "id", each("gateway_pools", id="other"), "/gateway_pools", (PARTIAL,)),
    (
        provider.GatewayPool,
        "name",
        each("gateway_pools", name="x.example"),
        "/gateway_pools/0/name",
        (PARTIAL,),
    ),
    (provider.GatewayPool, "port", each("gateway_pools", port=6181), "/gateway_pools/0/port", (PARTIAL,)),
    (
        provider.GatewayPool,
        "gateways",
        each("gateway_pools", gateways=("gw2",)),
        "/gateway_pools/0/gateways",
        (PARTIAL,),
    ),
    (
        provider.HardwarePlan,
        "networks",
        each("hardware_plans", networks=plan("small", 3).networks),
        "/hardware_plans/0/networks/2",
        STANDING,
    ),
    (tenant.Tenant, "id", acme(id="zeta"), "/tenants", STANDING),
    (tenant.Tenant, "platform", acme(platform=HostKind.LAB), f"{TENANT}/platform", STANDING),
    (tenant.Tenant, "gateway_pool", acme(gateway_pool=UNSET), f"{TENANT}/gateway_pool", (PARTIAL,)),
    (
        tenant.Tenant,
        "public_addresses",
        acme(public_addresses=()),
        f"{TENANT}/public_addresses",
        (FULL, REHEARSAL),
    ),
    (
        tenant.Tenant,
        "test_addresses",
        acme(test_addresses=(ip_address("198.51.100.12"),)),
        f"{TENANT}/test_addresses",
        (REHEARSAL,),
    ),
    (tenant.Tenant, "networks", acme(networks=(DMZ,)), f"{TENANT}/networks", STANDING),
    (tenant.Tenant, "subscriptions", acme(subscriptions=()), f"{TENANT}/subscriptions", STANDING),
    (tenant.Tenant, "vms", acme(vms=(WEB1,)), f"{TENANT}/vms", STANDING),
    (tenant.Tenant, "failover_plans", acme(failover_plans=()), f"{TENANT}/failover_plans", (FULL, REHEARSAL)),
    (tenant.TenantNetwork, "id", lan(id="lan2"), f"{TENANT}/networks", STANDING),
    (
        tenant.TenantNetwork,
        "prefixes",
        lan(prefixes=(ip_network("192.168.10.0/25"),)),
        f"{TENANT}/networks/0/prefixes",
        STANDING,
    ),
    (
        tenant.TenantNetwork,
        "gateways",
        lan(gateways=(ip_address("192.168.10.2"),)),
        f"{TENANT}/networks/0/gateways",
        STANDING,
    ),
    (
        tenant.TenantNetwork,
        "tenant_end",
        lan(tenant_end=UNSET),
        f"{TENANT}/networks/0/tenant_end",
        (PARTIAL,),
    ),
    (
        tenant.TenantEnd,
        "tunnel",
        lan(tenant_end=TenantEnd(tunnel="renamed")),
        f"{TENANT}/networks/0/tenant_end",
        (PARTIAL,),
    ),
    (
        tenant.TenantEnd,
        "address",
        lan(
            tenant_end=TenantEnd(
                tunnel="lan-tunnel", address=Static(addresses=(ip_interface("192.168.10.8/24"),))
            )
        ),
        f"{TENANT}/networks/0/tenant_end",
        (PARTIAL,),
    ),
    (tenant.Subscription, "plan", small(plan="large"), f"{TENANT}/subscriptions", STANDING),
    (tenant.Uplink, "address", small(uplink=MOVED), f"{SUBSCRIPTION}/uplink/address", STANDING),
    (tenant.Subscription, "uplink", small(uplink=MOVED), f"{SUBSCRIPTION}/uplink/address", STANDING),
    (tenant.Subscription, "networks", small(networks=()), f"{TENANT}/subscriptions", STANDING),
    (tenant.Subscription, "adapters", small(adapters=Adapters.TRUNK), f"{SUBSCRIPTION}/adapters", STANDING),
    (
        tenant.SubscribedNetwork,
        "plan_network",
        mapped(plan_network="n2"),
        f"{SUBSCRIPTION}/networks/0/plan_network",
        STANDING,
    ),
    (tenant.SubscribedNetwork, "network", mapped(network="dmz"), f"{TENANT}/subscriptions", STANDING),
    (
        tenant.SubscribedNetwork,
        "extension",
        mapped(extension=Extension.BRIDGED),
        f"{SUBSCRIPTION}/networks/0/extension",
        STANDING,
    ),
    (
        tenant.SubscribedNetwork,
        "appliance_addresses",
        mapped(appliance_addresses=(ip_interface("192.168.10.7/24"),)),
        f"{SUBSCRIPTION}/networks/0/appliance_addresses",
        STANDING,
    ),
    (tenant.ProtectedVm, "name", db1(name="db2"), f"{TENANT}/vms", STANDING),
    (tenant.ProtectedVm, "network", db1(network="dmz"), f"{TENANT}/vms/1/network", STANDING),
    (
        tenant.ProtectedVm,
        "addresses",
        db1(addresses=(ip_address("192.168.10.13"),)),
        f"{TENANT}/vms/1/addresses",
        STANDING,
    ),
    (tenant.ProtectedVm, "replica", db1(replica=UNSET), f"{TENANT}/vms/1/replica", STANDING),
    (tenant.ReplicaVm, "vm_id", db1(replica=ANOTHER), f"{TENANT}/vms/1/replica/vm_id", STANDING),
    (
        tenant.ReplicaVm,
        "host",
        db1(replica=with_(ANOTHER, host="esx2")),
        f"{TENANT}/vms/1/replica/host",
        STANDING,
    ),
    (tenant.FailoverPlan, "id", site_plan(id="plan2"), f"{TENANT}/failover_plans", (FULL, REHEARSAL)),
    (
        tenant.FailoverPlan,
        "routed",
        site_plan(routed=("lan",)),
        f"{TENANT}/failover_plans/0/routed",
        (FULL, REHEARSAL),
    ),
    (
        tenant.FailoverPlan,
        "rules",
        site_plan(rules=()),
        f"{TENANT}/failover_plans/0/rules",
        (FULL, REHEARSAL),
    ),
]
ALLOWED: list[tuple[type[Entry], str, Change, tuple[Mode, ...]]] = [
    (provider.Host, "endpoint", each("hosts", endpoint="https://new.example/sdk"), STANDING),
    (provider.Host, "pin", each("hosts", pin="a" * 64), STANDING),
    (provider.Host, "login", each("hosts", login="new"), STANDING),
    (provider.Host, "storage", each("hosts", storage=Storage(id="datastore-2")), STANDING),
    (provider.Host, "folder", each("hosts", folder="Other"), STANDING),
    (provider.Host, "cluster", each("hosts", cluster="domain-c8"), STANDING),
    (provider.Host, "rebuild", each("hosts", rebuild=Rebuild.NEVER), STANDING),
    (provider.Storage, "id", each("hosts", storage=Storage(id="datastore-2")), STANDING),
    (
        provider.Storage,
        "kind",
        each("hosts", storage=Storage(id="datastore-1", kind=StorageKind.DIRECTORY)),
        STANDING,
    ),
    *(
        (provider.VlanPool, name, lambda one: with_(one, vlan_pools=()), STANDING)
        for name in provider.VlanPool.__struct_fields__
    ),
    (provider.PublicPool, "id", each("public_pools", id="v5"), STANDING),
    (provider.PublicPool, "first", each("public_pools", first=ip_address("198.51.100.11")), STANDING),
    (provider.PublicPool, "last", each("public_pools", last=ip_address("198.51.100.98")), STANDING),
    (provider.Gateway, "id", each("gateways", id="gw7"), (FULL, REHEARSAL)),
    (provider.Gateway, "gateways", each("gateways", gateways=(ip_address("198.51.100.1"),)), STANDING),
    (provider.Gateway, "public_network", each("gateways", public_network="n7"), STANDING),
    (provider.Gateway, "inside_network", each("gateways", inside_network="n7"), STANDING),
    (provider.Quotas, "vcpus", each("hardware_plans", quotas=provider.Quotas(vcpus=1)), STANDING),
    (provider.Quotas, "memory_mib", each("hardware_plans", quotas=provider.Quotas(memory_mib=1)), STANDING),
    (provider.Quotas, "storage_gib", each("hardware_plans", quotas=provider.Quotas(storage_gib=1)), STANDING),
    (provider.HardwarePlan, "quotas", each("hardware_plans", quotas=provider.Quotas(vcpus=1)), STANDING),
    (tenant.Tenant, "description", acme(description="a customer"), STANDING),
    (tenant.Tenant, "full_failover_by", acme(full_failover_by=(Starter.PROVIDER,)), STANDING),
    (tenant.Tenant, "max_vms", acme(max_vms=2), STANDING),
    (tenant.Tenant, "more_public_ipv4", acme(more_public_ipv4=1), STANDING),
    (tenant.Tenant, "more_public_ipv6", acme(more_public_ipv6=1), STANDING),
    (tenant.Tenant, "stale_after", acme(stale_after=600), STANDING),
    (tenant.Tenant, "vms", acme(vms=(WEB1, DB1, with_(vm("new1", 14), replica=UNSET))), STANDING),
    (
        tenant.TenantNetwork,
        "gateways",
        lan(prefixes=LAN.prefixes, gateways=(*LAN.gateways, ip_address("fd00::1"))),
        STANDING,
    ),
    (tenant.TenantNetwork, "tenant_end", lan(tenant_end=UNSET), (FULL, REHEARSAL)),
    (tenant.Uplink, "network", small(uplink=with_(SMALL.uplink, network="network-4")), STANDING),
    (tenant.ProtectedVm, "macs", db1(macs=("52:54:00:00:00:01",)), STANDING),
    (tenant.FailoverPlan, "entries", site_plan(entries=SITE_PLAN.entries[:1]), STANDING),
    (tenant.FailoverPlan, "parallel", site_plan(parallel=2), STANDING),
    (tenant.FailoverPlan, "hooks", site_plan(hooks=Hooks(before=HOOK)), STANDING),
    (tenant.FailoverPlan, "rules", site_plan(rules=(rule(port=444),)), (PARTIAL,)),
    (tenant.PlanEntry, "vm", site_plan(entries=(PlanEntry(vm="web1"),)), STANDING),
    (tenant.PlanEntry, "priority", entry(priority=2), STANDING),
    (tenant.PlanEntry, "after", entry(after=("web1",)), STANDING),
    (tenant.PlanEntry, "delay", entry(delay=1.0), STANDING),
    (tenant.PlanEntry, "ready", entry(ready=tenant.Readiness()), STANDING),
    *(
        (tenant.Readiness, name, entry(ready=tenant.Readiness(timeout=5.0)), STANDING)
        for name in tenant.Readiness.__struct_fields__
    ),
    *(
        (tenant.Hooks, name, site_plan(hooks=Hooks(**{name: HOOK})), STANDING)
        for name in Hooks.__struct_fields__
    ),
    *((tenant.Hook, name, site_plan(hooks=Hooks(release=HOOK)), STANDING) for name in Hook.__struct_fields__),
]
GIVEN_BEFORE = {
    (provider.HardwarePlan, "id"): "a subscription that names another plan is refused",
    (provider.HardwarePlan, "host"): "rules_change",
    (provider.PlanNetwork, "id"): "rules_change",
    (provider.PlanNetwork, "network_class"): "rules_change",
}
"""Fields that a change may not touch of any subscriber, failed over or not."""
