"""From a request to its stages, and from what became of them to the tenant's mode. Pure.

`plan` decides before anything is touched; `after` says what is so when the stages are through: replicas that
did not start are not in the mode, and tenant appliances that could not be told are remembered as behind.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import assert_never

from causeway_controller.contract.requests import (
    EndRehearsal,
    FailOver,
    FailOverSite,
    Publish,
    Rehearse,
    Request,
    Undo,
    UndoSite,
)
from causeway_controller.failover import documents, full, partial, publications
from causeway_controller.failover.events import Event
from causeway_controller.failover.steps import Apply, MachineKind, Power, PutRules, Ready, Step, numbered
from causeway_controller.inventory import modes, tenancy
from causeway_controller.inventory.tenancy import Site, Tenant
from causeway_wire.types import NetworkId, VmName


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a request means for its tenant as it was when it was planned."""

    request: Request
    site: Site
    """What documents are compiled from while the plan runs; its mode is the one before."""
    steps: tuple[Step, ...]


def plan(request: Request, site: Site) -> Plan:
    """Return the stages that carry the request out.

    Raises ProblemError with every reason why it cannot be meant, each naming the VM or rule; nothing has been
    touched then.
    """
    name = request.tenant
    match request:
        case FailOver():
            steps = partial.begin(site, name, request.vms)
        case Undo():
            steps = partial.undo(site, name, request.vms, stop_appliances=request.stop_appliances)
        case FailOverSite():
            steps = full.begin_full(site, name, request.vms, escalate=request.escalate)
        case UndoSite():
            steps = full.undo_full(
                site, name, keep_partial=request.keep_partial, stop_appliances=request.stop_appliances
            )
        case Rehearse():
            steps = full.begin_rehearsal(site, name, request.vms, internet=request.internet)
        case EndRehearsal():
            steps = full.end_rehearsal(site, name, stop_appliances=request.stop_appliances)
        case Publish():
            site = tenancy.with_publications(site, name, request.rules)
            steps = _publish(site, request)
        case _:
            assert_never(request)
    return Plan(request=request, site=site, steps=steps)


def after(plan: Plan, events: Iterable[Event]) -> modes.Mode:
    """Return the tenant's mode once the plan is through; `events` holds the last one of each step."""
    request, ended = plan.request, tuple(events)
    site, name = plan.site, plan.request.tenant
    before = tenancy.mode(site, name)
    mode: modes.Mode
    match request:
        case FailOver():
            mode = modes.partial(before.vms | request.vms)
        case Undo():
            mode = modes.partial(before.vms - request.vms)
        case FailOverSite():
            reached = full.full_after(site, name, request.vms - not_started(ended))
            mode = modes.Full(reached.vms, reached.behind - _told(site.tenants[name], ended))
        case UndoSite():
            mode = modes.partial(request.keep_partial)
        case Rehearse():
            mode = modes.Rehearsal(before.vms | (request.vms - not_started(ended)), request.internet)
        case EndRehearsal():
            mode = modes.Idle()
        case Publish():
            mode = before
        case _:
            assert_never(request)
    return mode


def ready(events: Iterable[Event]) -> dict[VmName, float]:
    """Return the time-to-ready of rehearsed replicas, in seconds from power on to the first answer."""
    return {
        event.step.action.vm: event.seconds
        for event in events
        if isinstance(event.step.action, Ready) and event.error is None
    }


def not_started(events: Iterable[Event]) -> frozenset[VmName]:
    """Return the VMs whose replicas could not be powered on."""
    return frozenset(
        event.step.action.machine.name
        for event in events
        if event.error is not None
        and isinstance(event.step.action, Power)
        and event.step.action.machine.kind is MachineKind.REPLICA
    )


def _publish(site: Site, request: Publish) -> tuple[Step, ...]:
    """The rules at the appliance too, inert where it owns none of their addresses."""
    tenant = site.tenants[request.tenant]
    publications.check(tenant, request.rules)
    wanted = documents.public_rules(tenant, tenancy.mode(site, request.tenant))
    action = PutRules(appliance=tenant.provider.id, rules=wanted)
    return numbered([(Step(f"Put {len(wanted)} public rules", action),)])


def _told(tenant: Tenant, events: Iterable[Event]) -> frozenset[NetworkId]:
    """Networks whose tenant appliance took its document."""
    done = {
        event.step.action.appliance
        for event in events
        if event.error is None and isinstance(event.step.action, Apply)
    }
    return frozenset(name for name, appliance in tenant.appliances.items() if appliance.id in done)
