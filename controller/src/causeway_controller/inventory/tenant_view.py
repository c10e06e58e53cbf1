"""What of the inventory is a tenant's to see. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from types import MappingProxyType

from msgspec import UNSET, UnsetType

from causeway_controller.contract.certificates import Bearer
from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.runs import RunId
from causeway_controller.contract.tenant import ProtectedVm, Tenant, TenantNetwork
from causeway_controller.contract.tenant_view import (
    AskedFailover,
    FailoverView,
    GatewayEndpoints,
    NetworkAtHost,
    NetworkView,
    PlanView,
    ReplicaView,
    RevokedCertificate,
    TenantResources,
)
from causeway_controller.inventory import book, replicas, unready
from causeway_controller.inventory.allocation import Allocation
from causeway_controller.inventory.book import Book
from causeway_controller.inventory.health import Deployed
from causeway_controller.inventory.modes import Idle, Mode
from causeway_controller.inventory.replicas import Told
from causeway_controller.inventory.tenancy import Revocation
from causeway_wire.types import Name, TenantId, TunnelId, VmName


def resources(
    inventory: Inventory,
    allocation: Allocation,
    tenant: TenantId,
    *,
    open_runs: tuple[RunId, ...],
    standing: Mapping[Name, Mode],
    asked: tuple[AskedFailover, ...] = (),
    revoked: Iterable[Revocation] = (),
    told: Mapping[VmName, Told] = MappingProxyType({}),
    deployed: Iterable[Deployed] | None = None,
    certified: Collection[TunnelId] = (),
) -> TenantResources:
    """Everything that is the tenant's; both inventory and allocation may hold other tenants' besides.

    `standing`: the tenant's mode on each host where a run left one; `asked`: of the tenant's controller;
    `revoked`: what may be shown to the tenant's appliances, or by them; `told`: of its replicas;
    `deployed`: its appliances, `certified` as of `unready.find`; None leaves that out.
    """
    names = book.index(inventory)
    entry = names.tenants[tenant]
    chosen = (lease.address for lease in allocation.public if lease.tenant == tenant)
    networks = tuple(_network(names, entry, network) for network in entry.networks)
    return TenantResources(
        tenant=tenant,
        hosts=tuple(dict.fromkeys(plan.host for _, _, plan in names.subscribed(entry))),
        networks=networks,
        replicas=tuple(view for vm in entry.vms for view in _replica(vm, told.get(vm.name))),
        plans=tuple(
            PlanView(id=plan.id, vms=tuple(each.vm for each in plan.entries)) for plan in entry.failover_plans
        ),
        full_failover_by=entry.full_failover_by,
        public_addresses=(*entry.public_addresses, *chosen),
        open_runs=open_runs,
        failovers=tuple(
            FailoverView(host=host, mode=mode.name, vms=tuple(sorted(mode.vms)))
            for host, mode in sorted(standing.items())
            if not isinstance(mode, Idle)
        ),
        asked=asked,
        revoked=tuple(_revoked(each) for each in revoked),
        gateways=_gateways(names, entry),
        unready=() if deployed is None else tuple(unready.find(networks, deployed, certified)),
    )


def _revoked(one: Revocation) -> RevokedCertificate:
    return RevokedCertificate(
        serial=one.serial,
        bearer=Bearer(one.holder.value),
        tunnel=one.tunnel or UNSET,
        name=one.name or UNSET,
    )


def _network(names: Book, tenant: Tenant, network: TenantNetwork) -> NetworkView:
    return NetworkView(
        id=network.id,
        prefixes=network.prefixes,
        gateways=network.gateways,
        tunnel=UNSET if network.tenant_end is UNSET else network.tenant_end.tunnel,
        at=tuple(_at(names, tenant, network)),
    )


def _at(names: Book, tenant: Tenant, network: TenantNetwork) -> Iterator[NetworkAtHost]:
    for _, subscription, plan in names.subscribed(tenant):
        planned = book.plan_networks(plan)
        for each in subscription.networks:
            if each.network == network.id and each.plan_network in planned:
                kind = planned[each.plan_network].network_class
                yield NetworkAtHost(host=plan.host, network_class=kind, extension=each.extension)


def _replica(vm: ProtectedVm, told: Told | None) -> Iterator[ReplicaView]:
    if vm.replica is not UNSET:
        yield ReplicaView(
            vm=vm.name,
            network=vm.network,
            addresses=vm.addresses,
            host=vm.replica.host,
            macs=vm.macs,
            restored_to=replicas.restored_to(vm, told) or UNSET,
        )


def _gateways(names: Book, tenant: Tenant) -> GatewayEndpoints | UnsetType:
    if tenant.gateway_pool is UNSET or tenant.gateway_pool not in names.gateway_pools:
        return UNSET
    pool = names.gateway_pools[tenant.gateway_pool]
    known = (names.gateways[each] for each in pool.gateways if each in names.gateways)
    addresses = tuple(interface.ip for gateway in known for interface in gateway.public)
    return GatewayEndpoints(name=pool.name, addresses=addresses, port=pool.port)
