"""Failover plans carried out: who waits, what hooks are told, what returns to production, what is where."""

from __future__ import annotations

from dataclasses import replace

import pytest

from causeway_controller.contract.requests import FailBack, FailOverSite, MakePermanent, UndoSite
from causeway_controller.contract.tenant import Hook, Hooks, Readiness, ReadyBy
from causeway_controller.errors import PreflightFailed
from causeway_controller.failover.steps import Call
from causeway_controller.inventory import modes, tenancy
from causeway_controller.inventory.modes import Full, Idle, Partial
from causeway_controller.inventory.tenancy import PlannedVm, Site
from causeway_controller.store.database import Database
from causeway_controller.workflows.run_record import FAILED, FINISHED
from causeway_wire.problem import ProblemError, ProblemType
from tests.fakes.engine import Killed
from tests.fakes.hooks import FakeHooks
from tests.runs_bench import HOST, RunsBench, through
from tests.workflow_bench import SITE, Bench

ALL = frozenset(SITE.tenants["acme"].vms)
DB, WEB, APP, OTHER = "vm-0-1", "vm-0-0", "vm-1-0", "vm-1-1"
READY = Readiness(timeout=1.0)
HOOKS = Hooks(
    before=Hook(name="tell"), hold=Hook(name="hold"), after=Hook(name="tell"), release=Hook(name="release")
)


def site_of(*plan: PlannedVm, hooks: Hooks = HOOKS) -> Site:
    """The publications of the site lead to `vm-0-0`, which waits for the database."""
    tenant = replace(SITE.tenants["acme"], plan=plan, plan_name="site", hooks=hooks)
    return replace(SITE, tenants={"acme": tenant})


def three(ready: Readiness = READY) -> Site:
    return site_of(
        PlannedVm(vm=DB, ready=ready), PlannedVm(vm=WEB, after=(DB,)), PlannedVm(vm=APP), hooks=Hooks()
    )


async def test_who_waits_starts_when_the_other_answers_and_is_published_then() -> None:
    bench = Bench(three())
    outcome = await bench.begin_full(three(), [DB, WEB, APP], epoch=1)
    lines = [line for line in bench.log if line.startswith("on ") or "rules" in line]
    assert lines == [f"on acme/{DB}", f"on acme/{APP}", f"on acme/{WEB}", "acme-provider 2 rules"]
    assert outcome.ready.keys() == {DB}
    assert tenancy.mode(outcome.site, "acme") == Full(frozenset({DB, WEB, APP}), plan="site")


@pytest.mark.parametrize("required", [True, False])
async def test_who_waits_for_a_vm_that_never_answers(*, required: bool) -> None:
    site = three(replace_readiness(required=required))
    bench = Bench(site)
    bench.deaf.add(DB)
    outcome = await bench.begin_full(site, [DB, WEB, APP], epoch=1)
    off = {WEB} if required else set()
    assert bench.running() == {DB, WEB, APP} - off
    assert tenancy.mode(outcome.site, "acme") == Full(frozenset({DB, WEB, APP} - off), plan="site")
    assert bench.agents["acme-provider"].table.keys() == (set() if required else {"web-4", "web-6"})
    failures = {f"The replica of {DB} is ready"}
    if required:
        failures |= {f"Power on the replica of {WEB}", f"Publish {WEB} (web-4, web-6)"}
    assert outcome.failures.keys() == failures


def replace_readiness(*, required: bool) -> Readiness:
    return Readiness(timeout=1.0, required=required)


async def test_a_guest_that_nobody_can_tell_of_is_not_taken_for_ready() -> None:
    site = three(Readiness(by=ReadyBy.GUEST, timeout=1.0))
    bench = Bench(site)
    bench.untold.add(DB)
    outcome = await bench.begin_full(site, [DB, WEB], epoch=1)
    assert bench.running() == {DB}
    assert "guest tools" in str(outcome.failures[f"The replica of {DB} is ready"])


async def test_what_is_missing_is_found_before_anything_is_touched() -> None:
    for gone in ("acme-provider", f"acme/{WEB}"):
        bench = Bench()
        del bench.hypervisor.on[gone]
        bench.agents["acme-provider"].lost = gone == "acme-provider"
        with pytest.raises(PreflightFailed, match=f"no machine {gone}"):
            await bench.begin_full(SITE, [WEB], epoch=1)
        assert bench.log == []


async def test_no_replica_stops_while_the_appliance_cannot_be_told() -> None:
    bench = Bench()
    begun = await bench.begin_full(SITE, ALL, epoch=1)
    bench.agents["acme-provider"].lost = True
    with pytest.raises(PreflightFailed, match="Nothing was touched"):
        await bench.undo_full(begun.site, epoch=2)
    assert bench.running() == ALL


PLAN = (PlannedVm(vm=DB, ready=READY), PlannedVm(vm=WEB, after=(DB,)), PlannedVm(vm=APP), PlannedVm(vm=OTHER))


@pytest.fixture
def bench(database: Database) -> RunsBench:
    return RunsBench(database, site=site_of(*PLAN))


def called(hooks: FakeHooks) -> list[tuple[str, str, str]]:
    return [(call.hook, call.moment.value, call.request) for call, _ in hooks.calls]


async def test_hooks_are_called_around_a_failover_and_its_end(bench: RunsBench) -> None:
    begun = await through(bench, FailOverSite(tenant="acme", plan="site"))
    assert called(bench.hooks) == [
        ("tell", "before", "fail-over-site"),
        ("hold", "hold", "fail-over-site"),
        ("tell", "after", "fail-over-site"),
    ]
    assert {run for _, run in bench.hooks.calls} == {begun}
    assert bench.hooks.running == [frozenset(), frozenset(), ALL]
    await through(bench, UndoSite(tenant="acme"))
    assert called(bench.hooks)[3:] == [("release", "release", "undo-site")]
    assert bench.hooks.running[3] == frozenset()


async def test_a_hook_that_fails_stops_the_run_before_anything_is_touched(bench: RunsBench) -> None:
    bench.hooks.failing.add("hold")
    run = await through(bench, FailOverSite(tenant="acme", plan="site"))
    kind, told = bench.last(run)
    assert kind == FAILED
    assert "hook hold" in told["why"]
    assert called(bench.hooks)[-1] == ("release", "release", "fail-over-site")
    assert bench.running() == set()
    assert [line for line in bench.log if "full" in line] == []


async def test_an_unknown_hook_is_found_before_anything_is_called(bench: RunsBench) -> None:
    bench.hooks.names.remove("release")
    run = await through(bench, FailOverSite(tenant="acme", plan="site"), UndoSite(tenant="acme"))
    assert "no hook release" in bench.last(run)[1]["why"]
    assert bench.running() == ALL


async def test_a_hook_that_is_not_required_stops_nothing(database: Database) -> None:
    hooks = Hooks(hold=Hook(name="hold", required=False))
    bench = RunsBench(database, site=site_of(*PLAN, hooks=hooks))
    bench.hooks.failing.add("hold")
    kind, told = bench.last(await through(bench, FailOverSite(tenant="acme", plan="site")))
    assert kind == FINISHED
    assert list(told["failures"]) == ["Have the provider's hook hold hold replication"]


async def test_a_call_that_nobody_remembers_comes_again_with_the_same_key(bench: RunsBench) -> None:
    run = (await bench.runs.start(FailOverSite(tenant="acme", plan="site"), host=HOST, actor="anna")).id

    async def kill(at: str, when: str) -> None:
        if (at, when) == ("stage 2", "after"):
            raise Killed

    bench.engine.at = kill
    with pytest.raises(Killed):
        await bench.engine.carry_out(run)

    async def spare(_at: str, _when: str) -> None:
        return

    bench.engine.at = spare
    bench.controller("two")
    await bench.engine.carry_out(run)
    assert [moment for _, moment, _ in called(bench.hooks)] == ["before", "hold", "hold", "after"]
    assert {run for _, run in bench.hooks.calls} == {run}
    assert [line for line in bench.log if line.startswith("on ")].count(f"on acme/{DB}") == 1


async def test_a_run_is_not_carried_on_with_other_steps_than_it_began_with(bench: RunsBench) -> None:
    run = (await bench.runs.start(FailOverSite(tenant="acme", plan="site"), host=HOST, actor="anna")).id

    async def kill(at: str, when: str) -> None:
        if (at, when) == ("stage 8", "remembered"):
            raise Killed

    bench.engine.at = kill
    with pytest.raises(Killed):
        await bench.engine.carry_out(run)
    bench.tenancies.site = tenancy.with_publications(bench.tenancies.site, "acme", ())
    log = list(bench.log)
    bench.controller("two")
    await bench.engine.carry_out(run)
    kind, told = bench.last(run)
    assert (kind, "the inventory was changed" in told["why"]) == (FAILED, True)
    assert f"Power on the replica of {DB}" in told["stand"]
    assert told["now"]["vms"][DB] == "on"
    assert bench.log == log


async def test_a_run_says_what_is_where_when_it_is_over(bench: RunsBench) -> None:
    now = bench.last(await through(bench, FailOverSite(tenant="acme", plan="site")))[1]["now"]
    assert now["appliances"] == {"acme-provider": "full"}
    assert now["vms"] == dict.fromkeys(sorted(ALL), "on")
    assert now["addresses"]["192.168.0.1"] == "acme-provider"
    assert now["addresses"]["192.168.0.20"] == "the replica of vm-0-0"


async def test_a_run_that_failed_says_what_is_where_and_what_nobody_knows(bench: RunsBench) -> None:
    bench.agents["acme-provider"].silent_mode = True
    kind, told = bench.last(await through(bench, FailOverSite(tenant="acme", plan="site")))
    assert kind == FAILED
    assert told["now"]["appliances"] == {"acme-provider": "idle"}
    assert told["now"]["vms"] == dict.fromkeys(sorted(ALL), "off")
    assert told["now"]["addresses"]["198.51.100.66"] == "nobody at the provider"
    run = (await bench.runs.start(FailOverSite(tenant="acme", plan="site"), host=HOST, actor="anna")).id
    bench.agents["acme-provider"].lost = True
    await bench.engine.carry_out(run)
    told = bench.last(run)[1]
    assert told["why"].startswith("Nothing was touched")
    assert told["now"]["appliances"]["acme-provider"].startswith("unknown")
    assert told["now"]["addresses"]["192.168.0.1"] == "unknown"


async def test_what_was_made_permanent_is_not_undone_but_given_back(bench: RunsBench) -> None:
    await through(bench, FailOverSite(tenant="acme", plan="site"), MakePermanent(tenant="acme"))
    mode = bench.standings.get("acme", HOST).mode
    assert mode == Full(ALL, permanent=ALL)
    assert modes.plan(mode) == "site"
    with pytest.raises(ProblemError, match="production now"):
        await bench.runs.start(UndoSite(tenant="acme"), host=HOST, actor="anna")
    before = len(bench.hooks.calls)
    run = await through(bench, FailBack(tenant="acme", vms=ALL - {WEB}))
    assert bench.last(run)[0] == FINISHED
    assert bench.standings.get("acme", HOST).mode == Partial(frozenset({WEB}), frozenset({WEB}))
    assert bench.running() == {WEB}
    (call, _), *others = bench.hooks.calls[before:]
    assert (call.hook, call.request, others) == ("release", "fail-back", [])
    assert call.vms == tuple(sorted(ALL - {WEB}))
    await through(bench, FailBack(tenant="acme"))
    assert bench.standings.get("acme", HOST).mode == Idle()
    assert bench.running() == set()


async def test_a_failback_stops_replicas_and_releases_addresses_before_production_returns(
    bench: RunsBench,
) -> None:
    await through(bench, FailOverSite(tenant="acme", plan="site"))
    seen: list[str | None] = []

    async def look(_call: Call) -> None:
        seen.append(bench.agents["acme-provider"].mode)

    bench.hooks.on_call = look
    await through(bench, FailBack(tenant="acme"))
    assert (bench.hooks.running[-1], seen) == (frozenset(), ["idle"])


async def test_a_failback_that_brings_nothing_up_to_date_is_refused(database: Database) -> None:
    bench = RunsBench(database, site=site_of(*PLAN, hooks=Hooks()))
    await through(bench, FailOverSite(tenant="acme", plan="site"))
    with pytest.raises(ProblemError, match="release") as caught:
        await bench.runs.start(FailBack(tenant="acme"), host=HOST, actor="anna")
    assert caught.value.problem.pointer == "/synchronised"
    await through(bench, FailBack(tenant="acme", synchronised=True))
    assert bench.standings.get("acme", HOST).mode == Idle()


async def test_a_retry_does_the_same_or_nothing(bench: RunsBench) -> None:
    bench.hooks.failing.add("hold")
    failed = await through(bench, FailOverSite(tenant="acme", plan="site"))
    site = bench.tenancies.site
    rules = site.tenants["acme"].publications[:1]
    bench.tenancies.site = tenancy.with_publications(site, "acme", rules)
    with pytest.raises(ProblemError) as caught:
        await bench.runs.retry(failed)
    assert caught.value.problem.type == ProblemType.PRECONDITION_FAILED.urn
    bench.tenancies.site = site
    bench.hooks.failing.clear()
    again = await bench.runs.retry(failed)
    await bench.engine.carry_out(again.id)
    assert bench.last(again.id)[0] == FINISHED


async def test_a_plan_with_a_vm_that_nothing_stands_in_for_is_refused(database: Database) -> None:
    site = site_of(*PLAN)
    tenant = replace(site.tenants["acme"], unreplicated=("ghost",))
    bench = RunsBench(database, site=replace(site, tenants={"acme": tenant}))
    with pytest.raises(ProblemError, match="no replica"):
        await bench.runs.start(FailOverSite(tenant="acme", plan="site"), host=HOST, actor="anna")
    await through(bench, FailOverSite(tenant="acme", plan="site", vms=frozenset({DB})))
    assert bench.running() == {DB}


async def test_a_failover_goes_on_by_the_plan_that_it_followed(bench: RunsBench) -> None:
    await through(bench, FailOverSite(tenant="acme", plan="site", vms=frozenset({DB})))
    site = bench.tenancies.site
    other = replace(site.tenants["acme"], plan_name="other")
    bench.tenancies.site = replace(site, tenants={"acme": other})
    with pytest.raises(ProblemError, match="by plan site"):
        await bench.runs.start(FailOverSite(tenant="acme", plan="other"), host=HOST, actor="anna")
