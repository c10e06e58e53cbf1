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

The server listens before the client starts, because a lost first packet costs the client two seconds. The
tenant's appliance asks for each address before it claims it (RFC 5227) and refuses when the original still
answers; the replica is then powered off again and both appliances return to the documents before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from causeway_controller.failover import checks
from causeway_controller.failover.inventory import Network, Site, Tenant
from causeway_controller.failover.steps import Apply, MachineKind, MachineRef, Power, Step, VerifyTunnel
from causeway_wire.types import TenantId, VmName


def begin(site: Site, tenant: TenantId, vms: Iterable[VmName]) -> tuple[Step, ...]:
    """Steps that fail these VMs over, besides those that are already.

    Raises ProblemError carrying every reason why this cannot be meant, each naming its VM.
    """
    chosen = frozenset(vms)
    found = checks.beginnable(site, tenant, chosen)
    before = site.failed_over.get(tenant, frozenset())
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
    found = checks.undoable(site, tenant, chosen)
    after = site.failed_over.get(tenant, frozenset()) - chosen
    return tuple(_undo(found, chosen, after, stop_appliances=stop_appliances))


def _begin(tenant: Tenant, chosen: frozenset[VmName], before: frozenset[VmName]) -> Iterator[Step]:
    after = before | chosen
    networks = _networks(tenant, chosen)
    first = not before
    yield _power_on(
        _provider(tenant), seed=2, stage=1, sentence="Power on the provider's appliance", undo=first
    )
    for network in networks:
        needed = not _of(tenant, network, before)
        sentence = f"Power on the tenant's appliance of network {network.id}"
        yield _power_on(_appliance(tenant, network), seed=3, stage=1, sentence=sentence, undo=needed)
    yield Step(
        seed=2,
        stage=2,
        sentence="Start the VPN servers on the provider's appliance and route the replicas' addresses",
        action=Apply(appliance=tenant.provider.id, tenant=tenant.id, vms=after),
        compensation=Apply(appliance=tenant.provider.id, tenant=tenant.id, vms=before),
    )
    for vm in sorted(chosen):
        yield _power_on(_replica(tenant, vm), seed=1, stage=3, sentence=f"Power on the replica of {vm}")
    for network in networks:
        appliance = tenant.appliances[network.id].id
        yield Step(
            seed=3,
            stage=3,
            sentence=f"Connect the VPN client of network {network.id} and answer for its failed-over VMs",
            action=Apply(appliance=appliance, tenant=tenant.id, vms=after),
            compensation=Apply(appliance=appliance, tenant=tenant.id, vms=before),
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


def _undo(
    tenant: Tenant, chosen: frozenset[VmName], after: frozenset[VmName], *, stop_appliances: bool
) -> Iterator[Step]:
    """The stages of `_begin` backwards: no address stays claimed for a replica that is gone."""
    networks = _networks(tenant, chosen)
    for network in networks:
        yield Step(
            seed=3,
            stage=1,
            sentence=f"Stop answering for {', '.join(_of(tenant, network, chosen))} in network {network.id}",
            action=Apply(appliance=tenant.appliances[network.id].id, tenant=tenant.id, vms=after),
        )
    for vm in sorted(chosen):
        action = Power(machine=_replica(tenant, vm), on=False)
        yield Step(seed=1, stage=1, sentence=f"Power off the replica of {vm}", action=action)
    yield Step(
        seed=2,
        stage=2,
        sentence="Remove the replicas' addresses and idle tunnels from the provider's appliance",
        action=Apply(appliance=tenant.provider.id, tenant=tenant.id, vms=after),
    )
    if not stop_appliances:
        return
    for network in networks:
        if not _of(tenant, network, after):
            action = Power(machine=_appliance(tenant, network), on=False)
            sentence = f"Power off the tenant's appliance of network {network.id}"
            yield Step(seed=3, stage=3, sentence=sentence, action=action)
    if not after:
        action = Power(machine=_provider(tenant), on=False)
        yield Step(seed=2, stage=3, sentence="Power off the provider's appliance", action=action)


def _power_on(machine: MachineRef, *, seed: int, stage: int, sentence: str, undo: bool = True) -> Step:
    compensation = Power(machine=machine, on=False) if undo else None
    action = Power(machine=machine, on=True)
    return Step(seed=seed, stage=stage, sentence=sentence, action=action, compensation=compensation)


def _networks(tenant: Tenant, vms: frozenset[VmName]) -> tuple[Network, ...]:
    """The networks of these VMs, in the inventory's order."""
    wanted = {tenant.vms[name].network for name in vms}
    return tuple(network for network in tenant.networks.values() if network.id in wanted)


def _of(tenant: Tenant, network: Network, vms: frozenset[VmName]) -> tuple[VmName, ...]:
    return tuple(name for name in sorted(vms) if tenant.vms[name].network == network.id)


def _provider(tenant: Tenant) -> MachineRef:
    return MachineRef(kind=MachineKind.PROVIDER_APPLIANCE, tenant=tenant.id, name=tenant.provider.id)


def _appliance(tenant: Tenant, network: Network) -> MachineRef:
    appliance = tenant.appliances[network.id].id
    return MachineRef(kind=MachineKind.TENANT_APPLIANCE, tenant=tenant.id, name=appliance)


def _replica(tenant: Tenant, vm: VmName) -> MachineRef:
    return MachineRef(kind=MachineKind.REPLICA, tenant=tenant.id, name=vm)
