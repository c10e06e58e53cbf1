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
    stage 5   both appliances are told to keep what they have

The server listens before the client starts, because a lost first packet costs the client two seconds. The
tenant's appliance asks for each address before it claims it (RFC 5227) and refuses when the original still
answers; the replica is then powered off again and both appliances return to the documents before.

Both ends are applied before either is confirmed. If this controller dies in between, both take their
documents back by themselves, and the failover has not happened on one side only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from causeway_controller.failover import checks, documents
from causeway_controller.failover.steps import (
    Apply,
    Confirm,
    MachineRef,
    Power,
    Step,
    VerifyTunnel,
    appliance_machine,
    provider_machine,
    replica_machine,
)
from causeway_controller.inventory import modes, tenancy
from causeway_controller.inventory.tenancy import Network, Site, Tenant
from causeway_wire.types import ApplianceId, TenantId, VmName


def begin(site: Site, tenant: TenantId, vms: Iterable[VmName]) -> tuple[Step, ...]:
    """Steps that fail these VMs over, besides those that are already.

    Raises ProblemError carrying every reason why this cannot be meant, each naming its VM.
    """
    chosen = frozenset(vms)
    found = checks.partial_beginnable(site, tenant, chosen)
    before = tenancy.mode(site, tenant).vms
    return tuple(_begin(found, chosen, before))


def undo(
    site: Site, tenant: TenantId, vms: Iterable[VmName], *, stop_appliances: bool = False
) -> tuple[Step, ...]:
    """Steps that end the failover of these VMs; their replicas are powered off.

    Idle appliances extend and forward nothing, and running they make the next failover a matter of half a
    second instead of a boot; with `stop_appliances` those that no VM needs any more are powered off.
    An undo is repeated when it fails, never taken back: its steps have no compensation.
    Raises ProblemError carrying every reason why this cannot be meant.
    """
    chosen = frozenset(vms)
    found = checks.partial_undoable(site, tenant, chosen)
    after = tenancy.mode(site, tenant).vms - chosen
    return tuple(_undo(found, chosen, after, stop_appliances=stop_appliances))


def _begin(tenant: Tenant, chosen: frozenset[VmName], before: frozenset[VmName]) -> Iterator[Step]:
    after = before | chosen
    networks = documents.covered(tenant, chosen)
    first = not before
    yield _power_on(
        provider_machine(tenant), seed=2, stage=1, sentence="Power on the provider's appliance", undo=first
    )
    for network in networks:
        needed = not _of(tenant, network, before)
        sentence = f"Power on the tenant's appliance of network {network.id}"
        yield _power_on(appliance_machine(tenant, network), seed=3, stage=1, sentence=sentence, undo=needed)
    yield Step(
        seed=2,
        stage=2,
        sentence="Start the VPN servers on the provider's appliance and route the replicas' addresses",
        action=_configured(tenant.provider.id, tenant, after, confirmed=True),
        compensation=_configured(tenant.provider.id, tenant, before),
    )
    for vm in sorted(chosen):
        yield _power_on(
            replica_machine(tenant, vm), seed=1, stage=3, sentence=f"Power on the replica of {vm}"
        )
    for network in networks:
        appliance = tenant.appliances[network.id].id
        yield Step(
            seed=3,
            stage=3,
            sentence=f"Connect the VPN client of network {network.id} and answer for its failed-over VMs",
            action=_configured(appliance, tenant, after, confirmed=True),
            compensation=_configured(appliance, tenant, before),
        )
    for network in networks:
        yield Step(
            seed=4,
            stage=4,
            sentence=f"Production VMs and replicas of network {network.id} communicate through the tunnel",
            action=VerifyTunnel(
                tunnel=network.tunnel, server=tenant.provider.id, client=tenant.appliances[network.id].id
            ),
        )
    for appliance in (tenant.provider.id, *(tenant.appliances[network.id].id for network in networks)):
        sentence = f"Confirm {appliance} over a new connection"
        yield Step(seed=None, stage=5, sentence=sentence, action=Confirm(appliance=appliance))


def _undo(
    tenant: Tenant, chosen: frozenset[VmName], after: frozenset[VmName], *, stop_appliances: bool
) -> Iterator[Step]:
    """The stages of `_begin` backwards: no address stays claimed for a replica that is gone."""
    networks = documents.covered(tenant, chosen)
    for network in networks:
        yield Step(
            seed=3,
            stage=1,
            sentence=f"Stop answering for {', '.join(_of(tenant, network, chosen))} in network {network.id}",
            action=_configured(tenant.appliances[network.id].id, tenant, after),
        )
    for vm in sorted(chosen):
        action = Power(machine=replica_machine(tenant, vm), on=False)
        yield Step(seed=1, stage=1, sentence=f"Power off the replica of {vm}", action=action)
    yield Step(
        seed=2,
        stage=2,
        sentence="Remove the replicas' addresses and idle tunnels from the provider's appliance",
        action=_configured(tenant.provider.id, tenant, after),
    )
    if not stop_appliances:
        return
    for network in networks:
        if not _of(tenant, network, after):
            action = Power(machine=appliance_machine(tenant, network), on=False)
            sentence = f"Power off the tenant's appliance of network {network.id}"
            yield Step(seed=3, stage=3, sentence=sentence, action=action)
    if not after:
        action = Power(machine=provider_machine(tenant), on=False)
        yield Step(seed=2, stage=3, sentence="Power off the provider's appliance", action=action)


def _power_on(machine: MachineRef, *, seed: int, stage: int, sentence: str, undo: bool = True) -> Step:
    compensation = Power(machine=machine, on=False) if undo else None
    action = Power(machine=machine, on=True)
    return Step(seed=seed, stage=stage, sentence=sentence, action=action, compensation=compensation)


def _of(tenant: Tenant, network: Network, vms: frozenset[VmName]) -> tuple[VmName, ...]:
    return tuple(name for name in sorted(vms) if tenant.vms[name].network == network.id)


def _configured(
    appliance: ApplianceId, tenant: Tenant, vms: frozenset[VmName], *, confirmed: bool = False
) -> Apply:
    mode = modes.Partial(vms) if vms else modes.Idle()
    return Apply(appliance=appliance, tenant=tenant.id, mode=mode, confirmed=confirmed)
