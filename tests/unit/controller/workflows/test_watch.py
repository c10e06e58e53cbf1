"""Appliances are asked over real TLS; what is wrong is known with its cause, and is over when it is over."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest_asyncio
from aiohttp import web

from causeway_controller.contract.appliances import Condition
from causeway_controller.inventory import health, modes
from causeway_controller.inventory.health import Power
from causeway_controller.store.runs import Run
from causeway_controller.store.tenancies import Standing
from causeway_controller.workflows import watch
from causeway_controller.workflows.watch import access
from causeway_wire import problem
from causeway_wire.observed import TunnelReport, TunnelState
from causeway_wire.problem import ProblemType
from tests import run_events
from tests.fakes.agent_server import problem_answer
from tests.watched import HOST, INTERVAL, ME, TENANT, Watched, watched

FULL = Standing(mode=modes.Full(frozenset({"vm-0-0"})))
IDLE = Standing(mode=modes.Idle())


@pytest_asyncio.fixture
async def one(tmp_path: Path) -> AsyncIterator[Watched]:
    async with watched(tmp_path) as made:
        yield made


async def test_an_appliance_that_is_well_is_known_with_all_that_it_runs(one: Watched) -> None:
    found = await one.look()
    assert (found.condition, found.cause, found.mode, found.generation) == (Condition.HEALTHY, "", "idle", 1)
    assert (found.seen, access(found).port) == (one.now, one.agent.port)
    assert found.shown is not None
    assert found.shown.ends > one.now + timedelta(days=390)


async def test_while_nothing_changes_one_request_is_enough(one: Watched) -> None:
    await one.look()
    one.agent.requests.clear()
    await one.look()
    assert one.agent.requests == [("GET", "/v1/observed")]


async def test_silence_is_known_with_its_cause_and_ends_with_the_next_answer(one: Watched) -> None:
    await one.look()
    one.agent.intercept = lambda _: problem_answer(problem.problem(ProblemType.UNAVAILABLE, "it starts"))
    silent = await one.look()
    assert (silent.condition, "it starts" in silent.cause) == (Condition.SILENT, True)
    one.agent.intercept = lambda _: None
    assert (await one.look()).condition is Condition.HEALTHY


async def test_an_appliance_that_is_gone_is_told_from_one_that_is_silent(one: Watched) -> None:
    await one.look()
    gone = replace(one.watch.roll[ME], port=1)
    one.appliances.enter(gone, at=one.now)
    silent = await one.look()
    assert (silent.condition, silent.cause) == (Condition.SILENT, "connection refused")
    one.power = Power.MISSING
    found = await one.look()
    assert found.condition is Condition.MISSING
    told = health.trouble(found, now=one.now, patience=timedelta(hours=1))
    assert told == f"its host has no such machine; run `causeway appliance deploy {TENANT} {HOST}`"


async def test_another_machine_is_not_believed(one: Watched) -> None:
    one.issue("somebody-else")
    assert (await one.look()).condition is Condition.REFUSED


async def test_a_document_that_the_inventory_has_overtaken_is_known(one: Watched) -> None:
    await one.look()
    tenant = one.site.tenants[TENANT]
    one.site = replace(one.site, tenants={TENANT: replace(tenant, public_addresses=())})
    one.ledger.revoke((await one.look()).shown.serial, actor="test", reason="the mark changes")  # type: ignore[union-attr]
    assert (await one.look()).condition is Condition.OUTDATED


async def test_one_whose_own_certificate_was_revoked_is_not_what_it_should_be(one: Watched) -> None:
    one.standings.put(TENANT, HOST, Standing(mode=modes.partial(frozenset(one.site.tenants[TENANT].vms))))
    tunnels = one.site.credentials[TENANT].tunnels
    revoked = {name: replace(tunnel, server_certificate="") for name, tunnel in tunnels.items()}
    credentials = replace(one.site.credentials[TENANT], tunnels=revoked)
    one.site = replace(one.site, credentials={TENANT: credentials})
    found = await one.look()
    assert (found.condition, "overtaken" in found.cause) == (Condition.OUTDATED, True)


async def test_a_gateway_whose_certificate_was_revoked_answers_and_is_not_what_it_should_be(
    one: Watched,
) -> None:
    gateway = replace(one.site.gateways[0], id=ME)
    none = replace(one.site.gateway_credentials, certificates={})
    one.site = replace(one.site, tenants={}, gateways=(gateway,), gateway_credentials=none)
    found = await one.look()
    assert (found.condition, found.seen) == (Condition.OUTDATED, one.now), "else nobody looks after it"


async def test_another_mode_than_the_last_run_left_is_known_but_not_while_one_is_open(one: Watched) -> None:
    one.standings.put(TENANT, HOST, FULL)
    one.runs.start(Run(id="r1", tenant=TENANT, host=HOST, request="{}", actor="anna", at=one.now))
    assert (await one.look()).condition is Condition.HEALTHY
    epoch = 1
    run_events.finish(one.runs, "r1", epoch=epoch, kind="failed", detail="{}", at=one.now)
    found = await one.look()
    assert (found.condition, found.mode, found.intended) == (Condition.OTHER_MODE, "idle", "full")


async def test_another_controller_goes_on_with_what_this_one_saw(one: Watched) -> None:
    await one.look()
    one.agent.intercept = lambda _: web.Response(status=500, text="no")
    since = (await one.look()).since
    one.watch = one.watching()
    found = await one.look()
    assert (found.condition, found.since) == (Condition.SILENT, since)


async def test_each_has_its_turn_once_in_an_interval(one: Watched) -> None:
    await one.look()
    one.agent.requests.clear()
    one.pass_(seconds=INTERVAL / 2)
    assert await one.watch.look() == ()
    assert one.agent.requests == []


async def test_who_is_hastened_again_and_again_has_its_turn_all_the_same(one: Watched) -> None:
    await one.look()
    for number in range(150):
        one.appliances.enter(replace(one.watch.roll[ME], id=f"a{number}", host=f"h{number}"), at=one.now)
    one.pass_(seconds=INTERVAL)
    await one.watch._call_the_roll()
    one.watch._due = dict.fromkeys(one.watch.roll, one.seconds + INTERVAL)
    one.watch.hasten()
    last = max(one.watch._due.values())
    assert last < one.seconds + 2
    one.pass_(seconds=1)
    one.watch.hasten()
    assert max(one.watch._due.values()) == last


async def test_a_look_that_began_before_an_appliance_was_brought_up_tells_nothing_after_it(
    one: Watched,
) -> None:
    document, one.agent.document = one.agent.document, None
    asked: list[str] = []

    def brought_up(request: web.Request) -> None:
        asked.append(request.path)
        if len(asked) > 1:  # it has said already that it has no document
            one.agent.document = document
            one.appliances.changed(ME, at=one.now)

    one.agent.intercept = brought_up
    found = await one.look()
    assert asked[0] == "/v1/observed"
    assert (found.condition, found.cause) == (Condition.UNKNOWN, "")
    one.agent.intercept = lambda _: None
    one.pass_(seconds=INTERVAL / 4)
    await one.watch.look()
    (found,) = one.appliances.all()
    assert found.condition is Condition.HEALTHY, "its next turn has not come, it is asked all the same"


async def test_what_a_run_leaves_is_looked_at_soon_after_it(one: Watched) -> None:
    one.standings.put(TENANT, HOST, FULL)
    one.agent.intercept = lambda _: web.Response(status=500, text="no")
    one.power = Power.OFF
    assert (await one.look()).condition is Condition.OFF
    one.runs.start(Run(id="r1", tenant=TENANT, host=HOST, request="{}", actor="anna", at=one.now))
    run_events.finish(one.runs, "r1", epoch=1, kind="finished", detail="{}", at=one.now, left=IDLE)
    (found,) = one.appliances.all()
    assert (found.condition, health.troubles([found], now=one.now, patience=timedelta(hours=1))) == (
        Condition.UNKNOWN,
        (),
    )
    one.pass_(seconds=INTERVAL / 4)
    await one.watch.look()
    (found,) = one.appliances.all()
    assert (found.condition, found.intended) == (Condition.OFF, "idle")


async def test_one_that_is_silent_is_silent_still_when_a_run_has_failed(one: Watched) -> None:
    await one.look()
    one.agent.intercept = lambda _: web.Response(status=500, text="no")
    since = (await one.look()).since
    one.runs.start(Run(id="r1", tenant=TENANT, host=HOST, request="{}", actor="anna", at=one.now))
    run_events.finish(one.runs, "r1", epoch=1, kind="failed", detail="{}", at=one.now)
    (found,) = one.appliances.all()
    assert (found.condition, found.since) == (Condition.SILENT, since), "else it is brought back later"


async def test_what_is_deployed_no_longer_is_not_revived(one: Watched) -> None:
    await one.look()
    one.appliances.forget(ME)
    one.pass_(seconds=2 * INTERVAL)
    assert await one.watch.look() == ()
    assert one.appliances.all() == ()


def test_an_impaired_tunnel_is_told_once() -> None:
    tunnels = [
        TunnelReport(id=name, state=TunnelState.CONNECTING, impairment=why)
        for name, why in (("a", "away"), ("b", None), ("c", "slow"))
    ]
    told = [problem.problem(ProblemType.TUNNEL_IMPAIRED, f"tunnel {name}") for name in ("a: away", "c: slow")]
    disk = problem.problem(ProblemType.UNAVAILABLE, "the disk is full")
    said: Any = SimpleNamespace(problem=problem.combine((disk, *told)), tunnels=tunnels)
    assert list(watch._wrong(said)) == ["the disk is full", "tunnel a: away", "tunnel c: slow"]
    said.problem = None
    assert list(watch._wrong(said)) == ["tunnel a: away", "tunnel c: slow"]
    said.tunnels = []
    assert list(watch._wrong(said)) == ["it is degraded and does not say why; look at its log"]
