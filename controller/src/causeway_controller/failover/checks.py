"""Whether a partial failover can be meant: every reason why not, each naming the VM it is about."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from causeway_controller.failover import documents
from causeway_controller.failover.inventory import Network, Site, Tenant, Vm
from causeway_wire.problem import Problem, ProblemError, ProblemType, combine, problem
from causeway_wire.types import IPAddress, NetworkId, TenantId, VmName


def beginnable(site: Site, tenant: TenantId, vms: frozenset[VmName]) -> Tenant:
    """The tenant whose VMs these are; raises ProblemError when they cannot be failed over."""
    found = _tenant(site, tenant)
    running = site.failed_over.get(tenant, frozenset())
    problems = [*_each(found, vms, lambda vm: _unready(site, found, vm, running))]
    known = [found.vms[name] for name in sorted((vms | running) & found.vms.keys())]
    problems += _collisions(found, known)
    return _accepted(found, problems, vms)


def undoable(site: Site, tenant: TenantId, vms: frozenset[VmName]) -> Tenant:
    """The tenant whose VMs these are; raises ProblemError when they are not failed over."""
    found = _tenant(site, tenant)
    running = site.failed_over.get(tenant, frozenset())
    problems = [*_each(found, vms, lambda vm: _not_running(vm, running))]
    return _accepted(found, problems, vms)


def _tenant(site: Site, tenant: TenantId) -> Tenant:
    if tenant not in site.tenants:
        raise ProblemError(problem(ProblemType.UNKNOWN_REFERENCE, f"there is no tenant {tenant}"))
    return site.tenants[tenant]


def _accepted(tenant: Tenant, problems: list[Problem], vms: frozenset[VmName]) -> Tenant:
    if not vms:
        problems.append(problem(ProblemType.INVALID, "name at least one VM"))
    if problems:
        raise ProblemError(combine(tuple(problems)))
    return tenant


def _each(
    tenant: Tenant, vms: frozenset[VmName], check: Callable[[Vm], Iterator[Problem]]
) -> Iterator[Problem]:
    for name in sorted(vms):
        if name in tenant.vms:
            yield from check(tenant.vms[name])
        else:
            yield _about(name, ProblemType.UNKNOWN_REFERENCE, f"tenant {tenant.id} has no VM of this name")


def _not_running(vm: Vm, running: frozenset[VmName]) -> Iterator[Problem]:
    if vm.name not in running:
        yield _about(vm.name, ProblemType.INVALID, "it is not failed over")


def _unready(site: Site, tenant: Tenant, vm: Vm, running: frozenset[VmName]) -> Iterator[Problem]:
    if vm.name in running:
        yield _about(vm.name, ProblemType.DUPLICATE, "it is failed over already; undo that first")
    if not vm.addresses:
        yield _about(vm.name, ProblemType.INVALID, "it has no address; only static addresses fail over")
    network = tenant.networks.get(vm.network)
    if network is None:
        yield _about(vm.name, ProblemType.UNKNOWN_REFERENCE, f"there is no network {vm.network}")
        return
    for address in vm.addresses:
        if not _inside(network, address):
            detail = f"{address} lies outside network {network.id}"
            yield _about(vm.name, ProblemType.OUTSIDE_NETWORK, detail)
    yield from _unextended(site, tenant, vm, network)


def _unextended(site: Site, tenant: Tenant, vm: Vm, network: Network) -> Iterator[Problem]:
    """What is missing between the network's two appliances."""
    missing = ProblemType.UNKNOWN_REFERENCE
    if network.id not in tenant.provider.vlans:
        detail = f"appliance {tenant.provider.id} has no adapter in network {network.id}"
        yield _about(vm.name, missing, detail)
    if network.id not in tenant.appliances:
        yield _about(vm.name, missing, f"network {network.id} has no appliance at the tenant's site")
    elif not documents.remotes(site, tenant.appliances[network.id]):
        yield _about(vm.name, missing, f"no cloud gateway can be reached from network {network.id}")
    try:
        documents.server_address(tenant)
        documents.tunnel_credentials(site, tenant.id, network)
    except ProblemError as error:
        yield _about(vm.name, missing, error.problem.detail)


def _collisions(tenant: Tenant, vms: list[Vm]) -> Iterator[Problem]:
    """Addresses that two VMs would hold at once, or that belong to a gateway or an appliance."""
    owners: dict[tuple[NetworkId, IPAddress], str] = {}
    for network in tenant.networks.values():
        for gateway in network.gateways:
            owners[network.id, gateway] = "the production gateway"
        adapters = [tenant.provider.vlans[network.id]] if network.id in tenant.provider.vlans else []
        adapters += [tenant.appliances[network.id].nic] if network.id in tenant.appliances else []
        for interface in (interface for adapter in adapters for interface in adapter.addresses):
            owners[network.id, interface.ip] = "an appliance"
    for vm in vms:
        for address in vm.addresses:
            owner = owners.setdefault((vm.network, address), vm.name)
            if owner != vm.name:
                yield _about(vm.name, ProblemType.DUPLICATE, f"{address} belongs to {owner}")


def _inside(network: Network, address: IPAddress) -> bool:
    return any(address.version == prefix.version and address in prefix for prefix in network.prefixes)


def _about(vm: VmName, kind: ProblemType, detail: str) -> Problem:
    return problem(kind, f"VM {vm}: {detail}", pointer=f"/vms/{vm}")
