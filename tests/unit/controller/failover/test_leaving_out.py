"""VMs are left out of a full failover when that is meant, and what is not failed over is known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest
from msgspec import structs

from causeway_controller.contract.requests import FailOverSite, Rehearse
from causeway_controller.failover import leaving_out, planning
from causeway_controller.failover.steps import Power
from causeway_controller.inventory import modes, tenancy
from causeway_controller.inventory.tenancy import Site
from causeway_wire.problem import ProblemError
from tests.provider_inventory import two_hosts
from tests.workflow_bench import SITE, planned

PLANNED = planned(SITE)


def started(site: Site, request: FailOverSite | Rehearse) -> set[str]:
    steps = planning.plan(request, site).steps
    on = {step.action.machine.name for step in steps if isinstance(step.action, Power) and step.action.on}
    return on & set(site.tenants["acme"].vms)


def refused(site: Site, but: Iterable[str]) -> dict[str, str]:
    with pytest.raises(ProblemError) as caught:
        planning.plan(FailOverSite(tenant="acme", but=frozenset(but)), site)
    problem = caught.value.problem
    return {str(one.pointer): one.detail for one in problem.errors or (problem,)}


@pytest.mark.parametrize("kind", [FailOverSite, Rehearse])
def test_what_is_left_out_is_not_started(kind: type[FailOverSite | Rehearse]) -> None:
    everything = started(PLANNED, kind(tenant="acme"))
    rest = started(PLANNED, kind(tenant="acme", but=frozenset({"vm-1-0"})))
    assert everything - rest == {"vm-1-0"}
    named = kind(tenant="acme", vms=frozenset({"vm-0-0", "vm-0-1"}), but=frozenset({"vm-0-1"}))
    assert started(PLANNED, named) == {"vm-0-0"}


def test_it_is_not_in_the_mode_then_and_is_failed_over_when_asked_for_later() -> None:
    plan = planning.plan(FailOverSite(tenant="acme", but=frozenset({"vm-1-0"})), PLANNED)
    mode = planning.after(plan, ())
    assert mode.vms == {"vm-0-0", "vm-0-1"}
    later = tenancy.with_mode(PLANNED, "acme", mode)
    assert started(later, FailOverSite(tenant="acme")) == {"vm-1-0"}


def test_each_that_cannot_be_left_out_is_named() -> None:
    assert set(refused(PLANNED, ["nobody", "vm-1-1"])) == {"/but/nobody", "/but/vm-1-1"}, "one is in no plan"
    running = tenancy.with_mode(PLANNED, "acme", modes.Full(frozenset({"vm-0-0"}), plan="site"))
    assert "runs at the provider already" in refused(running, ["vm-0-0"])["/but/vm-0-0"]
    everything = [item.vm for item in PLANNED.tenants["acme"].plan]
    assert refused(PLANNED, everything) == {"/but": "nothing is left to be failed over"}


def test_one_without_a_replica_is_left_out_by_its_name_only() -> None:
    tenant = replace(PLANNED.tenants["acme"], unreplicated=("db9",))
    site = replace(PLANNED, tenants={"acme": tenant})
    assert started(site, FailOverSite(tenant="acme", but=frozenset({"db9"}))) == {
        item.vm for item in tenant.plan
    }
    assert "/vms/db9" in refused(site, ["vm-1-0"])


def test_it_is_left_out_also_where_all_others_are_named_as_commands_do() -> None:
    tenant = replace(PLANNED.tenants["acme"], unreplicated=("db9",))
    site = replace(PLANNED, tenants={"acme": tenant})
    everything = frozenset(item.vm for item in tenant.plan)
    named = FailOverSite(tenant="acme", vms=everything)
    with pytest.raises(ProblemError, match="leave it out with --but db9"):
        planning.plan(named, site)
    rest = FailOverSite(tenant="acme", vms=everything, but=frozenset({"db9"}))
    assert started(site, rest) == everything
    besides = structs.replace(named, vms=everything | {"vm-1-1"})
    with pytest.raises(ProblemError, match="plan site has it, and it has no replica"):
        planning.plan(besides, site)


def test_what_is_not_failed_over_is_told_of_sites_that_are() -> None:
    inventory = two_hosts()
    tenant = next(one for one in inventory.tenants if any(vm.replica for vm in one.vms))
    host = next(vm.replica.host for vm in tenant.vms if vm.replica)
    there = {vm.name for vm in tenant.vms if vm.replica and vm.replica.host == host}
    one = min(there)
    place = (tenant.id, host)
    (found,) = leaving_out.missing(inventory, {place: modes.Full(frozenset(there - {one}))})
    assert (found.tenant, found.host, found.vms) == (tenant.id, host, (one,))
    assert not list(leaving_out.missing(inventory, {place: modes.Full(frozenset(there))}))
    assert not list(leaving_out.missing(inventory, {place: modes.Partial(frozenset({one}))}))
