"""From a request to its stages, and from what became of them to the tenant's mode. Pure.

`plan` decides before anything is touched; `after` says what is so when the stages are through: replicas that
did not start are not in the mode, and tenant appliances that could not be told are remembered as behind.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never

import msgspec
from msgspec import structs

from causeway_controller.contract.requests import (
    EndRehearsal,
    FailBack,
    FailOver,
    FailOverSite,
    MakePermanent,
    Publish,
    Rehearse,
    Request,
    Serve,
    StopServing,
    Undo,
    UndoSite,
)
from causeway_controller.failover import (
    documents,
    failback,
    full,
    halves,
    leaving_out,
    partial,
    publications,
)
from causeway_controller.failover.events import Event
from causeway_controller.failover.steps import (
    Apply,
    Ending,
    MachineKind,
    Power,
    PutRules,
    Ready,
    Step,
    numbered,
)
from causeway_controller.inventory import modes, tenancy
from causeway_controller.inventory.tenancy import ProviderHalf, Site, Tenant
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.types import NetworkId, TenantId, VmName


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a request means for its tenant as it was when it was planned."""

    request: Request
    """With the VMs that it means where it names none."""
    site: Site
    """What documents are compiled from while the plan runs; its mode is the one before."""
    steps: tuple[Step, ...]


def plan(request: Request, site: Site) -> Plan:
    """Return the stages that carry the request out.

    Raises ProblemError with every reason why it cannot be meant, each naming the VM or rule; nothing has been
    touched then.
    """
    name, request = request.tenant, _named(request, site)
    site = _known(request, site)
    match request:
        case _ if _is_linked(site, name):
            steps = _linked(request, site)
        case FailOver() | Undo() | Serve() | StopServing():
            steps = _partial(request, site)
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
        case MakePermanent():
            steps = failback.make_permanent(site, name, request.vms)
        case FailBack():
            steps = failback.fail_back(
                site,
                name,
                request.vms,
                synchronised=request.synchronised,
                stop_appliances=request.stop_appliances,
            )
        case Publish():
            site = tenancy.with_publications(site, name, request.rules)
            steps = _publish(site, request)
        case _:
            assert_never(request)
    return Plan(request=request, site=site, steps=steps)


def _is_linked(site: Site, name: TenantId) -> bool:
    """Whether this is the tenant's controller, and the provider's does the other half."""
    return name in site.tenants and isinstance(site.tenants[name].provider, ProviderHalf)


def _partial(request: FailOver | Undo | Serve | StopServing, site: Site) -> tuple[Step, ...]:
    name, vms = request.tenant, request.vms
    match request:
        case FailOver(end_full=True):
            detail = "here `failover undo --full --keep-partial` does that: this controller leads both halves"
            raise ProblemError(problem(ProblemType.UNSUPPORTED, detail, pointer="/end_full"))
        case FailOver():
            return partial.begin(site, name, vms)
        case Undo(stop_appliances=stop):
            return partial.undo(site, name, vms, stop_appliances=stop)
        case Serve(end_full=end_full):
            return halves.serve(site, name, vms, end_full=end_full)
        case StopServing():
            return halves.stop_serving(site, request)


def _linked(request: Request, site: Site) -> tuple[Step, ...]:
    match request:
        case FailOver(tenant=name, vms=vms, end_full=end_full):
            return halves.begin(site, name, vms, end_full=end_full)
        case Undo(tenant=name, vms=vms, stop_appliances=stop):
            return halves.undo(site, name, vms, stop_appliances=stop)
        case FailBack(tenant=name, vms=vms, stop_appliances=stop):
            ending = Ending.SYNCHRONISED if request.synchronised else Ending.FAIL_BACK
            return halves.undo(site, name, vms, ending=ending, stop_appliances=stop)
        case _:
            detail = "this is the provider's to carry out: ask its controller, or its staff"
            raise ProblemError(problem(ProblemType.UNSUPPORTED, detail, pointer="/request"))


def started(plan: Plan) -> dict[VmName, datetime | None]:
    """Return the VMs whose replicas the plan starts, with their restore points as far as anybody told."""
    tenant = plan.site.tenants[plan.request.tenant]
    if isinstance(tenant.provider, ProviderHalf) and isinstance(plan.request, FailOver):
        names = plan.request.vms  # the other controller starts them
    else:
        powers = (step.action for step in plan.steps if isinstance(step.action, Power) and step.action.on)
        names = frozenset(one.machine.name for one in powers if one.machine.kind is MachineKind.REPLICA)
    return {name: tenant.vms[name].restored_to for name in sorted(names & tenant.vms.keys())}


def fingerprint(plan: Plan) -> str:
    """Return what is equal for plans whose steps are the same to the last rule and address.

    A retry asks for it: what went before was planned for a world that may be another one by now.
    """
    text = msgspec.json.encode(
        [(step.stage, step.sentence, step.action) for step in plan.steps], enc_hook=str, order="deterministic"
    )
    return hashlib.sha256(text).hexdigest()


def after(plan: Plan, events: Iterable[Event]) -> modes.Mode:
    """Return the tenant's mode once the plan is through; `events` holds the last one of each step."""
    request, ended = plan.request, tuple(events)
    site, name = plan.site, plan.request.tenant
    before = tenancy.mode(site, name)
    mode: modes.Mode
    match request:
        case Serve(vms=vms, end_full=True) if isinstance(before, modes.Full):
            mode = modes.partial(vms, modes.permanent(before))
        case FailOver() | Serve():
            mode = modes.partial(before.vms | request.vms, modes.permanent(before))
        case Undo() | StopServing():
            mode = modes.partial(before.vms - request.vms, modes.permanent(before))
        case FailOverSite():
            reached = full.full_after(site, name, request.vms - not_started(ended))
            mode = replace(reached, behind=reached.behind - _told(site.tenants[name], ended))
        case UndoSite():
            mode = modes.partial(request.keep_partial, modes.permanent(before))
        case Rehearse():
            running = before.vms | (request.vms - not_started(ended))
            mode = modes.Rehearsal(running, request.internet, site.tenants[name].plan_name)
        case EndRehearsal():
            mode = modes.Idle()
        case MakePermanent() | FailBack():
            mode = _kept(before, request)
        case Publish():
            mode = before
        case _:
            assert_never(request)
    return mode


def _named(request: Request, site: Site) -> Request:
    """The request with the VMs that it means where it names none."""
    match request:
        case FailOverSite() | Rehearse():
            running = tenancy.mode(site, request.tenant).vms
            rest = leaving_out.rest(_meant(site, request), request.but, running=running)
            return structs.replace(request, vms=rest)
        case MakePermanent() | FailBack():
            return structs.replace(request, vms=_failed_over(site, request))
        case _:
            return request


def _known(request: Request, site: Site) -> Site:
    """The site without what the request leaves out."""
    if isinstance(request, FailOverSite | Rehearse) and request.but:
        return leaving_out.known(site, request.tenant, request.but)
    return site


def _meant(site: Site, request: FailOverSite | Rehearse) -> frozenset[VmName]:
    """The VMs that are named, or those of the plan; also without a replica, where some are left out: what is
    meant of these is refused. What is named has none of them but those that are left out, for commands name
    all that have a replica.
    """
    tenant = site.tenants.get(request.tenant)
    if tenant is None:
        return request.vms
    without = frozenset(tenant.unreplicated)
    if request.vms:
        return request.vms | (without & request.but)
    planned = frozenset(item.vm for item in tenant.plan)
    return planned | without if request.but else planned


def _failed_over(site: Site, request: MakePermanent | FailBack) -> frozenset[VmName]:
    """The VMs that are named, or all that run at the provider."""
    return request.vms or tenancy.mode(site, request.tenant).vms


def _kept(before: modes.Mode, request: MakePermanent | FailBack) -> modes.Mode:
    """The mode once these VMs are production at the provider, or back in production."""
    if isinstance(request, FailBack):
        return modes.partial(before.vms - request.vms, modes.permanent(before))
    match before:
        case modes.Partial() | modes.Full():
            return replace(before, permanent=before.permanent | request.vms)
        case modes.Idle() | modes.Rehearsal():
            return before


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
