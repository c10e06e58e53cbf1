"""What a VM lacks for a failover, or what stands against it: each problem names the VM that it is about."""

from __future__ import annotations

from collections.abc import Iterator

from causeway_controller.failover import extension, tunnel_ends
from causeway_controller.inventory.addressing import inside
from causeway_controller.inventory.findings import some
from causeway_controller.inventory.tenancy import Network, ProviderHalf, Site, Tenant, Vm
from causeway_wire.problem import Problem, ProblemError, ProblemType, problem
from causeway_wire.types import IPAddress, NetworkId, VmName


def not_running(vm: Vm, running: frozenset[VmName]) -> Iterator[Problem]:
    """Yield that it is not among those that run at the provider, if it is not."""
    if vm.name not in running:
        others = f"; failed over are {some(sorted(running))}" if running else ", nor is any other"
        yield about(vm.name, ProblemType.INVALID, f"it is not failed over{others}")


def permanent(vm: Vm) -> Iterator[Problem]:
    """Yield that what it wrote there must not be lost."""
    detail = (
        "its replica is production now, and what it wrote would be lost; give it back (`failover failback`)"
    )
    yield about(vm.name, ProblemType.INVALID, detail)


def led_elsewhere(tenant: Tenant, vm: Vm) -> Iterator[Problem]:
    """Yield that another controller commands the tenant's appliance, if one does."""
    if vm.network not in tenant.appliances:
        detail = (
            "the tenant's controller led its failover, and ends it: its appliance must stop answering first; "
            "when that site is gone, escalate to full failover"
        )
        yield about(vm.name, ProblemType.NOT_ALLOWED, detail)


def unreplicated(tenant: Tenant, vms: frozenset[VmName]) -> Iterator[Problem]:
    """Yield VMs of the plan that nothing stands in for, where the plan as a whole is meant."""
    if vms >= frozenset(item.vm for item in tenant.plan):
        for name in tenant.unreplicated:
            remedy = f"enter one, or leave it out with --but {name}"
            detail = f"plan {tenant.plan_name} has it, and it has no replica; {remedy}"
            yield about(name, ProblemType.UNKNOWN_REFERENCE, detail)


def unready(site: Site, tenant: Tenant, vm: Vm, running: frozenset[VmName]) -> Iterator[Problem]:
    """Yield what is missing at either end."""
    yield from _again(vm, running)
    yield from _misplaced(tenant, vm)
    network = tenant.networks.get(vm.network)
    if network is not None:
        yield from _unplugged(tenant, vm)
        yield from _unanswered(site, tenant, vm, network)
        yield from _untunnelled(site, tenant, vm, network)


def unserved(site: Site, tenant: Tenant, vm: Vm) -> Iterator[Problem]:
    """Yield what is missing at the provider's end."""
    yield from _misplaced(tenant, vm)
    network = tenant.networks.get(vm.network)
    if network is not None:
        yield from _unplugged(tenant, vm)
        yield from _untunnelled(site, tenant, vm, network)


def unreached(site: Site, tenant: Tenant, vm: Vm, running: frozenset[VmName]) -> Iterator[Problem]:
    """Yield what is missing at the tenant's end."""
    yield from _again(vm, running)
    yield from _misplaced(tenant, vm)
    network = tenant.networks.get(vm.network)
    if network is not None:
        yield from _unanswered(site, tenant, vm, network)
        for lack in extension.unmet(tenant, network, vm):
            yield about(vm.name, ProblemType.INVALID, lack)
        yield from _uncertified(site, tenant, vm, network)


def ungated(tenant: Tenant, vm: Vm) -> Iterator[Problem]:
    """Yield why the provider's appliance cannot be this VM's gateway."""
    yield from _misplaced(tenant, vm)
    network = tenant.networks.get(vm.network)
    if network is None:
        return
    yield from _unplugged(tenant, vm)
    gated = {gateway.version for gateway in network.gateways}
    for address in vm.addresses:
        if address.version not in gated:
            detail = f"network {network.id} has no IPv{address.version} gateway; say which address it has"
            yield about(vm.name, ProblemType.INVALID, detail)


def collisions(tenant: Tenant, vms: list[Vm]) -> Iterator[Problem]:
    """Yield addresses that two VMs would hold at once, or that belong to a gateway or an appliance."""
    owners: dict[tuple[NetworkId, IPAddress], str] = {}
    for network in tenant.networks.values():
        for gateway in network.gateways:
            owners[network.id, gateway] = "the production gateway"
        vlans = {} if isinstance(tenant.provider, ProviderHalf) else tenant.provider.vlans
        adapters = [vlans[network.id]] if network.id in vlans else []
        adapters += [tenant.appliances[network.id].nic] if network.id in tenant.appliances else []
        for interface in (interface for adapter in adapters for interface in adapter.addresses):
            owners[network.id, interface.ip] = "an appliance"
    for vm in vms:
        for address in vm.addresses:
            owner = owners.setdefault((vm.network, address), vm.name)
            if owner != vm.name:
                yield about(vm.name, ProblemType.DUPLICATE, f"{address} belongs to {owner}")


def about(vm: VmName, kind: ProblemType, detail: str) -> Problem:
    """Return a problem with this VM of the request."""
    return problem(kind, f"VM {vm}: {detail}", pointer=f"/vms/{vm}")


def _again(vm: Vm, running: frozenset[VmName]) -> Iterator[Problem]:
    if vm.name in running:
        yield about(vm.name, ProblemType.DUPLICATE, "it is failed over already; undo that first")


def _misplaced(tenant: Tenant, vm: Vm) -> Iterator[Problem]:
    """What is wrong with a VM's network and addresses."""
    if not vm.addresses:
        yield about(vm.name, ProblemType.INVALID, "it has no address; only static addresses fail over")
    network = tenant.networks.get(vm.network)
    if network is None:
        yield about(vm.name, ProblemType.UNKNOWN_REFERENCE, f"there is no network {vm.network}")
        return
    for address in vm.addresses:
        if not inside(network.prefixes, address):
            detail = f"{address} lies outside network {network.id}"
            yield about(vm.name, ProblemType.OUTSIDE_NETWORK, detail)


def _unplugged(tenant: Tenant, vm: Vm) -> Iterator[Problem]:
    if vm.network not in tenant.server.vlans:
        detail = f"appliance {tenant.provider.id} has no adapter in network {vm.network}"
        yield about(vm.name, ProblemType.UNKNOWN_REFERENCE, detail)


def _unanswered(site: Site, tenant: Tenant, vm: Vm, network: Network) -> Iterator[Problem]:
    """What is missing for the tenant's appliance to answer in production."""
    missing = ProblemType.UNKNOWN_REFERENCE
    if network.id not in tenant.appliances:
        detail = (
            f"network {network.id} has no appliance at the tenant's site that this controller commands; the "
            "tenant's own controller leads its partial failovers (with `--end-full` out of a full one)"
        )
        yield about(vm.name, missing, detail)
    elif not tunnel_ends.remotes(site, tenant.appliances[network.id]):
        yield about(vm.name, missing, f"no cloud gateway can be reached from network {network.id}")


def _untunnelled(site: Site, tenant: Tenant, vm: Vm, network: Network) -> Iterator[Problem]:
    """What is missing for the provider's appliance to serve the tunnel."""
    for lack in extension.unmet(tenant, network, vm):
        yield about(vm.name, ProblemType.INVALID, lack)
    try:
        tunnel_ends.server_address(tenant)
    except ProblemError as error:
        yield about(vm.name, ProblemType.UNKNOWN_REFERENCE, error.problem.detail)
    else:
        yield from _uncertified(site, tenant, vm, network)


def _uncertified(site: Site, tenant: Tenant, vm: Vm, network: Network) -> Iterator[Problem]:
    try:
        tunnel_ends.credentials(site, tenant.id, network)
    except ProblemError as error:
        yield about(vm.name, ProblemType.UNKNOWN_REFERENCE, error.problem.detail)
