"""Full failover, rehearsal and escalation as steps: gateway first, plan kept, and every way back."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from causeway_controller.failover import documents, full, partial
from causeway_controller.failover.steps import (
    Apply,
    Confirm,
    EditRules,
    MachineKind,
    Pause,
    Power,
    Ready,
    Settle,
    Step,
    VerifyMode,
    VerifyTunnel,
    provider_machine,
)
from causeway_controller.inventory.modes import Full, Idle, Partial, Rehearsal
from causeway_controller.inventory.tenancy import PlannedVm, Site, mode, with_mode
from causeway_wire import desired
from causeway_wire.problem import ProblemError, ProblemType
from tests import sites

SITE = sites.site()
ALL = frozenset(SITE.tenants["acme"].vms)
ONE = frozenset({"vm-0-0"})
PROVIDER = "acme-provider"


def at(found: object) -> Site:
    """The site with its tenant in this mode."""
    return with_mode(SITE, "acme", found)  # type: ignore[arg-type]


def with_tenant(site: Site, **changes: object) -> Site:
    return replace(site, tenants={"acme": replace(site.tenants["acme"], **changes)})  # type: ignore[arg-type]


def kinds(steps: tuple[Step, ...]) -> list[str]:
    """Names of the actions, one for each stage and kind, in order."""
    found: list[tuple[int, str]] = []
    for step in steps:
        pair = (step.stage, type(step.action).__name__)
        if pair not in found:
            found.append(pair)
    return [name for _, name in found]


def powered(steps: tuple[Step, ...], *, on: bool) -> list[list[str]]:
    """Names of replicas that a stage powers on (or off), stage by stage."""
    stages: dict[int, list[str]] = {}
    for step in steps:
        action = step.action
        if isinstance(action, Power) and action.on is on and action.machine.kind is MachineKind.REPLICA:
            stages.setdefault(step.stage, []).append(action.machine.name)
    return list(stages.values())


def provider(site: Site, found: object) -> desired.ProviderRole:
    role = documents.document(with_mode(site, "acme", found), PROVIDER, generation=1, epoch=1).role  # type: ignore[arg-type]
    assert isinstance(role, desired.ProviderRole)
    return role


def refused(kind: ProblemType, site: Site, **arguments: object) -> str:
    with pytest.raises(ProblemError) as caught:
        full.begin_full(site, "acme", ALL, **arguments)  # type: ignore[arg-type]
    assert caught.value.problem.type == kind.urn
    return caught.value.problem.detail


def test_the_gateway_is_confirmed_before_the_first_replica_starts() -> None:
    steps = full.begin_full(SITE, "acme", ALL)
    assert kinds(steps) == ["Power", "PutRules", "Apply", "VerifyMode", "Confirm", "Power", "EditRules"]
    assert [step.seed for step in steps] == [2, None, None, None, None, 1, None, 1, 1, 1]


def test_only_the_provider_s_appliance_takes_part() -> None:
    steps = full.begin_full(SITE, "acme", ALL)
    assert {step.action.appliance for step in steps if isinstance(step.action, Apply)} == {PROVIDER}
    role = provider(SITE, Full(ALL))
    assert isinstance(role.failover, desired.Full)
    assert {network.tunnel for network in role.networks} == {None}
    for appliance in SITE.tenants["acme"].appliances.values():
        found = documents.document(at(Full(ALL)), appliance.id, generation=1, epoch=1).role
        assert isinstance(found, desired.TenantRole)
        assert isinstance(found.failover, desired.Idle)
        assert found.tunnel is None


def test_the_document_says_classes_routing_and_addresses() -> None:
    role = provider(SITE, Full(ALL))
    assert role.failover == desired.Full(
        networks=(
            desired.FullNetwork(network="net-0", internet=True),
            desired.FullNetwork(network="net-1", internet=False),
        ),
        routed=("net-0", "net-1"),
    )
    assert role.public_addresses == SITE.tenants["acme"].public_addresses


def test_networks_without_a_vm_are_not_taken_over_nor_routed_to() -> None:
    found = provider(SITE, Full(ONE)).failover
    assert isinstance(found, desired.Full)
    assert [network.network for network in found.networks] == ["net-0"]
    assert found.routed == ()


def test_every_change_before_the_confirmation_names_its_compensation() -> None:
    for step in full.begin_full(SITE, "acme", ALL):
        without = isinstance(step.action, VerifyMode | Confirm)
        assert (step.compensation is None) == without


def test_a_replica_that_does_not_start_stops_no_other() -> None:
    steps = full.begin_full(SITE, "acme", ALL)
    optional = {type(step.action).__name__ for step in steps if not step.required}
    assert optional == {"Power", "EditRules"}


VM_NAMES = [f"vm-0-{n}" for n in range(25)]


@given(
    st.permutations(VM_NAMES[:12]),
    st.lists(st.sampled_from([0.0, 0.0, 5.0]), min_size=12, max_size=12),
    st.frozensets(st.sampled_from(VM_NAMES), min_size=1),
)
def test_the_plan_s_order_delays_and_the_limit_are_kept(
    order: list[str], delays: list[float], chosen: frozenset[str]
) -> None:
    plan = tuple(PlannedVm(vm=vm, delay=delay) for vm, delay in zip(order, delays, strict=True))
    site = with_tenant(sites.site(networks=1, vms_per_network=25), plan=plan)
    steps = full.begin_full(site, "acme", chosen)
    groups = powered(steps, on=True)
    wanted = [item.vm for item in plan if item.vm in chosen]
    started = [vm for group in groups for vm in group]
    assert started == wanted + sorted(chosen - set(wanted))
    assert max(map(len, groups)) <= site.tenants["acme"].parallel
    assert sum(step.action.seconds for step in steps if isinstance(step.action, Pause)) == sum(
        item.delay for item in plan if item.vm in chosen and item.vm != started[-1]
    )
    for step in steps:
        assert step.stage > 0
    assert [step.stage for step in steps] == sorted(step.stage for step in steps)


def test_begun_again_only_what_is_missing_starts() -> None:
    steps = full.begin_full(at(Full(ONE)), "acme", ALL)
    assert powered(steps, on=True) == [sorted(ALL - ONE)]
    switch = next(step.action for step in steps if isinstance(step.action, Apply))
    assert not switch.escalate


def test_partial_in_progress_is_refused_with_both_ways_out() -> None:
    said = refused(ProblemType.FAILOVER_IN_PROGRESS, at(Partial(ONE)))
    assert "undo" in said
    assert "escalation" in said


def test_escalation_is_one_change_and_tells_the_tenant_s_site_last() -> None:
    steps = full.begin_full(at(Partial(ONE)), "acme", ALL, escalate=True)
    applied = [step for step in steps if isinstance(step.action, Apply)]
    first, last = applied[0], applied[-1]
    assert [step.action.appliance for step in applied] == [PROVIDER, "acme-tenant-0"]  # type: ignore[union-attr]
    assert first.action == Apply(
        appliance=PROVIDER,
        tenant="acme",
        mode=Full(ALL, frozenset({"net-0"})),
        escalate=True,
        confirmed=True,
    )
    assert first.compensation == Apply(appliance=PROVIDER, tenant="acme", mode=Partial(ONE), escalate=True)
    assert last.stage == steps[-1].stage
    assert not last.required


def test_escalation_keeps_the_running_replicas_and_their_appliance() -> None:
    steps = full.begin_full(at(Partial(ONE)), "acme", ALL, escalate=True)
    assert powered(steps, on=True) == [sorted(ALL - ONE)]
    compensated = [step.compensation for step in steps if isinstance(step.compensation, Power)]
    assert {one.machine.name for one in compensated} == ALL - ONE


def test_partial_during_full_or_rehearsal_is_refused() -> None:
    for found in (Full(ONE), Rehearsal(ONE)):
        with pytest.raises(ProblemError) as caught:
            partial.begin(at(found), "acme", ["vm-0-1"])
        assert caught.value.problem.type == ProblemType.FAILOVER_IN_PROGRESS.urn


def test_a_rehearsal_is_never_escalated() -> None:
    assert "end that first" in refused(ProblemType.FAILOVER_IN_PROGRESS, at(Rehearsal(ONE)), escalate=True)


def test_undo_stops_replicas_in_fives_and_gives_up_addresses_before_rules() -> None:
    site = sites.site(networks=1, vms_per_network=12)
    running = with_mode(site, "acme", Full(frozenset(site.tenants["acme"].vms)))
    steps = full.undo_full(running, "acme", stop_appliances=True)
    assert [len(group) for group in powered(steps, on=False)] == [5, 5, 2]
    assert kinds(steps)[-3:] == ["Apply", "PutRules", "Power"]
    assert all(step.compensation is None for step in steps)


def test_undo_stops_what_was_started_last_first() -> None:
    order = ("vm-1-1", "vm-0-0", "vm-1-0", "vm-0-1")
    site = with_tenant(SITE, plan=tuple(PlannedVm(vm=vm) for vm in order))
    steps = full.undo_full(with_mode(site, "acme", Full(ALL)), "acme")
    assert powered(steps, on=False) == [list(reversed(order))]


def test_undo_tells_the_appliances_that_could_not_be_told() -> None:
    told = full.undo_full(at(Full(ALL, frozenset({"net-0"}))), "acme")
    silent = full.undo_full(at(Full(ALL)), "acme")
    assert [
        step.action.appliance
        for step in told
        if isinstance(step.action, Apply) and step.action.appliance != PROVIDER
    ] == ["acme-tenant-0"]
    assert not any("acme-tenant" in str(step.action) for step in silent)


def test_de_escalation_confirms_the_tunnel_before_the_other_replicas_stop() -> None:
    steps = full.undo_full(at(Full(ALL)), "acme", keep_partial=ONE)
    assert kinds(steps) == [
        "Power",
        "Apply",
        "Apply",
        "VerifyTunnel",
        "Confirm",
        "Confirm",
        "Settle",
        "Power",
        "PutRules",
    ]
    (settled,) = (step.action for step in steps if isinstance(step.action, Settle))
    assert settled.mode == Partial(ONE)
    switch = next(step for step in steps if isinstance(step.action, Apply))
    assert switch.action == Apply(
        appliance=PROVIDER, tenant="acme", mode=Partial(ONE), escalate=True, confirmed=True, holds=True
    )
    assert switch.compensation == Apply(appliance=PROVIDER, tenant="acme", mode=Full(ALL), escalate=True)
    assert {vm for group in powered(steps, on=False) for vm in group} == ALL - ONE
    verified = next(step for step in steps if isinstance(step.action, VerifyTunnel))
    assert verified.seed == 4


def test_what_a_settled_run_left_on_the_same_request_ends() -> None:
    steps = full.undo_full(at(Partial(ONE)), "acme", keep_partial=ONE)
    assert {vm for group in powered(steps, on=False) for vm in group} == ALL - ONE
    assert not [step for step in steps if isinstance(step.action, Apply)], "what is partial stays as it is"
    assert not [step for step in steps if isinstance(step.action, Power) and step.required]
    with pytest.raises(ProblemError, match="not in full failover"):
        full.undo_full(at(Partial(ALL)), "acme", keep_partial=ONE)


def test_only_vms_of_the_full_failover_can_stay_in_partial() -> None:
    with pytest.raises(ProblemError, match="VM vm-0-0: it is not failed over; failed over are vm-1-0"):
        full.undo_full(at(Full(frozenset({"vm-1-0"}))), "acme", keep_partial=ONE)
    with pytest.raises(ProblemError, match="not in full failover"):
        full.undo_full(at(Partial(ONE)), "acme")


def test_a_rehearsal_measures_every_replica_from_its_start() -> None:
    steps = full.begin_rehearsal(SITE, "acme", ALL)
    ready = {step.action.vm: step.stage for step in steps if isinstance(step.action, Ready)}
    started = {
        step.action.machine.name: step.stage
        for step in steps
        if isinstance(step.action, Power) and step.action.machine.kind is MachineKind.REPLICA
    }
    assert ready == started
    assert ready.keys() == ALL


def test_a_rehearsal_publishes_on_test_addresses_only() -> None:
    steps = full.begin_rehearsal(SITE, "acme", ALL)
    (put,) = (step.action.put for step in steps if isinstance(step.action, EditRules))
    tenant = SITE.tenants["acme"]
    assert tuple(rule.public_address for rule in put) == tenant.test_addresses
    assert [rule.internal_address for rule in put] == [rule.internal_address for rule in tenant.publications]
    verified = next(step.action for step in steps if isinstance(step.action, VerifyMode))
    assert not set(verified.addresses) & set(tenant.public_addresses)


def test_rehearsed_replicas_reach_the_internet_only_when_asked() -> None:
    for internet in (False, True):
        found = provider(SITE, Rehearsal(ALL, internet)).failover
        assert isinstance(found, desired.Rehearsal)
        assert found.internet is internet


def test_a_rehearsal_needs_an_idle_appliance() -> None:
    for found in (Partial(ONE), Full(ONE)):
        with pytest.raises(ProblemError) as caught:
            full.begin_rehearsal(at(found), "acme", ALL)
        assert caught.value.problem.type == ProblemType.FAILOVER_IN_PROGRESS.urn


def test_a_rehearsal_without_enough_test_addresses_names_the_rule() -> None:
    site = with_tenant(SITE, test_addresses=(ip_address("198.51.100.99"),))
    with pytest.raises(ProblemError, match="web-6") as caught:
        full.begin_rehearsal(site, "acme", ALL)
    assert "enter it in test_addresses" in str(caught.value)
    assert caught.value.problem.type == ProblemType.OUTSIDE_ALLOCATION.urn


def test_ending_a_rehearsal_leaves_nothing() -> None:
    steps = full.end_rehearsal(at(Rehearsal(ALL)), "acme")
    assert kinds(steps) == ["Power", "Power", "Apply", "PutRules"]
    assert steps[0].action == Power(machine=provider_machine(SITE.tenants["acme"]), on=True)
    with pytest.raises(ProblemError, match="does not rehearse"):
        full.end_rehearsal(SITE, "acme")


def test_a_network_without_a_gateway_is_asked_for_not_guessed() -> None:
    tenant = SITE.tenants["acme"]
    bare = replace(tenant.networks["net-1"], gateways=tenant.networks["net-1"].gateways[:1])
    site = with_tenant(SITE, networks={**tenant.networks, "net-1": bare})
    assert "no IPv6 gateway" in refused(ProblemType.INVALID, site)


def test_a_site_with_its_appliances_dead_or_missing_still_fails_over() -> None:
    assert full.begin_full(with_tenant(SITE, appliances={}), "acme", ALL)


def test_a_rule_on_somebody_else_s_address_is_refused() -> None:
    site = with_tenant(SITE, public_addresses=(ip_address("198.51.100.1"),))
    assert "web-4" in refused(ProblemType.OUTSIDE_ALLOCATION, site)


def test_modes_of_other_tenants_are_left_alone() -> None:
    site = with_mode(at(Full(ALL)), "globex", Partial(ONE))
    assert (mode(site, "acme"), mode(site, "globex"), mode(site, "x")) == (Full(ALL), Partial(ONE), Idle())
