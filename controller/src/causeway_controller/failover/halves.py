"""Partial failover over two sites: the provider's controller does its half, the tenant's the other and leads.

The tenant's run has the provider's open its half first, and has it held; then it does its own:

    the tenant's run                                      the provider's run, opened by stage 2
    1  3 tenant appliance on
    2  2 the provider's half is opened                    1  2 provider appliance on
                                                          2  2 VPN server listens, replicas' addresses routed
                                                          3  1 replicas on
                                                          4  3 held, as long as the tenant's run asks
    3  3 VPN client connects, addresses claimed
    4  4-8 the tunnel carries packets
    5  the provider's half is to be kept                  5  4 its end of the tunnel is up too
                                                          6  its appliance is told to keep what it has
    6  the tenant's appliance too

It is the protocol of `partial`, with the provider's controller between the tenant's and the provider's
appliance; tests/model/partial_failover.pml has its laws. The tenant's appliance is applied within the
provider's half, which is confirmed first and ended last. The provider's run ends its half by itself in two
cases only: the tenant's controller said that its appliance relies on it no more, or the deadline is over
inside which that appliance has gone back by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from causeway_controller.failover import checks, documents, hooks, partial
from causeway_controller.failover.steps import (
    AwaitTenant,
    CloseHalf,
    HookMoment,
    LetGo,
    OpenHalf,
    Stage,
    Step,
    VerifyTunnel,
    confirmations,
    numbered,
)
from causeway_controller.inventory import tenancy
from causeway_controller.inventory.tenancy import ProviderHalf, Site, Tenant
from causeway_wire.types import Name, TenantId, VmName


def serve(site: Site, tenant: TenantId, vms: Iterable[VmName]) -> tuple[Step, ...]:
    """Return the steps of the provider's half for these VMs, besides those that it serves already.

    Raises ProblemError carrying every reason why this cannot be meant, each naming its VM.
    """
    chosen = frozenset(vms)
    found = checks.servable(site, tenant, chosen)
    return numbered(_serve(found, chosen, tenancy.mode(site, tenant).vms))


def stop_serving(
    site: Site, tenant: TenantId, vms: Iterable[VmName], *, stop_appliances: bool = False
) -> tuple[Step, ...]:
    """Return the steps that end the provider's half of these VMs; nothing relies on it any more.

    Raises ProblemError carrying every reason why this cannot be meant.
    """
    chosen = frozenset(vms)
    found = checks.partial_undoable(site, tenant, chosen)
    after = tenancy.mode(site, tenant).vms - chosen
    return numbered(_stop_serving(found, chosen, after, stop_appliances=stop_appliances))


def begin(site: Site, tenant: TenantId, vms: Iterable[VmName]) -> tuple[Step, ...]:
    """Return the steps of the tenant's run that fail these VMs over, besides those that are already.

    Raises ProblemError carrying every reason why this cannot be meant, each naming its VM.
    """
    chosen = frozenset(vms)
    found = checks.linkable(site, tenant, chosen)
    return numbered(_begin(found, _half(found), chosen, tenancy.mode(site, tenant).vms))


def undo(
    site: Site, tenant: TenantId, vms: Iterable[VmName], *, stop_appliances: bool = False
) -> tuple[Step, ...]:
    """Return the steps of the tenant's run that end the failover of these VMs. As `partial.undo`.

    Raises ProblemError carrying every reason why this cannot be meant.
    """
    chosen = frozenset(vms)
    found = checks.partial_undoable(site, tenant, chosen)
    after = tenancy.mode(site, tenant).vms - chosen
    return numbered(_undo(found, _half(found), chosen, after, stop_appliances=stop_appliances))


def _serve(tenant: Tenant, chosen: frozenset[VmName], before: frozenset[VmName]) -> Iterator[Stage]:
    appliance, after = tenant.provider.id, before | chosen
    yield from hooks.call(tenant, HookMoment.HOLD, request="serve", vms=chosen)
    yield (partial.provider_on(tenant, before),)
    yield (partial.servers_started(tenant, before, after),)
    yield partial.replicas_on(tenant, chosen)
    yield (
        Step(
            "The tenant's controller connects its VPN clients and answers for its failed-over VMs",
            AwaitTenant(appliance=appliance),
            seed=3,
            compensation=LetGo(appliance=appliance),
        ),
    )
    yield tuple(
        Step(
            f"The VPN server of network {network.id} has its client",
            VerifyTunnel(tunnel=network.tunnel, server=appliance, client=None),
            seed=4,
        )
        for network in documents.covered(tenant, chosen)
    )
    yield from confirmations(appliance)


def _stop_serving(
    tenant: Tenant, chosen: frozenset[VmName], after: frozenset[VmName], *, stop_appliances: bool
) -> Iterator[Stage]:
    yield partial.replicas_off(tenant, chosen)
    yield (partial.servers_ended(tenant, after),)
    yield from hooks.call(tenant, HookMoment.RELEASE, request="stop-serving", vms=chosen)
    if stop_appliances and not after:
        yield (partial.provider_off(tenant),)


def _begin(
    tenant: Tenant, half: ProviderHalf, chosen: frozenset[VmName], before: frozenset[VmName]
) -> Iterator[Stage]:
    after, host = before | chosen, _host(half, chosen)
    networks = documents.covered(tenant, chosen)
    ends = {network.id: tenant.appliances[network.id].id for network in networks}
    yield partial.ends_on(tenant, networks, before)
    yield (
        Step(
            "The provider powers on the replicas, starts the VPN servers, routes the replicas' addresses",
            OpenHalf(half=half.id, host=host, vms=chosen),
            seed=2,
            compensation=CloseHalf(half=half.id, host=host, vms=chosen, opened=True),
        ),
    )
    yield partial.clients_connected(tenant, ends, before, after)
    yield tuple(
        Step(
            f"The VPN client of network {network.id} has its server",
            VerifyTunnel(tunnel=network.tunnel, server=None, client=ends[network.id]),
            seed=4,
        )
        for network in networks
    )
    yield from confirmations(half.id, *ends.values())


def _undo(
    tenant: Tenant,
    half: ProviderHalf,
    chosen: frozenset[VmName],
    after: frozenset[VmName],
    *,
    stop_appliances: bool,
) -> Iterator[Stage]:
    networks = documents.covered(tenant, chosen)
    yield partial.answers_stopped(tenant, networks, chosen, after)
    yield (
        Step(
            "The provider powers off the replicas and removes their addresses",
            CloseHalf(half=half.id, host=_host(half, chosen), vms=chosen, opened=False),
            seed=2,
        ),
    )
    if stop_appliances:
        yield partial.ends_off(tenant, networks, after)


def _half(tenant: Tenant) -> ProviderHalf:
    if not isinstance(tenant.provider, ProviderHalf):
        raise TypeError(f"the provider's appliance of {tenant.id} is commanded here")
    return tenant.provider


def _host(half: ProviderHalf, vms: frozenset[VmName]) -> Name:
    """The provider's host that their replicas are on; one, as was checked."""
    return half.hosts[min(vms)]
