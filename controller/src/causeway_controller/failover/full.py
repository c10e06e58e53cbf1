"""Full site failover and its rehearsal: the provider's appliance becomes the gateway of the whole site.

Only the provider's appliance takes part; there is no VPN. Where the seed numbers a
step, the step carries its number; taking over gateways and publishing services it describes without numbers.

    stage 1   2 provider appliance on
    stage 2   public rules put, inert: nothing owns their addresses yet
    stage 3   gateway and public addresses taken over; taken back by the appliance itself unless confirmed
    stage 4   the appliance reports mode and addresses
    stage 5   confirmed over a new connection
    then      1 replicas on in the plan's order, at most ten started together, the plan's delays kept

The gateway comes before the replicas, not after (behaviour 39): services that need their network at boot find
it, a replica's duplicate check meets a settled segment, and an appliance that fails stops the plan while
nothing has started. A replica that does not start is reported and stops no other: beginning again is the
retry. In rehearsal the same happens with test addresses in place of public ones; production is not touched,
and each replica's time-to-ready is measured.

Escalation of a running partial failover is stage 3 in one change at the appliance: its replicas keep running,
the tunnel ends and the gateway appears together, and no moment allows what neither mode allows. Tenant
appliances are told last and at leisure: their site may be dead. De-escalation is the same change backwards,
and is confirmed only when the tunnel carries packets.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from causeway_controller.failover import checks, documents
from causeway_controller.failover.steps import (
    Apply,
    Confirm,
    Pause,
    Power,
    PutRules,
    Ready,
    Stage,
    Step,
    VerifyMode,
    VerifyTunnel,
    appliance_machine,
    confirmations,
    numbered,
    provider_machine,
    replica_machine,
)
from causeway_controller.inventory import modes, tenancy
from causeway_controller.inventory.tenancy import PlannedVm, Site, Tenant
from causeway_wire.types import IPAddress, NetworkId, TenantId, VmName

STARTED_TOGETHER = 10
"""Replicas powered on at once."""
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
    match tenancy.mode(site, tenant):
        case modes.Full(running, behind):
            return modes.Full(running | vms, behind)
        case modes.Partial(running):
            networks = documents.covered(site.tenants[tenant], running)
            return modes.Full(running | vms, frozenset(network.id for network in networks))
        case modes.Idle() | modes.Rehearsal():
            return modes.Full(vms)


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
    Raises ProblemError carrying every reason why this cannot be meant.
    """
    kept = frozenset(keep_partial)
    found = checks.full_undoable(site, tenant, kept)
    before = tenancy.mode(site, tenant)
    if kept:
        return numbered(_de_escalate(found, before, kept))
    behind = before.behind if isinstance(before, modes.Full) else frozenset[NetworkId]()
    return numbered(_end(found, before, behind, stop_appliances=stop_appliances))


def begin_rehearsal(
    site: Site, tenant: TenantId, vms: Iterable[VmName], *, internet: bool = False
) -> tuple[Step, ...]:
    """Steps that start these replicas beside the running production, with test addresses for public ones.

    It stays until it is ended. Raises ProblemError carrying every reason why this cannot be meant.
    """
    chosen = frozenset(vms)
    found = checks.rehearsable(site, tenant, chosen)
    before = tenancy.mode(site, tenant)
    after = modes.Rehearsal(before.vms | chosen, internet)
    return numbered(_begin(found, before, after, chosen - before.vms))


def end_rehearsal(site: Site, tenant: TenantId, *, stop_appliances: bool = False) -> tuple[Step, ...]:
    """Steps that end the rehearsal; its replicas are powered off. Raises ProblemError when there is none."""
    found = checks.rehearsed(site, tenant)
    before = tenancy.mode(site, tenant)
    return numbered(_end(found, before, frozenset(), stop_appliances=stop_appliances))


def start_groups(tenant: Tenant, vms: frozenset[VmName]) -> tuple[tuple[PlannedVm, ...], ...]:
    """These VMs in the plan's order, in groups that start together; a delay ends a group."""
    planned = [item for item in tenant.plan if item.vm in vms]
    ordered = [*planned, *map(_unplanned, sorted(vms - {item.vm for item in planned}))]
    groups: list[tuple[PlannedVm, ...]] = []
    current: list[PlannedVm] = []
    for item in ordered:
        current.append(item)
        if item.delay or len(current) == STARTED_TOGETHER:
            groups.append(tuple(current))
            current = []
    return (*groups, tuple(current)) if current else tuple(groups)


def _unplanned(vm: VmName) -> PlannedVm:
    return PlannedVm(vm=vm)


def _begin(
    tenant: Tenant, before: modes.Mode, after: modes.Full | modes.Rehearsal, starting: frozenset[VmName]
) -> Iterator[Stage]:
    yield (_provider_on(tenant, undo=not before.vms),)
    yield (_rules(tenant, before, after),)
    yield (_take_over(tenant, before, after),)
    yield (_verify(tenant, after),)
    yield (Step("Confirm the takeover over a new connection", Confirm(appliance=tenant.provider.id)),)
    groups = start_groups(tenant, starting)
    for group in groups:
        yield tuple(_start(tenant, group, rehearsal=isinstance(after, modes.Rehearsal)))
        if group[-1].delay and group is not groups[-1]:
            sentence = f"Wait as the plan says after {group[-1].vm}"
            yield (Step(sentence, Pause(seconds=group[-1].delay)),)
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


def _start(tenant: Tenant, group: Iterable[PlannedVm], *, rehearsal: bool) -> Iterator[Step]:
    for item in group:
        machine = replica_machine(tenant, item.vm)
        yield Step(
            f"Power on the replica of {item.vm}",
            Power(machine=machine, on=True),
            seed=1,
            compensation=Power(machine=machine, on=False),
            required=False,
        )
        if rehearsal:
            sentence = f"The replica of {item.vm} is ready"
            yield Step(sentence, Ready(tenant=tenant.id, vm=item.vm), required=False)


def _tenants_idle(tenant: Tenant, networks: Iterable[tenancy.Network], mode: modes.Mode) -> Iterator[Step]:
    for network in networks:
        if network.id in tenant.appliances:
            action = Apply(appliance=tenant.appliances[network.id].id, tenant=tenant.id, mode=mode)
            sentence = f"Tell the tenant's appliance of network {network.id} that it extends nothing"
            yield Step(sentence, action, seed=3, required=False)


def _stop(tenant: Tenant, vms: Iterable[VmName]) -> Iterator[Stage]:
    """Power off in groups, the plan's last first."""
    order = [item.vm for group in start_groups(tenant, frozenset(vms)) for item in group]
    order.reverse()
    for first in range(0, len(order), STOPPED_TOGETHER):
        yield tuple(
            Step(
                f"Power off the replica of {vm}",
                Power(machine=replica_machine(tenant, vm), on=False),
                seed=1,
            )
            for vm in order[first : first + STOPPED_TOGETHER]
        )


def _end(
    tenant: Tenant, before: modes.Mode, behind: frozenset[NetworkId], *, stop_appliances: bool
) -> Iterator[Stage]:
    """Repeated when it fails, never taken back: the replicas' changes are gone with their power."""
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
    if stop_appliances:
        action = Power(machine=provider_machine(tenant), on=False)
        yield (Step("Power off the provider's appliance", action, seed=2),)


def _de_escalate(tenant: Tenant, before: modes.Mode, kept: frozenset[VmName]) -> Iterator[Stage]:
    after = modes.Partial(kept)
    networks = documents.covered(tenant, kept)
    ends = {network.id: tenant.appliances[network.id].id for network in networks}
    yield tuple(
        Step(
            f"Power on the tenant's appliance of network {network.id}",
            Power(machine=appliance_machine(tenant, network), on=True),
            seed=3,
        )
        for network in networks
    )
    sentence = "Return to partial failover in one change: give up the gateway, start the VPN servers"
    yield (_switch(tenant, before, after, sentence, holds=True),)
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
    yield from _stop(tenant, before.vms - kept)
    yield (Step("Remove all public rules", PutRules(appliance=tenant.provider.id, rules=())),)
