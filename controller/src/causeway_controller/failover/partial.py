"""Partial site failover: some VMs run at the provider, the rest stay in production, one network for both.

The seed numbers what happens (Network Extension Appliances Interaction): 1 the replica is powered on, 2 the
provider's appliance and its VPN server, 3 the tenant's appliance and its VPN client, 4 to 8 packets flow. We
keep the numbers and change the order in time, in one place: the provider's appliance is configured before the
replica is powered on. A booting replica announces its address; an appliance that does not route that address
to it yet takes it for a machine behind the tunnel, answers, and the replica believes in a duplicate. So:

    stage 1   2 provider appliance on          3 tenant appliance on
    stage 2   2 VPN server listens, replicas' addresses routed
    stage 3   1 replicas on                    3 VPN client connects, addresses claimed in production
    stage 4   4-8 the tunnel carries packets
    stage 5   the provider's appliance is told to keep what it has
    stage 6   the tenant's appliance too

The server listens before the client starts, because a lost first packet costs the client two seconds. The
tenant's appliance asks for each address before it claims it (RFC 5227) and refuses when the original still
answers; the replica is then powered off again and both appliances return to the documents before.

Both ends are applied before either is confirmed. If this controller dies in between, both take their
documents back by themselves, and the failover has not happened on one side only. At no moment does the
tenant's appliance answer for a replica that the provider's does not serve: its deadline ends inside the
provider's, and the provider's is confirmed first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from causeway_controller.failover import checks, documents, hooks
from causeway_controller.failover.steps import (
    Apply,
    HookMoment,
    MachineRef,
    Power,
    Stage,
    Step,
    VerifyTunnel,
    appliance_machine,
    confirmations,
    numbered,
    provider_machine,
    replica_machine,
    switched,
)
from causeway_controller.inventory import modes, tenancy
from causeway_controller.inventory.tenancy import Network, Site, Tenant
from causeway_wire.types import ApplianceId, NetworkId, TenantId, VmName


def begin(site: Site, tenant: TenantId, vms: Iterable[VmName]) -> tuple[Step, ...]:
    """Steps that fail these VMs over, besides those that are already.

    Raises ProblemError carrying every reason why this cannot be meant, each naming its VM.
    """
    chosen = frozenset(vms)
    found = checks.partial_beginnable(site, tenant, chosen)
    before = tenancy.mode(site, tenant).vms
    return numbered(_begin(found, chosen, before))


def undo(
    site: Site, tenant: TenantId, vms: Iterable[VmName], *, stop_appliances: bool = False
) -> tuple[Step, ...]:
    """Steps that end the failover of these VMs; their replicas are powered off.

    Idle appliances extend and forward nothing, and running they make the next failover a matter of half a
    second instead of a boot; with `stop_appliances` those that no VM needs any more are powered off.
    An undo is repeated when it fails, never taken back: its steps have no compensation. An appliance that is
    off, by an undo that failed halfway or by somebody, is powered on first: else it would come back later
    with what it was told last.
    Raises ProblemError carrying every reason why this cannot be meant.
    """
    chosen = frozenset(vms)
    found = checks.partial_undoable(site, tenant, chosen)
    checks.led_here(found, chosen)
    after = tenancy.mode(site, tenant).vms - chosen
    return numbered(_undo(found, chosen, after, stop_appliances=stop_appliances))


def _begin(tenant: Tenant, chosen: frozenset[VmName], before: frozenset[VmName]) -> Iterator[Stage]:
    after = before | chosen
    networks = documents.covered(tenant, chosen)
    ends = {network.id: tenant.appliances[network.id].id for network in networks}
    yield from hooks.call(tenant, HookMoment.HOLD, request="fail-over", vms=chosen)
    yield (provider_on(tenant, before), *ends_on(tenant, networks, before))
    yield (servers_started(tenant, before, after),)
    yield (*replicas_on(tenant, chosen), *clients_connected(tenant, ends, before, after))
    yield tuple(
        Step(
            f"Production VMs and replicas of network {network.id} communicate through the tunnel",
            VerifyTunnel(tunnel=network.tunnel, server=tenant.provider.id, client=ends[network.id]),
            seed=4,
        )
        for network in networks
    )
    yield from confirmations(tenant.provider.id, *ends.values())


def _undo(
    tenant: Tenant, chosen: frozenset[VmName], after: frozenset[VmName], *, stop_appliances: bool
) -> Iterator[Stage]:
    """The stages of `_begin` backwards: no address stays claimed for a replica that is gone."""
    networks = documents.covered(tenant, chosen)
    ends = ends_told(tenant, networks, chosen, after)
    yield (provider_up(tenant), *ends, *replicas_off(tenant, chosen))
    yield (servers_ended(tenant, after),)
    yield from hooks.call(tenant, HookMoment.RELEASE, request="undo", vms=chosen)
    if stop_appliances:
        yield from appliances_off(tenant, chosen, after)


def appliances_off(tenant: Tenant, chosen: frozenset[VmName], after: frozenset[VmName]) -> Iterator[Stage]:
    """Return the stage that powers off those appliances of these VMs that no VM needs any more."""
    yield (
        *ends_off(tenant, documents.covered(tenant, chosen), after),
        *([provider_off(tenant)] if not after else []),
    )


def provider_on(tenant: Tenant, before: frozenset[VmName]) -> Step:
    """Return the step that powers the provider's appliance on; VMs of `before` need it whatever follows."""
    return power_on(provider_machine(tenant), "Power on the provider's appliance", seed=2, undo=not before)


def provider_up(tenant: Tenant) -> Step:
    """Return the step that has the provider's appliance on, which is to be told something; it stays so."""
    return power_on(provider_machine(tenant), "Power on the provider's appliance", seed=2, undo=False)


def provider_off(tenant: Tenant) -> Step:
    """Return the step that powers the provider's appliance off."""
    return power_off(provider_machine(tenant), "Power off the provider's appliance", seed=2)


def ends_on(tenant: Tenant, networks: Iterable[Network], before: frozenset[VmName]) -> tuple[Step, ...]:
    """Return the steps that power the tenant's appliances of these networks on."""
    return tuple(
        power_on(
            appliance_machine(tenant, network),
            f"Power on the tenant's appliance of network {network.id}",
            seed=3,
            undo=not of_network(tenant, network, before),
        )
        for network in networks
    )


def ends_up(tenant: Tenant, networks: Iterable[Network]) -> tuple[Step, ...]:
    """Return the steps that have the tenant's appliances of these networks on, as `provider_up`."""
    return ends_on(tenant, networks, frozenset(tenant.vms))


def ends_told(
    tenant: Tenant, networks: Sequence[Network], vms: frozenset[VmName], after: frozenset[VmName]
) -> tuple[Step, ...]:
    """Return the steps of one stage that end what production hears for these VMs.

    An appliance that cannot be powered on holds up no other one.
    """
    stopped = answers_stopped(tenant, networks, vms, after)
    up = ends_up(tenant, networks)
    needing = (replace(step, needs=(one.sentence,)) for step, one in zip(stopped, up, strict=True))
    return (*up, *needing)


def ends_off(tenant: Tenant, networks: Iterable[Network], after: frozenset[VmName]) -> tuple[Step, ...]:
    """Return the steps that power those of these networks' appliances off that no VM needs any more."""
    return tuple(
        power_off(
            appliance_machine(tenant, network),
            f"Power off the tenant's appliance of network {network.id}",
            seed=3,
        )
        for network in networks
        if not of_network(tenant, network, after)
    )


def servers_started(tenant: Tenant, before: frozenset[VmName], after: frozenset[VmName]) -> Step:
    """Return the step that has the provider's appliance serve the VMs of `after`, awaiting confirmation."""
    appliance = tenant.provider.id
    return Step(
        "Start the VPN servers on the provider's appliance and route the replicas' addresses",
        configured(appliance, tenant, after, confirmed=True, holds=True),
        seed=2,
        compensation=configured(appliance, tenant, before),
    )


def servers_ended(tenant: Tenant, after: frozenset[VmName]) -> Step:
    """Return the step that has the provider's appliance serve the VMs of `after` and no others."""
    return Step(
        "Remove the replicas' addresses and idle tunnels from the provider's appliance",
        configured(tenant.provider.id, tenant, after),
        seed=2,
    )


def clients_connected(
    tenant: Tenant, ends: Mapping[NetworkId, ApplianceId], before: frozenset[VmName], after: frozenset[VmName]
) -> tuple[Step, ...]:
    """Return the steps that have the tenant's appliances answer, within what the provider's end awaits."""
    return tuple(
        Step(
            f"Connect the VPN client of network {name} and answer for its failed-over VMs",
            configured(end, tenant, after, confirmed=True, within=tenant.provider.id),
            seed=3,
            compensation=configured(end, tenant, before),
        )
        for name, end in ends.items()
    )


def answers_stopped(
    tenant: Tenant, networks: Iterable[Network], vms: frozenset[VmName], after: frozenset[VmName]
) -> tuple[Step, ...]:
    """Return the steps that have the tenant's appliances answer for these VMs no more."""
    return tuple(
        Step(
            f"Stop answering for {', '.join(of_network(tenant, network, vms))} in network {network.id}",
            configured(tenant.appliances[network.id].id, tenant, after),
            seed=3,
        )
        for network in networks
    )


def replicas_on(
    tenant: Tenant, vms: frozenset[VmName], before: frozenset[VmName] = frozenset()
) -> tuple[Step, ...]:
    """Return the steps that power the replicas of these VMs on; those of `before` stay on in any case."""
    return tuple(
        power_on(replica_machine(tenant, vm), switched(vm, on=True), seed=1, undo=vm not in before)
        for vm in sorted(vms)
    )


def replicas_off(tenant: Tenant, vms: frozenset[VmName]) -> tuple[Step, ...]:
    """Return the steps that power the replicas of these VMs off."""
    return tuple(power_off(replica_machine(tenant, vm), switched(vm, on=False), seed=1) for vm in sorted(vms))


def power_on(machine: MachineRef, sentence: str, *, seed: int, undo: bool = True) -> Step:
    """Return the step that powers a machine on, taken back where `undo` says so."""
    compensation = Power(machine=machine, on=False) if undo else None
    return Step(sentence, Power(machine=machine, on=True), seed=seed, compensation=compensation)


def power_off(machine: MachineRef, sentence: str, *, seed: int) -> Step:
    """Return the step that powers a machine off."""
    return Step(sentence, Power(machine=machine, on=False), seed=seed)


def of_network(tenant: Tenant, network: Network, vms: frozenset[VmName]) -> tuple[VmName, ...]:
    """Return those of these VMs that are in the network, by name."""
    return tuple(name for name in sorted(vms) if tenant.vms[name].network == network.id)


def configured(
    appliance: ApplianceId,
    tenant: Tenant,
    vms: frozenset[VmName],
    *,
    confirmed: bool = False,
    within: ApplianceId | None = None,
    holds: bool = False,
) -> Apply:
    """Return what brings an appliance to partial failover of these VMs; see `Apply`."""
    return Apply(
        appliance=appliance,
        tenant=tenant.id,
        mode=modes.partial(vms),
        confirmed=confirmed,
        within=within,
        holds=holds,
    )
