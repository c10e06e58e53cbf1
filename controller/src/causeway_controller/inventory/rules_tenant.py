"""Rules of a tenant's production networks and VMs."""

from __future__ import annotations

from msgspec import UNSET

from causeway_controller.contract.tenant import ProtectedVm, Static, Tenant, TenantNetwork
from causeway_controller.inventory import book as names_of
from causeway_controller.inventory import rules_adapters
from causeway_controller.inventory.book import Book
from causeway_controller.inventory.findings import Findings, distinct, unknown
from causeway_wire import address_kinds
from causeway_wire.problem import ProblemType
from causeway_wire.types import Name


def check(findings: Findings, tenant: Tenant, book: Book, pointer: str) -> None:
    """Note what is wrong with the tenant's networks and VMs."""
    if tenant.gateway_pool is not UNSET and tenant.gateway_pool not in book.gateway_pools:
        unknown(findings, f"{pointer}/gateway_pool", "gateway pool", tenant.gateway_pool, book.gateway_pools)
    starters = (
        (who.value, f"{pointer}/full_failover_by/{n}") for n, who in enumerate(tenant.full_failover_by)
    )
    distinct(findings, starters, "entry")
    _networks(findings, tenant, pointer)
    _vms(findings, tenant, book, pointer)


def _networks(findings: Findings, tenant: Tenant, pointer: str) -> None:
    entries = [(network, f"{pointer}/networks/{n}") for n, network in enumerate(tenant.networks)]
    distinct(findings, ((network.id, f"{where}/id") for network, where in entries), "network")
    ends = [(network.tenant_end, where) for network, where in entries if network.tenant_end is not UNSET]
    distinct(findings, ((end.tunnel, f"{where}/tenant_end/tunnel") for end, where in ends), "tunnel")
    for network, where in entries:
        one_network(findings, network, where)
        if network.tenant_end is not UNSET and tenant.gateway_pool is UNSET:
            detail = f"its tunnel comes in by a gateway; name the gateway_pool of tenant {tenant.id}"
            findings.add(ProblemType.INVALID, f"{where}/tenant_end", detail)
    prefixes = [
        (prefix, f"{where}/prefixes/{n}") for net, where in entries for n, prefix in enumerate(net.prefixes)
    ]
    for later, earlier in address_kinds.overlapping(prefix for prefix, _ in prefixes):
        (prefix, where), (other, at) = prefixes[later], prefixes[earlier]
        detail = f"{prefix} overlaps {other} at {at}; networks of a tenant are apart"
        findings.add(ProblemType.OVERLAP, where, detail)


def one_network(findings: Findings, network: TenantNetwork, pointer: str) -> None:
    """Note what is wrong with a production network by itself."""
    if not network.prefixes:
        findings.add(ProblemType.INVALID, f"{pointer}/prefixes", "name at least one prefix of the network")
    for n, prefix in enumerate(network.prefixes):
        if (why := address_kinds.no_hosts(prefix)) is not None:
            findings.add(
                ProblemType.INVALID, f"{pointer}/prefixes/{n}", f"{prefix} is no production network: {why}"
            )
    for n, gateway in enumerate(network.gateways):
        rules_adapters.member(findings, network, gateway, f"{pointer}/gateways/{n}", "gateway")
    versions = ((gateway.version, f"{pointer}/gateways/{n}") for n, gateway in enumerate(network.gateways))
    distinct(findings, versions, "a gateway of IP version")
    if network.tenant_end is not UNSET and isinstance(network.tenant_end.address, Static):
        tenant_end(findings, network, network.tenant_end.address, f"{pointer}/tenant_end/address")


def tenant_end(findings: Findings, network: TenantNetwork, address: Static, pointer: str) -> None:
    """The tenant's appliance lives in the network (seed), at an address that is not its router's."""
    if not address.addresses:
        detail = "name an address of the appliance, or let it have one by dhcp"
        findings.add(ProblemType.INVALID, f"{pointer}/addresses", detail)
    for n, interface in enumerate(address.addresses):
        where = f"{pointer}/addresses/{n}"
        rules_adapters.member(findings, network, interface.ip, where, "appliance")
        if interface.ip in network.gateways:
            detail = f"{interface.ip} is the network's gateway; give the appliance an address of its own"
            findings.add(ProblemType.DUPLICATE, where, detail)


def _vms(findings: Findings, tenant: Tenant, book: Book, pointer: str) -> None:
    entries = [(vm, f"{pointer}/vms/{n}") for n, vm in enumerate(tenant.vms)]
    if tenant.max_vms is not UNSET and len(entries) > tenant.max_vms:
        detail = f"{len(entries)} VMs are more than the {tenant.max_vms} of max_vms; raise it, or remove some"
        findings.add(ProblemType.INVALID, f"{pointer}/vms/{tenant.max_vms}", detail)
    distinct(findings, ((vm.name, f"{where}/name") for vm, where in entries), "VM")
    addresses = [(a, f"{where}/addresses/{n}") for vm, where in entries for n, a in enumerate(vm.addresses)]
    distinct(findings, addresses, "address")
    macs = [
        ((vm.network, mac), f"{where}/macs/{n}") for vm, where in entries for n, mac in enumerate(vm.macs)
    ]
    distinct(findings, macs, "MAC address")
    networks = names_of.networks(tenant)
    for vm, where in entries:
        network = networks.get(vm.network)
        if network is None:
            unknown(findings, f"{where}/network", "network of the tenant", vm.network, networks)
        else:
            _addresses(findings, vm, network, where)
        for n, mac in enumerate(vm.macs):
            if (why := address_kinds.no_adapter(mac)) is not None:
                findings.add(ProblemType.INVALID, f"{where}/macs/{n}", f"{mac} {why}; a vNIC cannot have it")
        _replica(findings, tenant, vm, book, where)


def _addresses(findings: Findings, vm: ProtectedVm, network: TenantNetwork, pointer: str) -> None:
    """The replica has the VM's addresses and finds no DHCP server: they are static, and known."""
    if not vm.addresses:
        detail = (
            f"name the static addresses of {vm.name}; a VM with DHCP only cannot be reached after failover"
        )
        findings.add(ProblemType.INVALID, f"{pointer}/addresses", detail)
    for n, address in enumerate(vm.addresses):
        where = f"{pointer}/addresses/{n}"
        rules_adapters.member(findings, network, address, where, f"VM {vm.name} with")
        if address in network.gateways:
            detail = f"{address} is the gateway of network {network.id}, which full failover takes over"
            findings.add(ProblemType.DUPLICATE, where, f"{detail}; the VM needs another address")


def refuse_host(findings: Findings, tenant: Tenant, host: Name, book: Book, pointer: str) -> bool:
    """Note a host that the tenant has no subscription on, and say whether it is one. Whether there is such a
    host at all is not said, nor which others there are: who replicates the tenant's VMs is told this too.
    """
    known = {plan.host for _, _, plan in book.subscribed(tenant)} & book.hosts.keys()
    if host not in known:
        unknown(findings, pointer, "host of the tenant's subscriptions", host, known)
    return host not in known


def _replica(findings: Findings, tenant: Tenant, vm: ProtectedVm, book: Book, pointer: str) -> None:
    """The replica is on a host where its network is subscribed."""
    if vm.replica is UNSET:
        return
    where = f"{pointer}/replica/host"
    if refuse_host(findings, tenant, vm.replica.host, book, where):
        return
    reached = {
        (plan.host, entry.network)
        for _, subscription, plan in book.subscribed(tenant)
        for entry in subscription.networks
    }
    if (vm.replica.host, vm.network) not in reached:
        detail = (
            f"tenant {tenant.id} has no subscription on host {vm.replica.host} that carries network "
            f"{vm.network}; subscribe it to a plan there, or move the replica"
        )
        findings.add(ProblemType.INVALID, where, detail)
