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
                                                          7  that the half is kept is told from now on
    6  the tenant's appliance too                         8  what is left of a full failover that it ends

It is the protocol of `partial`, with the provider's controller between the tenant's and the provider's
appliance; tests/model/partial_failover.pml has its laws. The tenant's appliance is applied within the
provider's half, which is confirmed first and ended last. The provider's run ends its half by itself in two
cases only: the tenant's controller said that its appliance relies on it no more, or the deadline is over
inside which that appliance has gone back by itself. From its stage 7 on the tenant's appliance is confirmed:
what takes long comes after that, and sends nothing back (`steps.Settle`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from causeway_controller.contract.requests import StopServing
from causeway_controller.failover import checks, documents, failback, full, hooks, partial
from causeway_controller.failover.steps import (
    AskHalf,
    AwaitTenant,
    CloseHalf,
    Ending,
    HookMoment,
    LetGo,
    OpenHalf,
    Settle,
    Stage,
    Step,
    VerifyTunnel,
    confirmations,
    numbered,
)
from causeway_controller.inventory import modes, tenancy
from causeway_controller.inventory.tenancy import ProviderHalf, Site, Tenant
from causeway_wire.types import Name, TenantId, VmName

_OPENED: Final = "The provider powers on the replicas, starts the VPN servers, routes the replicas' addresses"
_KEPT: Final = "The provider ends its full failover: these VMs stay there, all others of it are powered off"
_ENDED: Final = {
    Ending.UNDO: "The provider powers off the replicas and removes their addresses",
    Ending.FAIL_BACK: "The provider powers off the replicas and brings production up to date",
    Ending.SYNCHRONISED: "The provider powers off the replicas and removes their addresses",
}


def serve(site: Site, tenant: TenantId, vms: Iterable[VmName], *, end_full: bool = False) -> tuple[Step, ...]:
    """Return the steps of the provider's half for these VMs, besides those that it serves already.

    `end_full`: they run in full failover, which ends for the others; a run before may have ended it, and left
    them. Raises ProblemError carrying every reason why this cannot be meant, each naming its VM.
    """
    chosen, before = frozenset(vms), tenancy.mode(site, tenant)
    if end_full and not _ended(before, chosen):
        return numbered(_serve_kept(checks.keepable(site, tenant, chosen), before, chosen))
    found = checks.servable(site, tenant, chosen)
    return numbered(_serve(found, chosen, before))


def stop_serving(site: Site, request: StopServing) -> tuple[Step, ...]:
    """Return the steps that end the provider's half of these VMs; nothing relies on it any more.

    Raises ProblemError carrying every reason why this cannot be meant.
    """
    tenant, chosen, mode = request.tenant, request.vms, tenancy.mode(site, request.tenant)
    if request.fail_back and isinstance(mode, modes.Partial):
        found = checks.returnable(site, tenant, chosen, synchronised=request.synchronised)
    else:
        found = checks.partial_undoable(site, tenant, chosen)
    return numbered(_stop_serving(found, request, modes.partial(mode.vms - chosen, modes.permanent(mode))))


def begin(site: Site, tenant: TenantId, vms: Iterable[VmName], *, end_full: bool = False) -> tuple[Step, ...]:
    """Return the steps of the tenant's run that fail these VMs over, besides those that are already.

    `end_full`: they run at the provider in full failover, which ends; its other VMs stop. Raises ProblemError
    carrying every reason why this cannot be meant, each naming its VM.
    """
    chosen = frozenset(vms)
    found = checks.linkable(site, tenant, chosen)
    before = tenancy.mode(site, tenant).vms
    return numbered(_begin(found, _half(found), chosen, before, end_full=end_full))


def undo(
    site: Site,
    tenant: TenantId,
    vms: Iterable[VmName],
    *,
    ending: Ending = Ending.UNDO,
    stop_appliances: bool = False,
) -> tuple[Step, ...]:
    """Return the steps of the tenant's run that end the failover of these VMs. As `partial.undo`.

    The provider is asked whether it can end it so before anything is done. Raises ProblemError carrying every
    reason why this cannot be meant.
    """
    chosen = frozenset(vms)
    found = checks.partial_undoable(site, tenant, chosen)
    after = tenancy.mode(site, tenant).vms - chosen
    return numbered(_undo(found, ending, chosen, after, stop_appliances=stop_appliances))


def _ended(mode: modes.Mode, vms: frozenset[VmName]) -> bool:
    """Whether of a full failover of these VMs only the partial one is left that was to stay of it."""
    return isinstance(mode, modes.Partial) and vms <= mode.vms


def _serve(tenant: Tenant, chosen: frozenset[VmName], before: modes.Mode) -> Iterator[Stage]:
    after = before.vms | chosen
    yield from hooks.call(tenant, HookMoment.HOLD, request="serve", vms=chosen)
    yield (partial.provider_on(tenant, before.vms),)
    yield (partial.servers_started(tenant, before.vms, after),)
    yield partial.replicas_on(tenant, chosen, before.vms)
    yield from _held(tenant, chosen, modes.partial(after, modes.permanent(before)))


def _serve_kept(tenant: Tenant, before: modes.Mode, kept: frozenset[VmName]) -> Iterator[Stage]:
    """From full failover: taken back to that unless the tenant's half comes; the others stop after it."""
    yield (full.back_to_partial(tenant, before, kept),)
    yield from _held(tenant, kept, modes.partial(kept, modes.permanent(before)))
    yield from full.others_ended(tenant, before, kept, request="serve")


def _held(tenant: Tenant, vms: frozenset[VmName], after: modes.Mode) -> Iterator[Stage]:
    """What was given to the appliance waits for the tenant's half, and is confirmed then; it is in the mode
    `after` from then on.
    """
    appliance = tenant.provider.id
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
        for network in documents.covered(tenant, vms)
    )
    yield from confirmations(appliance)
    yield (Step("Tell the tenant's controller that this half stays", Settle(mode=after)),)


def _stop_serving(tenant: Tenant, request: StopServing, after: modes.Mode) -> Iterator[Stage]:
    yield (partial.provider_up(tenant), *partial.replicas_off(tenant, request.vms))
    yield (partial.servers_ended(tenant, after.vms),)
    kind = "fail-back" if request.fail_back else "stop-serving"
    yield from hooks.call(tenant, HookMoment.RELEASE, request=kind, vms=request.vms)
    if request.fail_back:
        yield (failback.released(tenant, after, ()),)
    if request.stop_appliances and not after.vms:
        yield (partial.provider_off(tenant),)


def _begin(
    tenant: Tenant,
    half: ProviderHalf,
    chosen: frozenset[VmName],
    before: frozenset[VmName],
    *,
    end_full: bool,
) -> Iterator[Stage]:
    after, host = before | chosen, _host(half, chosen)
    networks = documents.covered(tenant, chosen)
    ends = {network.id: tenant.appliances[network.id].id for network in networks}
    yield partial.ends_on(tenant, networks, before)
    ending = Ending.STAYS if end_full else Ending.UNDO
    yield (
        Step(
            _KEPT if end_full else _OPENED,
            OpenHalf(half=half.id, host=host, vms=chosen, end_full=end_full),
            seed=2,
            compensation=CloseHalf(half=half.id, host=host, vms=chosen, opened=True, ending=ending),
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
    ending: Ending,
    chosen: frozenset[VmName],
    after: frozenset[VmName],
    *,
    stop_appliances: bool,
) -> Iterator[Stage]:
    networks, half = documents.covered(tenant, chosen), _half(tenant)
    host = _host(half, chosen)
    yield (
        Step(
            "The provider's controller says that it can end its half so",
            AskHalf(half=half.id, host=host, vms=chosen, ending=ending),
        ),
    )
    yield partial.ends_told(tenant, networks, chosen, after)
    yield (
        Step(
            _ENDED[ending],
            CloseHalf(half=half.id, host=host, vms=chosen, opened=False, ending=ending),
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
