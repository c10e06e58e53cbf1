"""Full site failover and its rehearsal: the provider's appliance becomes the gateway of the whole site.

Only the provider's appliance takes part; there is no VPN. Where the seed numbers a
step, the step carries its number; taking over gateways and publishing services it describes without numbers.

    stage 1   2 provider appliance on
    stage 2   public rules of what runs already put, inert: nothing owns their addresses yet
    stage 3   gateway and public addresses taken over; taken back by the appliance itself unless confirmed
    stage 4   the appliance reports mode and addresses
    stage 5   confirmed over a new connection
    then      1 replicas on in the plan's waves, each published when it runs (`starts`)

Hooks of the plan are called before the first stage (`before`, then `hold`) and after the last wave (`after`).

The gateway comes before the replicas, not after (behaviour 39): services that need their network at boot find
it, a replica's duplicate check meets a settled segment, and an appliance that fails stops the plan while
nothing has started. A replica that does not start is reported and stops no other: beginning again is the
retry. In rehearsal the same happens with test addresses in place of public ones; production is not touched,
and each replica's time-to-ready is measured.

Escalation of a running partial failover is stage 3 in one change at the appliance: its replicas keep running,
the tunnel ends and the gateway appears together, and no moment allows what neither mode allows. That it is
full is kept then (`steps.Settle`): a tenant's controller that led the partial one ends its half as soon as it
hears of that, so nothing goes back. Tenant appliances are told last and at leisure: their site may be dead.
De-escalation is the same change backwards, and is confirmed only when the tunnel carries packets.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from causeway_controller.failover import checks, documents, hooks, starts, waves
from causeway_controller.failover.steps import (
    Apply,
    Confirm,
    HookMoment,
    Power,
    PutRules,
    Settle,
    Stage,
    Step,
    VerifyMode,
    VerifyTunnel,
    appliance_machine,
    confirmations,
    numbered,
    provider_machine,
    replica_machine,
    switched,
)
from causeway_controller.inventory import modes, tenancy
from causeway_controller.inventory.tenancy import Site, Tenant
from causeway_wire.types import IPAddress, NetworkId, TenantId, VmName

STOPPED_TOGETHER = 5
"""Replicas powered off at once (behaviour 42)."""


def begin_full(
    site: Site, tenant: TenantId, vms: Iterable[VmName], *, escalate: bool = False
) -> tuple[Step, ...]:
    """Steps that fail the site over to these VMs, besides those that run at the provider already.

    Raises ProblemError: `failover-in-progress` while another type of failover is, unless it is partial and
    `escalate` asks for one change from it; every other reason why this cannot be meant, each naming its VM.
    """
    chosen = frozenset(vms)
    found = checks.full_beginnable(site, tenant, chosen, escalate=escalate)
    before = tenancy.mode(site, tenant)
    after = full_after(site, tenant, chosen)
    return numbered(_begin(found, before, after, chosen - before.vms))


def full_after(site: Site, tenant: TenantId, vms: frozenset[VmName]) -> modes.Full:
    """The mode once the site has failed over to these VMs as well; no tenant appliance has been told yet."""
    plan = site.tenants[tenant].plan_name
    match tenancy.mode(site, tenant):
        case modes.Full(running) as before:
            return replace(before, vms=running | vms)
        case modes.Partial(running, permanent):
            networks = documents.covered(site.tenants[tenant], running)
            behind = frozenset(network.id for network in networks)
            return modes.Full(running | vms, behind, plan, permanent)
        case modes.Idle() | modes.Rehearsal():
            return modes.Full(vms, plan=plan)


def undo_full(
    site: Site,
    tenant: TenantId,
    *,
    keep_partial: Iterable[VmName] = (),
    stop_appliances: bool = False,
) -> tuple[Step, ...]:
    """Steps that end the full failover: replicas off in groups, the appliance idle, no public rules.

    `keep_partial` VMs stay at the provider, in partial failover with a production site that is back; that
    change is taken back when their tunnel does not come up, and the others' replicas stop only after it.
    When they are all that is failed over, a run before has ended the rest, and may have left replicas on.

    Raises ProblemError carrying every reason why this cannot be meant.
    """
    kept, before = frozenset(keep_partial), tenancy.mode(site, tenant)
    if isinstance(before, modes.Partial) and kept == before.vms:
        return numbered(_left_on(site.tenants[tenant], kept))
    found = checks.full_undoable(site, tenant, kept)
    if kept:
        return numbered(de_escalate(found, before, kept, request="undo-site", settles=True))
    behind = before.behind if isinstance(before, modes.Full) else frozenset[NetworkId]()
    return numbered(end(found, before, behind, request="undo-site", stop_appliances=stop_appliances))


def begin_rehearsal(
    site: Site, tenant: TenantId, vms: Iterable[VmName], *, internet: bool = False
) -> tuple[Step, ...]:
    """Steps that start these replicas beside the running production, with test addresses for public ones.

    It stays until it is ended. Raises ProblemError carrying every reason why this cannot be meant.
    """
    chosen = frozenset(vms)
    found = checks.rehearsable(site, tenant, chosen)
    before = tenancy.mode(site, tenant)
    after = modes.Rehearsal(before.vms | chosen, internet, found.plan_name)
    return numbered(_begin(found, before, after, chosen - before.vms))


def end_rehearsal(site: Site, tenant: TenantId, *, stop_appliances: bool = False) -> tuple[Step, ...]:
    """Steps that end the rehearsal; its replicas are powered off. Raises ProblemError when there is none."""
    found = checks.rehearsed(site, tenant)
    before = tenancy.mode(site, tenant)
    nobody = frozenset[NetworkId]()
    return numbered(end(found, before, nobody, request="end-rehearsal", stop_appliances=stop_appliances))


def _begin(
    tenant: Tenant, before: modes.Mode, after: modes.Full | modes.Rehearsal, starting: frozenset[VmName]
) -> Iterator[Stage]:
    request = "rehearse" if isinstance(after, modes.Rehearsal) else "fail-over-site"
    yield from hooks.call(tenant, HookMoment.BEFORE, request=request, vms=after.vms)
    yield from hooks.call(tenant, HookMoment.HOLD, request=request, vms=starting)
    yield (_provider_on(tenant, undo=not before.vms),)
    yield (_rules(tenant, before, replace(after, vms=after.vms - starting)),)
    yield (_take_over(tenant, before, after),)
    yield (_verify(tenant, after),)
    yield (Step("Confirm the takeover over a new connection", Confirm(appliance=tenant.provider.id)),)
    if isinstance(before, modes.Partial):
        yield (
            Step("Keep that the site is failed over", Settle(mode=replace(after, vms=after.vms - starting))),
        )
    yield from starts.stages(tenant, after, starting)
    yield from hooks.call(tenant, HookMoment.AFTER, request=request, vms=after.vms)
    if isinstance(before, modes.Partial):
        yield tuple(_tenants_idle(tenant, documents.covered(tenant, before.vms), after))


def _provider_on(tenant: Tenant, *, undo: bool) -> Step:
    machine = provider_machine(tenant)
    return Step(
        "Power on the provider's appliance",
        Power(machine=machine, on=True),
        seed=2,
        compensation=Power(machine=machine, on=False) if undo else None,
    )


def _rules(tenant: Tenant, before: modes.Mode, after: modes.Mode) -> Step:
    """Public rules come before the addresses they stand on, and go after them."""
    wanted = documents.public_rules(tenant, after)
    sentence = f"Put {len(wanted)} public rules" if wanted else "Remove all public rules"
    return Step(
        sentence,
        PutRules(appliance=tenant.provider.id, rules=wanted),
        compensation=PutRules(appliance=tenant.provider.id, rules=documents.public_rules(tenant, before)),
    )


def _take_over(tenant: Tenant, before: modes.Mode, after: modes.Full | modes.Rehearsal) -> Step:
    names = ", ".join(network.id for network in documents.covered(tenant, after.vms))
    match before, after:
        case modes.Partial(), _:
            sentence = f"Escalate to full failover in one change: become the gateway of {names}"
        case _, modes.Rehearsal():
            sentence = f"Become the gateway of {names} at the provider, on test addresses"
        case _:
            sentence = f"Become the gateway of {names} and own the public addresses"
    return _switch(tenant, before, after, sentence)


def _switch(
    tenant: Tenant, before: modes.Mode, after: modes.Mode, sentence: str, *, holds: bool = False
) -> Step:
    """The provider's appliance from one mode to another, to be confirmed."""
    crossing = type(before) is not type(after) and not isinstance(before, modes.Idle)
    action = Apply(
        appliance=tenant.provider.id,
        tenant=tenant.id,
        mode=after,
        escalate=crossing,
        confirmed=True,
        holds=holds,
    )
    back = Apply(appliance=tenant.provider.id, tenant=tenant.id, mode=before, escalate=crossing)
    return Step(sentence, action, compensation=back)


def _verify(tenant: Tenant, mode: modes.Full | modes.Rehearsal) -> Step:
    networks = documents.covered(tenant, mode.vms)
    gateways = tuple(gateway for network in networks for gateway in network.gateways)
    owned: tuple[IPAddress, ...] = tenant.public_addresses
    if isinstance(mode, modes.Rehearsal):
        owned = tenant.test_addresses
    return Step(
        "The appliance holds the gateway and public addresses",
        VerifyMode(appliance=tenant.provider.id, mode=mode, addresses=gateways + owned),
    )


def _tenants_idle(tenant: Tenant, networks: Iterable[tenancy.Network], mode: modes.Mode) -> Iterator[Step]:
    for network in networks:
        if network.id in tenant.appliances:
            action = Apply(appliance=tenant.appliances[network.id].id, tenant=tenant.id, mode=mode)
            sentence = f"Tell the tenant's appliance of network {network.id} that it extends nothing"
            yield Step(sentence, action, seed=3, required=False)


def _stop(tenant: Tenant, vms: Iterable[VmName]) -> Iterator[Stage]:
    """Power off in groups, the plan's last first."""
    for group in waves.stopping(tenant, frozenset(vms), STOPPED_TOGETHER):
        yield tuple(
            Step(
                switched(vm, on=False),
                Power(machine=replica_machine(tenant, vm), on=False),
                seed=1,
            )
            for vm in group
        )


def end(
    tenant: Tenant,
    before: modes.Mode,
    behind: frozenset[NetworkId],
    *,
    request: str,
    stop_appliances: bool,
) -> Iterator[Stage]:
    """Return the stages that end it all: repeated when they fail, never taken back.

    An appliance that is off is powered on first: else it would come back later with what it was told last.
    """
    yield (_provider_on(tenant, undo=False),)
    yield from _stop(tenant, before.vms)
    yield (
        Step(
            "Give up the gateway and public addresses",
            Apply(appliance=tenant.provider.id, tenant=tenant.id, mode=modes.Idle()),
        ),
    )
    told = (network for network in tenant.networks.values() if network.id in behind)
    yield (
        Step("Remove all public rules", PutRules(appliance=tenant.provider.id, rules=())),
        *_tenants_idle(tenant, told, modes.Idle()),
    )
    yield from hooks.call(tenant, HookMoment.RELEASE, request=request, vms=before.vms)
    if stop_appliances:
        action = Power(machine=provider_machine(tenant), on=False)
        yield (Step("Power off the provider's appliance", action, seed=2),)


def de_escalate(
    tenant: Tenant, before: modes.Mode, kept: frozenset[VmName], *, request: str, settles: bool
) -> Iterator[Stage]:
    """Return the stages from full failover to partial failover of those that are kept.

    `settles`: nothing is taken back once production answers for them. The others are powered off after that,
    and one that cannot be does not send back those that are. What has to be given back must not be forgotten.
    """
    after = modes.partial(kept, modes.permanent(before))
    networks = documents.covered(tenant, kept)
    ends = {network.id: tenant.appliances[network.id].id for network in networks}
    yield (
        _provider_on(tenant, undo=False),
        *(
            Step(
                f"Power on the tenant's appliance of network {network.id}",
                Power(machine=appliance_machine(tenant, network), on=True),
                seed=3,
            )
            for network in networks
        ),
    )
    yield (back_to_partial(tenant, before, kept),)
    yield tuple(
        Step(
            f"Connect the VPN client of network {name} and answer for its failed-over VMs",
            Apply(appliance=end, tenant=tenant.id, mode=after, confirmed=True, within=tenant.provider.id),
            seed=3,
            compensation=Apply(appliance=end, tenant=tenant.id, mode=before),
        )
        for name, end in ends.items()
    )
    yield tuple(
        Step(
            f"Production VMs and replicas of network {network.id} communicate through the tunnel",
            VerifyTunnel(tunnel=network.tunnel, server=tenant.provider.id, client=ends[network.id]),
            seed=4,
        )
        for network in networks
    )
    yield from confirmations(tenant.provider.id, *ends.values())
    if settles:
        yield (Step("Keep that only these VMs are failed over, and partially", Settle(mode=after)),)
    yield from others_ended(tenant, before, kept, request=request)


def _left_on(tenant: Tenant, kept: frozenset[VmName]) -> Iterator[Stage]:
    """End of a full failover what a settled run may have left: what is off already stays so."""
    everything = modes.Full(frozenset(tenant.vms), plan=tenant.plan_name)
    for stage in others_ended(tenant, everything, kept, request="undo-site"):
        yield tuple(
            replace(step, required=False) if isinstance(step.action, Power) else step for step in stage
        )


def back_to_partial(tenant: Tenant, before: modes.Mode, kept: frozenset[VmName]) -> Step:
    """Return the step that has the provider's appliance serve these VMs through tunnels, to be confirmed."""
    sentence = "Return to partial failover in one change: give up the gateway, start the VPN servers"
    return _switch(tenant, before, modes.partial(kept, modes.permanent(before)), sentence, holds=True)


def others_ended(
    tenant: Tenant, before: modes.Mode, kept: frozenset[VmName], *, request: str
) -> Iterator[Stage]:
    """Return the stages that end the full failover of all but these VMs, which stay in a partial one.

    What replicates is released only when all of them are off: it would write under one that runs.
    """
    ended = before.vms - kept
    yield from _stop(tenant, ended)
    yield (Step("Remove all public rules", PutRules(appliance=tenant.provider.id, rules=())),)
    stopped = tuple(switched(vm, on=False) for vm in sorted(ended))
    for stage in hooks.call(tenant, HookMoment.RELEASE, request=request, vms=ended):
        yield tuple(replace(step, needs=stopped) for step in stage)
