"""Failover plans as waves: nothing before what it waits for, no more at once than the plan allows."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from causeway_controller.contract.tenant import FailoverPlan, PlanEntry, Readiness
from causeway_controller.failover import full, waves
from causeway_controller.failover.steps import EditRules, Ready, Step
from causeway_controller.inventory import start_order
from causeway_controller.inventory.modes import Full
from causeway_controller.inventory.tenancy import PlannedVm, Site, Tenant
from tests import sites

NAMES = [f"vm-0-{n}" for n in range(12)]
SITE = sites.site(networks=1, vms_per_network=12)
FIRST = 6
"""Stage of the first wave."""


def of(plan: tuple[PlannedVm, ...], *, parallel: int = 10) -> Tenant:
    return replace(SITE.tenants["acme"], plan=plan, parallel=parallel)


def site_of(plan: tuple[PlannedVm, ...], **members: object) -> Site:
    return replace(SITE, tenants={"acme": replace(of(plan), **members)})  # type: ignore[arg-type]


def names(found: tuple[waves.Wave, ...]) -> list[list[str]]:
    return [[item.vm for item in wave] for wave in found]


@st.composite
def plans(draw: st.DrawFn) -> FailoverPlan:
    """Any plan without a circle, and without a wait for a later priority."""
    order = draw(st.permutations(NAMES))
    priorities = sorted(draw(st.lists(st.integers(1, 5), min_size=len(order), max_size=len(order))))
    entries = [
        PlanEntry(
            vm=vm,
            priority=priority,
            after=tuple(draw(st.frozensets(st.sampled_from(order[:place]), max_size=3))) if place else (),
            delay=draw(st.sampled_from([0.0, 0.0, 0.0, 3.0])),
        )
        for place, (vm, priority) in enumerate(zip(order, priorities, strict=True))
    ]
    return FailoverPlan(
        id="site", entries=tuple(draw(st.permutations(entries))), parallel=draw(st.integers(1, 12))
    )


@given(plans(), st.frozensets(st.sampled_from(NAMES), min_size=1))
def test_every_plan_starts_each_vm_once_after_all_that_it_waits_for(
    plan: FailoverPlan, chosen: frozenset[str]
) -> None:
    tenant = of(start_order.planned(plan, NAMES), parallel=plan.parallel)
    found = waves.starting(tenant, chosen)
    place = {vm: number for number, wave in enumerate(names(found)) for vm in wave}
    assert sorted(vm for wave in names(found) for vm in wave) == sorted(chosen)
    assert all(0 < len(wave) <= plan.parallel for wave in found)
    for entry in plan.entries:
        if entry.vm in chosen:
            assert all(place[vm] < place[entry.vm] for vm in entry.after if vm in chosen)
            assert all(
                place[other.vm] < place[entry.vm]
                for other in plan.entries
                if other.vm in chosen and other.priority < entry.priority
            )
    for wave in found:
        assert not any(item.delay for item in wave[:-1])


@given(plans(), st.integers(1, 12))
def test_what_waited_for_a_vm_has_stopped_before_it_stops(plan: FailoverPlan, together: int) -> None:
    tenant = of(start_order.planned(plan, NAMES), parallel=plan.parallel)
    groups = waves.stopping(tenant, frozenset(NAMES), together)
    place = {vm: number for number, group in enumerate(groups) for vm in group}
    assert place.keys() == set(NAMES)
    assert all(len(group) <= together for group in groups)
    for entry in plan.entries:
        assert all(place[entry.vm] < place[vm] for vm in entry.after)


def test_who_waits_does_not_hold_up_who_does_not() -> None:
    plan = (
        PlannedVm(vm="vm-0-0"),
        PlannedVm(vm="vm-0-1", after=("vm-0-0",)),
        PlannedVm(vm="vm-0-2"),
        PlannedVm(vm="vm-0-3", after=("vm-0-1",)),
    )
    chosen = frozenset(item.vm for item in plan)
    assert names(waves.starting(of(plan), chosen)) == [["vm-0-0", "vm-0-2"], ["vm-0-1"], ["vm-0-3"]]


def test_a_wait_for_a_vm_that_runs_already_is_over() -> None:
    plan = (PlannedVm(vm="vm-0-0"), PlannedVm(vm="vm-0-1", after=("vm-0-0",)))
    assert names(waves.starting(of(plan), frozenset({"vm-0-1"}))) == [["vm-0-1"]]


def step_of(steps: tuple[Step, ...], sentence: str) -> Step:
    return next(step for step in steps if step.sentence.startswith(sentence))


@pytest.mark.parametrize("required", [True, False])
def test_who_waits_needs_readiness_only_where_the_plan_requires_it(*, required: bool) -> None:
    ready = Readiness(timeout=42.0, required=required)
    plan = (PlannedVm(vm="vm-0-0", ready=ready), PlannedVm(vm="vm-0-1", after=("vm-0-0",)))
    steps = full.begin_full(site_of(plan), "acme", ["vm-0-0", "vm-0-1"])
    waited = step_of(steps, "The replica of vm-0-0 is ready")
    assert isinstance(waited.action, Ready)
    assert (waited.action.by, waited.action.timeout) == (ready.by, 42.0)
    wanted = ("The replica of vm-0-0 is ready",) if required else ()
    assert step_of(steps, "Power on the replica of vm-0-1").needs == wanted
    assert step_of(steps, "Power on the replica of vm-0-1").stage > waited.stage
    published = step_of(steps, "Publish vm-0-0")
    assert published.needs == ("Power on the replica of vm-0-0", *wanted)
    assert published.follows == ("The replica of vm-0-0 is ready",)
    assert published.stage == waited.stage


def test_a_plan_of_three_waves_is_told_as_it_is_carried_out() -> None:
    plan = (
        PlannedVm(vm="vm-0-0", delay=5.0),
        PlannedVm(vm="vm-0-1"),
        PlannedVm(vm="vm-0-2", after=("vm-0-1",)),
    )
    steps = full.begin_full(site_of(plan), "acme", [item.vm for item in plan])
    started = [(step.stage - FIRST, step.sentence) for step in steps if step.stage >= FIRST]
    assert started == [
        (0, "Power on the replica of vm-0-0"),
        (0, "Publish vm-0-0 (web-4, web-6)"),
        (1, "Wait as the plan says after vm-0-0"),
        (2, "Power on the replica of vm-0-1"),
        (3, "Power on the replica of vm-0-2"),
    ]


def test_only_what_runs_is_published_when_a_plan_is_begun_again() -> None:
    site = site_of(())
    running = full.begin_full(
        replace(site, modes={"acme": Full(frozenset({"vm-0-0"}))}), "acme", ["vm-0-0", "vm-0-1"]
    )
    assert not [step for step in running if isinstance(step.action, EditRules)]
    assert any(step.sentence == "Put 2 public rules" for step in running)
