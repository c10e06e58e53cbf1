"""Full failover, escalation and rehearsal carried out on fakes: in order, confirmed, and taken back."""

from __future__ import annotations

from dataclasses import replace

import pytest
from msgspec import structs

from causeway_controller.errors import ModeMissing, StepFailed
from causeway_controller.hypervisors.base import HypervisorError
from causeway_controller.inventory.modes import Full, Idle, Partial, Rehearsal
from causeway_controller.inventory.tenancy import Site, mode
from causeway_controller.workflows.failover import Outcome
from causeway_wire.problem import ProblemError
from tests.workflow_bench import SITE, Bench

ALL = frozenset(SITE.tenants["acme"].vms)
ONE = frozenset({"vm-0-0"})
FULL = "acme-provider full net-0+net-1"


async def escalated(bench: Bench) -> tuple[Site, Outcome]:
    partially = await bench.begin_partial(SITE, ONE, epoch=1)
    return partially, await bench.begin_full(partially, ALL, epoch=2, escalate=True)


async def test_document_confirmation_replicas_and_their_rules_come_in_this_order() -> None:
    bench = Bench()
    outcome = await bench.begin_full(SITE, ALL, epoch=1)
    assert bench.log[:2] == [FULL, "acme-provider confirmed"]
    assert sorted(bench.log[2:]) == ["acme-provider 2 rules", *(f"on acme/{vm}" for vm in sorted(ALL))]
    assert bench.log.index("on acme/vm-0-0") < bench.log.index("acme-provider 2 rules")
    assert mode(outcome.site, "acme") == Full(ALL)
    assert outcome.failures == {}


async def test_undo_leaves_an_idle_appliance_without_rules() -> None:
    bench = Bench()
    begun = await bench.begin_full(SITE, ALL, epoch=1)
    ended = await bench.undo_full(begun.site, epoch=2)
    assert bench.running() == set()
    assert bench.log[-2:] == ["acme-provider idle", "acme-provider 0 rules"]
    assert mode(ended.site, "acme") == Idle()


async def test_an_appliance_that_does_not_take_over_is_taken_back_before_a_replica_starts() -> None:
    bench = Bench(appliances_on=False)
    bench.agents["acme-provider"].silent_mode = True
    with pytest.raises(StepFailed) as caught:
        await bench.begin_full(SITE, ALL, epoch=1)
    assert isinstance(caught.value.cause, ModeMissing)
    assert bench.log[-2:] == ["acme-provider cancelled", "off acme-provider"]
    assert bench.agents["acme-provider"].table == {}
    assert bench.running() == set()


async def test_a_rule_that_cannot_be_put_touches_nothing() -> None:
    rules = SITE.tenants["acme"].publications
    bad = tuple(structs.replace(rule, public_port=22) for rule in rules)
    site = replace(SITE, tenants={"acme": replace(SITE.tenants["acme"], publications=bad)})
    bench = Bench(site)
    with pytest.raises(ProblemError, match="port 22"):
        await bench.begin_full(site, ALL, epoch=1)
    assert bench.log == []


async def test_a_replica_that_does_not_start_is_reported_and_can_be_retried() -> None:
    bench = Bench()
    bench.hypervisor.broken.add("acme/vm-0-1")
    outcome = await bench.begin_full(SITE, ALL, epoch=1)
    assert mode(outcome.site, "acme") == Full(ALL - {"vm-0-1"})
    assert [type(error) for error in outcome.failures.values()] == [HypervisorError]
    bench.hypervisor.broken.clear()
    again = await bench.begin_full(outcome.site, ALL, epoch=2)
    assert mode(again.site, "acme") == Full(ALL)
    assert bench.running() == ALL


async def test_escalation_goes_from_partial_to_full_without_an_idle_moment() -> None:
    bench = Bench()
    _, outcome = await escalated(bench)
    provider = [line for line in bench.log if line.startswith("acme-provider ")]
    assert provider == [
        "acme-provider vm-0-0",
        "acme-provider confirmed",
        "acme-provider 2 rules",
        FULL,
        "acme-provider confirmed",
    ]
    assert "off acme/vm-0-0" not in bench.log
    assert bench.agents["acme-tenant-0"].mode == "idle"
    assert mode(outcome.site, "acme") == Full(ALL)


async def test_a_dead_site_holds_an_escalation_up_no_longer_than_courtesy_and_is_told_later() -> None:
    bench = Bench()
    partially = await bench.begin_partial(SITE, ONE, epoch=1)
    bench.agents["acme-tenant-0"].lost = True
    outcome = await bench.begin_full(partially, ALL, epoch=2, escalate=True)
    assert mode(outcome.site, "acme") == Full(ALL, frozenset({"net-0"}))
    assert list(outcome.failures) == ["Tell the tenant's appliance of network net-0 that it extends nothing"]
    assert bench.running() == ALL
    bench.agents["acme-tenant-0"].lost = False
    await bench.undo_full(outcome.site, epoch=3)
    assert bench.agents["acme-tenant-0"].mode == "idle"


async def test_without_asking_a_partial_failover_is_not_escalated() -> None:
    bench = Bench()
    partially = await bench.begin_partial(SITE, ONE, epoch=1)
    before = list(bench.log)
    with pytest.raises(ProblemError, match="escalation"):
        await bench.begin_full(partially, ALL, epoch=2)
    assert bench.log == before


async def test_an_escalation_that_fails_leaves_the_partial_failover_as_it_was() -> None:
    bench = Bench()
    partially = await bench.begin_partial(SITE, ONE, epoch=1)
    bench.agents["acme-provider"].expired = True
    with pytest.raises(StepFailed):
        await bench.begin_full(partially, ALL, epoch=2, escalate=True)
    assert bench.agents["acme-provider"].mode == "vm-0-0"
    assert bench.agents["acme-tenant-0"].mode == "vm-0-0"
    assert bench.running() == ONE


async def test_de_escalation_keeps_one_vm_and_stops_the_others() -> None:
    bench = Bench()
    _, outcome = await escalated(bench)
    less = await bench.undo_full(outcome.site, epoch=3, keep_partial=ONE)
    assert mode(less.site, "acme") == Partial(ONE)
    assert bench.running() == ONE
    assert bench.agents["acme-provider"].mode == bench.agents["acme-tenant-0"].mode == "vm-0-0"
    assert bench.agents["acme-provider"].table == {}


async def test_a_replica_that_cannot_be_powered_off_does_not_send_back_what_production_answers_for() -> None:
    bench = Bench()
    _, outcome = await escalated(bench)
    stuck = min(ALL - ONE)
    bench.hypervisor.broken.add(f"acme/{stuck}")
    less = await bench.undo_full(outcome.site, epoch=3, keep_partial=ONE)
    assert mode(less.site, "acme") == Partial(ONE)
    assert list(less.failures) == [f"Power off the replica of {stuck}"]
    assert bench.running() == ONE | {stuck}
    assert bench.agents["acme-provider"].mode == bench.agents["acme-tenant-0"].mode == "vm-0-0"


async def test_a_tunnel_that_does_not_come_up_leaves_the_full_failover_as_it_was() -> None:
    bench = Bench()
    _, outcome = await escalated(bench)
    bench.agents["acme-tenant-0"].connected = False
    with pytest.raises(StepFailed, match="tunnel"):
        await bench.undo_full(outcome.site, epoch=3, keep_partial=ONE)
    assert bench.agents["acme-provider"].mode == "full net-0+net-1"
    assert bench.agents["acme-tenant-0"].mode == "idle"
    assert bench.running() == ALL


async def test_a_rehearsal_reports_when_each_replica_was_ready_and_stays() -> None:
    bench = Bench()
    bench.deaf.add("vm-1-1")
    outcome = await bench.begin_rehearsal(SITE, ALL, epoch=1)
    assert outcome.ready.keys() == ALL - {"vm-1-1"}
    assert list(outcome.failures) == ["The replica of vm-1-1 is ready"]
    assert mode(outcome.site, "acme") == Rehearsal(ALL)
    assert bench.running() == ALL
    assert {str(rule.public_address) for rule in bench.agents["acme-provider"].table.values()} == {
        "198.51.100.99",
        "2001:db8:51::63",
    }
    ended = await bench.end_rehearsal(outcome.site, epoch=2)
    assert mode(ended.site, "acme") == Idle()
    assert bench.running() == set()


async def test_rules_published_while_idle_wait_for_the_failover() -> None:
    bench = Bench()
    rules = SITE.tenants["acme"].publications[:1]
    site = await bench.publish(SITE, rules, epoch=1)
    assert bench.log == []
    begun = await bench.begin_full(site, ALL, epoch=2)
    assert list(bench.agents["acme-provider"].table) == ["web-4"]
    await bench.publish(begun.site, (), epoch=3)
    assert bench.agents["acme-provider"].table == {}
