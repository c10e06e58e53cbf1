"""What a failed retry leaves: an earlier run may have confirmed what the tenant's mode does not say."""

from __future__ import annotations

import pytest

from causeway_controller.contract.requests import FailOver
from causeway_controller.inventory.modes import Partial
from causeway_controller.store.database import Database
from causeway_controller.store.tenancies import Standing
from causeway_controller.workflows.run_record import FAILED, FINISHED
from causeway_wire.problem import ProblemType, problem
from tests.runs_bench import HOST, RunsBench
from tests.workflow_bench import SITE

PROVIDER = SITE.tenants["acme"].provider.id
TENANT = SITE.tenants["acme"].appliances["net-0"].id
VM, OTHER = "vm-0-0", "vm-0-1"
CONFLICT = problem(ProblemType.UNSUPPORTED, "the original answers")


async def kept_at_the_provider(bench: RunsBench, *vms: str) -> str:
    """A run that confirmed the provider's half, and never heard of the tenant's again."""
    request = FailOver(tenant="acme", vms=frozenset(vms))
    run = (await bench.runs.start(request, host=HOST, actor="anna")).id

    async def silence(stage: str, moment: str) -> None:
        if (stage, moment) == ("stage 5", "remembered"):
            bench.agents[TENANT].lost = True

    bench.engine.at = silence
    await bench.engine.carry_out(run)
    assert bench.last(run)[0] == FAILED
    assert any("has not been heard" in one for one in bench.last(run)[1]["kept"])
    agent = bench.agents[TENANT]
    agent.lost = False
    agent._fall_back("expired")
    bench.engine.at = nothing
    return run


async def nothing(_stage: str, _moment: str) -> None:
    """Nothing happens."""


@pytest.mark.parametrize("before", [frozenset(), frozenset({OTHER})], ids=["idle", "partial"])
async def test_what_an_earlier_run_confirmed_is_taken_back_as_well(
    database: Database, before: frozenset[str]
) -> None:
    bench = RunsBench(database)
    if before:
        first = await bench.runs.start(FailOver(tenant="acme", vms=before), host=HOST, actor="anna")
        await bench.engine.carry_out(first.id)
        assert bench.standings.get("acme", HOST) == Standing(mode=Partial(before))
    failed = await kept_at_the_provider(bench, VM)
    assert VM in bench.agents[PROVIDER].mode
    bench.agents[PROVIDER].connected = False
    again = await bench.runs.retry(failed, actor="bert")
    await bench.engine.carry_out(again.id)
    kind, told = bench.last(again.id)
    assert (kind, told["kept"]) == (FAILED, [])
    assert bench.agents[PROVIDER].mode == ("+".join(before) or "idle")
    assert bench.running() == before


async def test_what_was_kept_is_said_until_it_is_gone(database: Database) -> None:
    bench = RunsBench(database)
    failed = await kept_at_the_provider(bench, VM)
    bench.agents[TENANT].lost = True
    again = await bench.runs.retry(failed, actor="bert")
    await bench.engine.carry_out(again.id)
    kind, told = bench.last(again.id)
    assert (kind, told["undone"]) == (FAILED, [])
    assert told["kept"] == bench.last(failed)[1]["kept"], "nothing was touched, and it is still there"
    bench.agents[TENANT].lost = False
    bench.agents[PROVIDER].refuse = CONFLICT
    third = await bench.runs.retry(again.id, actor="bert")
    await bench.engine.carry_out(third.id)
    kind, told = bench.last(third.id)
    assert (kind, bench.agents[PROVIDER].mode, bench.running()) == (FAILED, "idle", {VM})
    assert told["undone"] == [f"configure {PROVIDER} (idle)"]
    assert any(one.startswith(f"power off acme/{VM}") for one in told["kept"]), "it was not come to"
    bench.agents[PROVIDER].refuse = None
    last = await bench.runs.retry(third.id, actor="bert")
    await bench.engine.carry_out(last.id)
    assert (bench.last(last.id)[0], bench.agents[PROVIDER].mode) == (FINISHED, VM)
