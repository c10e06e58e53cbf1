"""A failover on an appliance that is missing or has failed is refused before anything is begun."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import msgspec
import pytest
from msgspec import UNSET

from causeway_controller.contract.requests import Request, UndoSite
from causeway_controller.store.database import Database
from causeway_controller.workflows import readiness
from causeway_wire.problem import ProblemError, ProblemType
from tests.runs_bench import HOST, RunsBench
from tests.workflow_bench import SITE
from tests.workflows import ALL, BEGIN, SEQUENCES, VM

PROVIDER = SITE.tenants["acme"].provider.id
BEGINNINGS = (BEGIN, SEQUENCES["fail-over-site"][0], SEQUENCES["rehearse"][0])


@pytest.fixture
def bench(database: Database, monkeypatch: pytest.MonkeyPatch) -> RunsBench:
    monkeypatch.setattr(readiness, "_REST_SECONDS", 0.0)
    return RunsBench(database)


async def refused(bench: RunsBench, request: Request) -> str:
    with pytest.raises(ProblemError):
        await bench.runs.plan(request, host=HOST)
    with pytest.raises(ProblemError) as caught:
        await bench.runs.start(request, host=HOST, actor="anna")
    assert caught.value.problem.type == ProblemType.UNAVAILABLE.urn
    assert (bench.runs_kept.open(), bench.engine.submitted, bench.log) == ((), {}, [])
    return caught.value.problem.detail


@pytest.mark.parametrize("request_", BEGINNINGS, ids=lambda one: type(one).__name__)
async def test_one_that_is_missing_is_to_be_deployed(bench: RunsBench, request_: Request) -> None:
    del bench.hypervisor.on[PROVIDER]
    assert f"`causeway appliance deploy acme {HOST}`" in await refused(bench, request_)


@pytest.mark.parametrize("request_", BEGINNINGS, ids=lambda one: type(one).__name__)
async def test_one_that_has_failed_is_to_be_redeployed(bench: RunsBench, request_: Request) -> None:
    bench.agents[PROVIDER].lost = True
    assert f"`causeway appliance redeploy acme {HOST}`" in await refused(bench, request_)


async def test_one_that_is_off_is_powered_on_by_the_run(bench: RunsBench) -> None:
    bench.hypervisor.on[PROVIDER] = False
    await bench.runs.start(BEGIN, host=HOST, actor="anna")
    assert len(bench.runs_kept.open()) == 1


@pytest.mark.parametrize("request_", BEGINNINGS, ids=lambda one: type(one).__name__)
async def test_one_that_is_off_and_has_never_enrolled_is_to_be_enrolled(
    bench: RunsBench, request_: Request
) -> None:
    bench.unenrolled[PROVIDER] = f"appliance deploy acme {HOST}"
    bench.hypervisor.on[PROVIDER] = False
    said = await refused(bench, request_)
    assert "has not enrolled since it was deployed" in said
    assert f"`causeway appliance deploy acme {HOST}`" in said


async def test_a_plan_and_its_run_say_from_which_restore_points_replicas_start(bench: RunsBench) -> None:
    point = datetime(2026, 5, 6, tzinfo=UTC)
    acme = bench.tenancies.site.tenants["acme"]
    dated = {**acme.vms, VM: replace(acme.vms[VM], restored_to=point)}
    bench.tenancies.site = replace(bench.tenancies.site, tenants={"acme": replace(acme, vms=dated)})
    site = SEQUENCES["fail-over-site"][0]
    planned = await bench.runs.plan(site, host=HOST)
    assert {one.vm: one.restored_to for one in planned.replicas} == {
        vm: point if vm == VM else UNSET for vm in ALL
    }
    run = await bench.runs.start(site, host=HOST, actor="anna")
    await bench.engine.carry_out(run.id)
    (begun,) = (one.detail for one in bench.runs_kept.events(run.id) if one.kind == "started")
    assert msgspec.json.decode(begun)["restored"] == {VM: point.isoformat()}
    assert (await bench.runs.plan(UndoSite(tenant="acme"), host=HOST)).replicas == ()


async def test_what_ends_a_failover_is_never_refused_for_that(bench: RunsBench) -> None:
    run = await bench.runs.start(SEQUENCES["fail-over-site"][0], host=HOST, actor="anna")
    await bench.engine.carry_out(run.id)
    del bench.hypervisor.on[PROVIDER]
    await bench.runs.start(UndoSite(tenant="acme"), host=HOST, actor="anna")
    assert len(bench.runs_kept.open()) == 1
