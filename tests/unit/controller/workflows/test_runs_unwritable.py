"""A plan whose documents cannot be written is told before its run begins, and not while one goes on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from causeway_controller.inventory.tenancy import Site
from causeway_controller.store.database import Database
from causeway_controller.workflows.run_record import FAILED, FINISHED, STARTED, TAKEN_OVER
from causeway_wire.problem import ProblemError, ProblemType
from tests.runs_bench import HOST, RunsBench, detail, killed
from tests.workflow_bench import SITE
from tests.workflows import BEGIN


@pytest.fixture
def bench(database: Database) -> RunsBench:
    return RunsBench(database)


def without_server(site: Site) -> Site:
    """The site whose provider's ends of tunnels were revoked, and have no other certificate yet."""
    known = site.credentials["acme"]
    tunnels = {name: replace(one, server_certificate="") for name, one in known.tunnels.items()}
    return replace(site, credentials={"acme": replace(known, tunnels=tunnels)})


async def test_an_end_that_was_revoked_is_told_before_anything_begins(bench: RunsBench) -> None:
    bench.tenancies.site = without_server(SITE)
    for asked in (bench.runs.plan(BEGIN, host=HOST), bench.runs.start(BEGIN, host=HOST, actor="anna")):
        with pytest.raises(
            ProblemError, match="was revoked; its appliance gets another one by itself"
        ) as caught:
            await asked
        assert caught.value.problem.type == ProblemType.UNAVAILABLE.urn
    assert (bench.runs_kept.open(), bench.engine.submitted, bench.log) == ((), {}, [])


async def test_one_that_is_revoked_before_its_run_begins_stops_it_with_nothing_touched(
    bench: RunsBench,
) -> None:
    run = (await bench.runs.start(BEGIN, host=HOST, actor="anna")).id
    bench.tenancies.site = without_server(SITE)
    await bench.engine.carry_out(run)
    assert bench.kinds(run) == [FAILED]
    assert "was revoked" in detail(bench.runs_kept.events(run)[-1])["why"]
    assert bench.log == []


async def test_who_takes_a_run_over_goes_on_although_an_end_was_revoked_meanwhile(bench: RunsBench) -> None:
    run = (await bench.runs.start(BEGIN, host=HOST, actor="anna")).id
    assert await killed(bench, run, stage="stage 4", moment="remembered")
    bench.tenancies.site = without_server(SITE)
    bench.controller("two")
    assert not await killed(bench, run, stage="", moment="")
    assert bench.kinds(run) == [STARTED, TAKEN_OVER, FINISHED]
