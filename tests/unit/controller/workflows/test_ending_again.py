"""Ending a failover is asked for again until it has ended, also when an appliance is off by then."""

from __future__ import annotations

import pytest

from causeway_controller.contract.requests import (
    EndRehearsal,
    FailBack,
    FailOver,
    FailOverSite,
    Rehearse,
    Request,
    Undo,
    UndoSite,
)
from causeway_controller.inventory.modes import Idle
from causeway_controller.store.database import Database
from causeway_controller.workflows.run_record import FAILED, FINISHED
from tests.fakes.powered_host import PoweredHost
from tests.runs_bench import HOST, RunsBench, through

VM, ONES = "vm-0-0", frozenset({"vm-0-0"})
BOTH = frozenset({VM, "vm-1-0"})
PROVIDER, END, OTHER_END = "acme-provider", "acme-tenant-0", "acme-tenant-1"
BEGIN = FailOver(tenant="acme", vms=ONES)
UNDO = Undo(tenant="acme", vms=ONES)
STOP = Undo(tenant="acme", vms=ONES, stop_appliances=True)


@pytest.fixture
def bench(database: Database) -> RunsBench:
    made = RunsBench(database)
    PoweredHost(made)
    return made


def host(bench: RunsBench) -> PoweredHost:
    assert isinstance(bench.hypervisor, PoweredHost)
    return bench.hypervisor


def idle(bench: RunsBench, run: str) -> None:
    """The run went through, and nothing is failed over any more."""
    kind, told = bench.last(run)
    assert kind == FINISHED, told
    assert bench.standings.get("acme", HOST).mode == Idle()
    assert not bench.running()
    assert {agent.mode for agent in bench.agents.values()} == {"idle"}


@pytest.mark.parametrize("how", ["same", "without", "retry"])
async def test_an_undo_that_powered_one_appliance_off_and_not_the_other_is_repeated(
    bench: RunsBench, how: str
) -> None:
    await through(bench, BEGIN)
    host(bench).broken.add(PROVIDER)
    failed = await through(bench, STOP)
    assert (bench.last(failed)[0], host(bench).on[END], host(bench).on[PROVIDER]) == (FAILED, False, True)
    host(bench).broken.clear()
    bench.log.clear()
    if how == "retry":
        run = (await bench.runs.retry(failed, actor="bert")).id
        await bench.engine.carry_out(run)
    else:
        run = await through(bench, STOP if how == "same" else UNDO)
    idle(bench, run)
    assert bench.log[:2] == [f"on {END}", f"{END} idle"]
    assert host(bench).on[END] == host(bench).on[PROVIDER] == (how == "without")


@pytest.mark.parametrize(
    ("begin", "end"),
    [
        (BEGIN, STOP),
        (BEGIN, FailBack(tenant="acme", vms=ONES, synchronised=True, stop_appliances=True)),
        (FailOverSite(tenant="acme", vms=ONES), UndoSite(tenant="acme", stop_appliances=True)),
        (
            FailOverSite(tenant="acme", vms=ONES),
            FailBack(tenant="acme", vms=ONES, synchronised=True, stop_appliances=True),
        ),
        (Rehearse(tenant="acme", vms=ONES), EndRehearsal(tenant="acme", stop_appliances=True)),
    ],
    ids=["undo", "failback", "undo-site", "failback of full", "end-rehearsal"],
)
async def test_an_end_is_repeated_when_its_host_obeyed_and_did_not_say_so(
    bench: RunsBench, begin: Request, end: Request
) -> None:
    await through(bench, begin)
    host(bench).late = frozenset({PROVIDER})
    failed = await through(bench, end)
    assert (bench.last(failed)[0], host(bench).on[PROVIDER]) == (FAILED, False)
    host(bench).late = frozenset()
    idle(bench, await through(bench, end))
    assert not host(bench).on[PROVIDER]


async def test_a_full_failover_returns_to_a_partial_one_though_the_appliance_is_off(bench: RunsBench) -> None:
    await through(bench, FailOverSite(tenant="acme", vms=BOTH))
    for name in (PROVIDER, END):
        await host(bench).power(name, on=False, grace=0)
    run = await through(bench, UndoSite(tenant="acme", keep_partial=ONES))
    assert bench.last(run)[0] == FINISHED, bench.last(run)[1]
    assert bench.running() == ONES
    assert bench.agents[PROVIDER].mode == bench.agents[END].mode == VM


async def test_what_cannot_be_powered_on_keeps_no_other_appliance_answering(bench: RunsBench) -> None:
    await through(bench, FailOver(tenant="acme", vms=BOTH))
    await host(bench).power(END, on=False, grace=0)
    host(bench).broken.add(END)
    failed = await through(bench, Undo(tenant="acme", vms=BOTH))
    kind, told = bench.last(failed)
    assert kind == FAILED
    assert told["why"].startswith("Power on the tenant's appliance of network net-0 failed: power of acme-")
    assert bench.agents[OTHER_END].mode == "idle"
    assert bench.agents[PROVIDER].mode == "vm-0-0+vm-1-0", "the one that is off may be on again"
    host(bench).broken.clear()
    idle(bench, await through(bench, Undo(tenant="acme", vms=BOTH)))


@pytest.mark.parametrize("missing", [True, False], ids=["missing", "out of reach"])
async def test_an_appliance_that_answers_is_on_whatever_its_host_says(
    bench: RunsBench, *, missing: bool
) -> None:
    await through(bench, BEGIN)
    if missing:
        del host(bench).on[END]
    else:
        host(bench).lost = frozenset({END})
    failed = await through(bench, STOP)
    assert "Nothing was touched" in bench.last(failed)[1]["why"], "its host is to power it off"
    idle(bench, await through(bench, UNDO))
    bench.agents[END].lost = True
    kind, told = bench.last(await through(bench, BEGIN))
    reason = f"the hypervisor has no machine {END}" if missing else f"{END} is unknown"
    assert kind == FAILED, "one that does not answer is not"
    assert reason in told["why"]
    assert ("unreachable" in told["why"], bench.running()) == (False, set())


async def test_an_appliance_that_is_on_and_silent_is_refused_with_the_remedy(bench: RunsBench) -> None:
    await through(bench, BEGIN)
    bench.agents[END].lost = True
    kind, told = bench.last(await through(bench, UNDO))
    assert kind == FAILED
    assert "Nothing was touched" in told["why"]
    assert "power it off at its host and ask again" in told["why"]
    assert "`causeway appliance redeploy acme HOST`" in told["why"]
    assert bench.running() == ONES
    await host(bench).power(END, on=False, grace=0)
    idle(bench, await through(bench, UNDO))
