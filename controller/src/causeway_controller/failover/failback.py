"""Permanent failover, and failback: VMs return to production with what they became. Pure.

    1  the replicas stop: nothing is written any more
    2  their addresses are given up, at the provider and in production
    3  the hook `release` of the plan: what replicates brings production up to date and starts it
    4  the appliances report that they hold nothing of it

Of a full failover some VMs can return while the others go on in partial failover; then 2 comes first, in one
change that is taken back unless the tunnel carries packets. A failback is repeated when it fails, never taken
back. What was made permanent is not undone: an undo would lose what the replica, which is production, wrote.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from causeway_controller.contract.tenant import ReadyBy
from causeway_controller.failover import checks, documents, full, hooks, partial, waves
from causeway_controller.failover.steps import (
    Apply,
    HookMoment,
    Power,
    Ready,
    Stage,
    Step,
    VerifyMode,
    VerifyTunnel,
    numbered,
    provider_machine,
    replica_machine,
    switched,
)
from causeway_controller.inventory import modes, tenancy
from causeway_controller.inventory.tenancy import Network, Site, Tenant
from causeway_wire.types import IPAddress, NetworkId, TenantId, VmName

_REQUEST = "fail-back"


def make_permanent(site: Site, tenant: TenantId, vms: Iterable[VmName]) -> tuple[Step, ...]:
    """Steps that look whether these replicas run and their appliance serves them; nothing is changed.

    Raises ProblemError when one of them is not failed over.
    """
    chosen = frozenset(vms)
    found = checks.permanentable(site, tenant, chosen)
    return numbered(_look(found, tenancy.mode(site, tenant), chosen))


def fail_back(
    site: Site,
    tenant: TenantId,
    vms: Iterable[VmName],
    *,
    synchronised: bool = False,
    stop_appliances: bool = False,
) -> tuple[Step, ...]:
    """Steps that give these VMs back to production. Raises ProblemError with every reason why not."""
    chosen = frozenset(vms)
    found = checks.returnable(site, tenant, chosen, synchronised=synchronised)
    before = tenancy.mode(site, tenant)
    if isinstance(before, modes.Full):
        return numbered(_of_full(found, before, chosen, stop_appliances=stop_appliances))
    checks.led_here(found, chosen)
    return numbered(_of_partial(found, before.vms, chosen, stop_appliances=stop_appliances))


def _look(tenant: Tenant, mode: modes.Mode, vms: frozenset[VmName]) -> Iterator[Stage]:
    yield (
        Step("The provider's appliance serves them", VerifyMode(appliance=tenant.provider.id, mode=mode)),
        *(
            Step(
                f"The replica of {vm} runs",
                Ready(machine=replica_machine(tenant, vm), by=ReadyBy.POWER, timeout=10.0),
            )
            for vm in sorted(vms)
        ),
    )


def _of_full(
    tenant: Tenant, before: modes.Full, chosen: frozenset[VmName], *, stop_appliances: bool
) -> Iterator[Stage]:
    kept = before.vms - chosen
    after = modes.partial(kept, before.permanent)
    if kept:
        yield from full.de_escalate(tenant, before, kept, request=_REQUEST, settles=False)
    else:
        yield from full.end(tenant, before, before.behind, request=_REQUEST, stop_appliances=False)
    given = (*_gateways(tenant, before.vms), *tenant.public_addresses)
    yield (released(tenant, after, given),)
    if stop_appliances and not kept:
        action = Power(machine=provider_machine(tenant), on=False)
        yield (Step("Power off the provider's appliance", action, seed=2),)


def _of_partial(
    tenant: Tenant, before: frozenset[VmName], chosen: frozenset[VmName], *, stop_appliances: bool
) -> Iterator[Stage]:
    rest = before - chosen
    after = modes.partial(rest)
    networks = documents.covered(tenant, chosen)
    yield (partial.provider_up(tenant), *partial.ends_up(tenant, networks))
    for group in waves.stopping(tenant, chosen, full.STOPPED_TOGETHER):
        yield tuple(
            Step(switched(vm, on=False), Power(machine=replica_machine(tenant, vm), on=False), seed=1)
            for vm in group
        )
    yield tuple(
        Step(
            f"Stop answering for {', '.join(_of(tenant, network, chosen))} in network {network.id}",
            Apply(appliance=tenant.appliances[network.id].id, tenant=tenant.id, mode=after),
            seed=3,
        )
        for network in networks
    )
    sentence = "Remove the replicas' addresses and idle tunnels from the provider's appliance"
    yield (Step(sentence, Apply(appliance=tenant.provider.id, tenant=tenant.id, mode=after), seed=2),)
    yield from hooks.call(tenant, HookMoment.RELEASE, request=_REQUEST, vms=chosen)
    yield (released(tenant, after, ()), *_tunnels(tenant, documents.covered(tenant, rest)))
    if stop_appliances:
        yield from partial.appliances_off(tenant, chosen, rest)


def released(tenant: Tenant, mode: modes.Mode, addresses: tuple[IPAddress, ...]) -> Step:
    """Return the step that waits until the provider's appliance has the mode and none of the addresses."""
    action = VerifyMode(appliance=tenant.provider.id, mode=mode, released=addresses)
    return Step("The provider's appliance holds nothing of what is production's again", action)


def _tunnels(tenant: Tenant, networks: Iterable[Network]) -> Iterator[Step]:
    for network in networks:
        client = tenant.appliances[network.id].id
        action = VerifyTunnel(tunnel=network.tunnel, server=tenant.provider.id, client=client)
        yield Step(f"What stays at the provider in network {network.id} goes on", action, seed=4)


def _gateways(tenant: Tenant, vms: Iterable[VmName]) -> tuple[IPAddress, ...]:
    networks: tuple[Network, ...] = documents.covered(tenant, vms)
    return tuple(gateway for network in networks for gateway in network.gateways)


def _of(tenant: Tenant, network: Network, vms: frozenset[VmName]) -> tuple[VmName, ...]:
    wanted: NetworkId = network.id
    return tuple(name for name in sorted(vms) if tenant.vms[name].network == wanted)
