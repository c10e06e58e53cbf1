"""Whether a failover can be meant: every reason why not, each naming the VM it is about.

An appliance is in one type of failover at a time (seed, limitation 1). What is asked for while another type
is in progress is refused with the ways out; partial failover alone may become full in one change, on request.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from causeway_controller.failover import documents, hooks, lacks, publications
from causeway_controller.failover.steps import HookMoment
from causeway_controller.inventory import health, modes, tenancy
from causeway_controller.inventory.tenancy import ProviderHalf, Site, Tenant, Vm
from causeway_wire.problem import Problem, ProblemError, ProblemType, combine, problem
from causeway_wire.types import IPAddress, TenantId, VmName


def partial_beginnable(site: Site, tenant: TenantId, vms: frozenset[VmName]) -> Tenant:
    """The tenant whose VMs these are; raises ProblemError when they cannot be failed over partially."""
    found = _partial_now(site, tenant)
    running = tenancy.mode(site, tenant).vms
    unready = [*_each(found, vms, lambda vm: lacks.unready(site, found, vm, running))]
    return _beside(found, vms, running, unready)


def partial_undoable(site: Site, tenant: TenantId, vms: frozenset[VmName]) -> Tenant:
    """The tenant whose VMs these are; raises ProblemError when they are not in partial failover."""
    found, mode = _tenant(site, tenant), tenancy.mode(site, tenant)
    running = mode.vms if isinstance(mode, modes.Partial) else frozenset[VmName]()
    if isinstance(found.provider, ProviderHalf):
        running |= found.provider.serves
    problems = [*_each(found, vms, lambda vm: lacks.not_running(vm, running))]
    problems += _each(found, vms & modes.permanent(mode), lacks.permanent)
    return _accepted(found, problems, vms)


def led_here(tenant: Tenant, vms: frozenset[VmName]) -> None:
    """Raise ProblemError when another controller commands the tenant's appliances of these VMs."""
    others = [*_each(tenant, vms & tenant.vms.keys(), lambda vm: lacks.led_elsewhere(tenant, vm))]
    if others:
        raise ProblemError(combine(tuple(others)))


def servable(site: Site, tenant: TenantId, vms: frozenset[VmName]) -> Tenant:
    """The tenant whose VMs these are; raises ProblemError when its provider's half cannot be done.

    Those that it serves already may be among them: they were left by a run that the tenant's could not end.
    """
    found = _partial_now(site, tenant)
    running = tenancy.mode(site, tenant).vms
    unserved = [*_each(found, vms, lambda vm: lacks.unserved(site, found, vm))]
    return _beside(found, vms, running, unserved)


def _beside(
    tenant: Tenant, vms: frozenset[VmName], running: frozenset[VmName], problems: list[Problem]
) -> Tenant:
    """The tenant, when nothing is wrong with these VMs, themselves and beside those that run."""
    known = [tenant.vms[name] for name in sorted((vms | running) & tenant.vms.keys())]
    return _accepted(tenant, [*problems, *lacks.collisions(tenant, known)], vms)


def linkable(site: Site, tenant: TenantId, vms: frozenset[VmName]) -> Tenant:
    """The tenant whose VMs these are; raises ProblemError when the tenant's half cannot be done for them.

    All that is failed over in a network is on one host of the provider's: it has one tunnel.
    """
    found = _partial_now(site, tenant)
    running = tenancy.mode(site, tenant).vms
    problems = [*_each(found, vms, lambda vm: lacks.unreached(site, found, vm, running))]
    problems += lacks.collisions(found, [found.vms[name] for name in sorted(vms & found.vms.keys())])
    if isinstance(found.provider, ProviderHalf):
        hosts = {found.provider.hosts[name] for name in (vms | running) & found.provider.hosts.keys()}
        if len(hosts) > 1:
            detail = f"their replicas are on {' and '.join(sorted(hosts))}; a network fails over to one host"
            problems.append(problem(ProblemType.UNSUPPORTED, detail, pointer="/vms"))
    return _accepted(found, problems, vms)


def _partial_now(site: Site, tenant: TenantId) -> Tenant:
    """The tenant; raises ProblemError while it is in another type of failover."""
    found, mode = _tenant(site, tenant), tenancy.mode(site, tenant)
    match mode:
        case modes.Full():
            ways_out = "end that first; VMs may stay in partial failover then"
            raise _in_progress(found, "full failover", ways_out)
        case modes.Rehearsal():
            raise _in_progress(found, "a rehearsal", "end that first")
        case modes.Idle() | modes.Partial():
            return found


def full_beginnable(site: Site, tenant: TenantId, vms: frozenset[VmName], *, escalate: bool) -> Tenant:
    """The tenant whose VMs these are; raises ProblemError when its site cannot fail over to them.

    VMs that run at the provider already are no obstacle: a plan that stopped half-way is simply begun again.
    """
    found = _tenant(site, tenant)
    match tenancy.mode(site, tenant):
        case modes.Partial(running) if not escalate:
            ways = "undo that, or ask for escalation (`--escalate`), which takes these VMs over as they run"
            raise _in_progress(found, f"partial failover of {', '.join(sorted(running))}", ways)
        case modes.Rehearsal():
            raise _in_progress(found, "a rehearsal", "end that first; its replicas have seen made-up traffic")
        case modes.Full(plan=plan) if plan != found.plan_name:
            raise _in_progress(
                found, f"full failover by plan {plan or '(none)'}", "go on with that, or undo it"
            )
        case modes.Idle() | modes.Partial() | modes.Full():
            publications.check(found, found.publications)
            lacking = "is not among the tenant's public addresses"
            return _takeable(found, vms, found.public_addresses, lacking)


def full_undoable(site: Site, tenant: TenantId, keep: frozenset[VmName]) -> Tenant:
    """The tenant; raises ProblemError when it is not in full failover or cannot keep these VMs in partial."""
    found, mode = _tenant(site, tenant), tenancy.mode(site, tenant)
    if not isinstance(mode, modes.Full):
        raise ProblemError(problem(ProblemType.INVALID, f"tenant {tenant} is not in full failover"))
    problems = [*_each(found, keep, lambda vm: lacks.not_running(vm, mode.vms))]
    problems += _each(found, mode.permanent - keep, lacks.permanent)
    problems += _each(found, keep & mode.vms, lambda vm: lacks.unready(site, found, vm, frozenset()))
    return _accepted(found, problems, keep or mode.vms)


def keepable(site: Site, tenant: TenantId, keep: frozenset[VmName]) -> Tenant:
    """As `full_undoable`, of VMs that stay in a partial failover which another controller leads."""
    found, mode = _tenant(site, tenant), tenancy.mode(site, tenant)
    if not isinstance(mode, modes.Full):
        raise ProblemError(problem(ProblemType.INVALID, f"tenant {tenant} is not in full failover"))
    problems = [*_each(found, keep, lambda vm: lacks.not_running(vm, mode.vms))]
    problems += _each(found, mode.permanent - keep, lacks.permanent)
    problems += _each(found, keep, lambda vm: lacks.unserved(site, found, vm))
    return _beside(found, keep, keep, problems)


def permanentable(site: Site, tenant: TenantId, vms: frozenset[VmName]) -> Tenant:
    """The tenant whose VMs these are; raises ProblemError when they do not run at the provider."""
    found, running = _failed_over(site, tenant, "made permanent")
    problems = [*_each(found, vms, lambda vm: lacks.not_running(vm, running))]
    return _accepted(found, problems, vms)


def returnable(site: Site, tenant: TenantId, vms: frozenset[VmName], *, synchronised: bool) -> Tenant:
    """The tenant whose VMs these are; raises ProblemError when they cannot be given back to production.

    Something must bring production up to date; of a full failover those that stay need a tunnel.
    """
    found, running = _failed_over(site, tenant, "given back")
    problems = [*_each(found, vms, lambda vm: lacks.not_running(vm, running))]
    if isinstance(tenancy.mode(site, tenant), modes.Full):
        problems += _each(found, running - vms, lambda vm: lacks.unready(site, found, vm, frozenset()))
    if not synchronised and hooks.of(found, HookMoment.RELEASE) is None:
        plan = f"plan {found.plan_name}" if found.plan_name else "the tenant, which has no failover plan,"
        detail = (
            f"{plan} has no hook `release`, so nothing brings production up to date; enter one, or do it by "
            "hand and say `synchronised` (`--synchronised`)"
        )
        problems.append(problem(ProblemType.INVALID, detail, pointer="/synchronised"))
    return _accepted(found, problems, vms)


def _failed_over(site: Site, tenant: TenantId, what: str) -> tuple[Tenant, frozenset[VmName]]:
    found, mode = _tenant(site, tenant), tenancy.mode(site, tenant)
    match mode:
        case modes.Partial() | modes.Full():
            return found, mode.vms
        case modes.Rehearsal():
            raise _in_progress(found, "a rehearsal", f"nothing of it is {what}; end that")
        case modes.Idle():
            detail = f"tenant {tenant} is not failed over: there is nothing to be {what}"
            raise ProblemError(problem(ProblemType.INVALID, detail))


def rehearsable(site: Site, tenant: TenantId, vms: frozenset[VmName]) -> Tenant:
    """The tenant whose VMs these are; raises ProblemError when they cannot be rehearsed with."""
    found = _tenant(site, tenant)
    match tenancy.mode(site, tenant):
        case modes.Partial() | modes.Full() as mode:
            detail = "a rehearsal needs an idle appliance; undo that first"
            raise _in_progress(found, f"{mode.name} failover", detail)
        case modes.Rehearsal(plan=plan) if plan != found.plan_name:
            raise _in_progress(found, f"a rehearsal by plan {plan or '(none)'}", "go on with that, or end it")
        case modes.Idle() | modes.Rehearsal():
            lacking = "has no address that stands in for it in a rehearsal; enter it in test_addresses"
            return _takeable(found, vms, tuple(documents.stand_ins(found)), lacking)


def rehearsed(site: Site, tenant: TenantId) -> Tenant:
    """The tenant; raises ProblemError when it does not rehearse."""
    found = _tenant(site, tenant)
    if not isinstance(tenancy.mode(site, tenant), modes.Rehearsal):
        raise ProblemError(problem(ProblemType.INVALID, f"tenant {tenant} does not rehearse"))
    return found


def _in_progress(tenant: Tenant, what: str, ways_out: str) -> ProblemError:
    detail = f"tenant {tenant.id} is in {what}: {ways_out}"
    return ProblemError(problem(ProblemType.FAILOVER_IN_PROGRESS, detail))


def _takeable(
    tenant: Tenant, vms: frozenset[VmName], published_on: Collection[IPAddress], lacking: str
) -> Tenant:
    """The tenant, when the provider's appliance can be the gateway of all these VMs."""
    problems = [*_each(tenant, vms, lambda vm: lacks.ungated(tenant, vm))]
    problems += lacks.unreplicated(tenant, vms)
    known = [tenant.vms[name] for name in sorted(vms & tenant.vms.keys())]
    problems += lacks.collisions(tenant, known)
    addresses = {address for vm in known for address in vm.addresses}
    for rule in tenant.publications:
        if rule.internal_address in addresses and rule.public_address not in published_on:
            detail = f"rule {rule.id}: {rule.public_address} {lacking}"
            problems.append(problem(ProblemType.OUTSIDE_ALLOCATION, detail, pointer=f"/rules/{rule.id}"))
    return _accepted(tenant, problems, vms)


def _tenant(site: Site, tenant: TenantId) -> Tenant:
    if tenant not in site.tenants:
        raise ProblemError(problem(ProblemType.UNKNOWN_REFERENCE, health.no_tenant(tenant)))
    return site.tenants[tenant]


def _accepted(tenant: Tenant, problems: list[Problem], vms: frozenset[VmName]) -> Tenant:
    if not vms:
        problems.append(problem(ProblemType.INVALID, "name at least one VM"))
    if problems:
        raise ProblemError(combine(tuple(problems)))
    return tenant


def _each(
    tenant: Tenant, vms: frozenset[VmName], check: Callable[[Vm], Iterator[Problem]]
) -> Iterator[Problem]:
    for name in sorted(vms):
        if name in tenant.vms:
            yield from check(tenant.vms[name])
        else:
            yield lacks.about(name, ProblemType.UNKNOWN_REFERENCE, tenant.lacks(name))
