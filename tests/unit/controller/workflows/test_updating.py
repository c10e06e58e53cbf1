"""Systems are exchanged through the controller: refused with nothing touched, told, and gone on with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from causeway_controller.contract.appliances import Condition, Progress
from causeway_controller.fleet import updates
from causeway_controller.inventory import modes
from causeway_controller.store.runs import Run
from causeway_controller.store.tenancies import Standing
from causeway_controller.workflows.updating import Updating
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.update import SlotState
from tests.fakes.agent_server import problem_answer
from tests.unit.controller.fleet.test_updates import restarts
from tests.update_files import make
from tests.watched import HOST, ME, TENANT, Watched, watched


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(updates, "POLL_SECONDS", 0.01)


def names(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]


async def content(path: Path, *, cut: int | None = None) -> AsyncIterator[bytes]:
    yield (await asyncio.to_thread(path.read_bytes))[:cut]


class World:
    """A deployed appliance, a controller with a file for it."""

    def __init__(self, one: Watched, place: Path) -> None:
        self.one = one
        self.place = place
        make(place, version="2")
        self.file = place / "causeway-2.update"
        self.updating = self.controller()

    def controller(self, *, wait: float = 20.0) -> Updating:
        return Updating(
            directory=self.place / "updates",
            appliances=self.one.appliances,
            standings=self.one.standings,
            runs=self.one.runs,
            clients=self.one.pool.know,
            in_charge=lambda: None,
            now=self.one.time,
            wait=wait,
        )

    async def stored(self) -> str:
        return (await self.updating.store(content(self.file))).build

    async def update(self, build: str, *, interrupt: bool = False) -> tuple[Progress, str]:
        found = await self.updating.update(TENANT, HOST, build=build, allow_older=False, interrupt=interrupt)
        return found.progress, found.detail


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with watched(tmp_path) as one:
        made = World(one, tmp_path)
        yield made
        await made.updating.close()


async def refused(world: World, build: str, word: str) -> None:
    with pytest.raises(ProblemError, match=word):
        await world.update(build)
    assert not [path for _, path in world.one.agent.requests if path.startswith("/v1/update")]


async def test_an_appliance_runs_the_update_in_the_end(world: World) -> None:
    build = await world.stored()
    restarts(world.one.agent, build, SlotState.TRYING, SlotState.GOOD)
    assert await world.update(build) == (Progress.DONE, "it runs 2 in slot b")
    assert await world.update(build) == (Progress.DONE, "it runs 2 in slot b"), "again changes nothing"


async def test_one_that_was_silent_while_it_restarted_is_not_told_to_be_after_that(world: World) -> None:
    build = await world.stored()
    one, intercept = world.one, world.one.agent.intercept
    one.agent.intercept = lambda _: web.Response(status=500, text="no")
    assert (await one.look()).condition is Condition.SILENT
    one.agent.intercept = intercept
    restarts(one.agent, build, SlotState.TRYING, SlotState.GOOD)
    await world.update(build)
    (found,) = one.appliances.all()
    assert found.condition is Condition.UNKNOWN


async def test_one_that_falls_back_is_told(world: World) -> None:
    build = await world.stored()
    restarts(world.one.agent, build, SlotState.TRYING, SlotState.FAILED)
    progress, detail = await world.update(build)
    assert progress is Progress.FAILED
    assert "slot a runs again" in detail


async def test_another_controller_goes_on_with_what_a_dead_one_began(world: World) -> None:
    build = await world.stored()
    restarts(world.one.agent, build, SlotState.TRYING)
    world.updating = world.controller(wait=0.3)
    assert await world.update(build) == (Progress.UNDER_WAY, "")
    await world.updating.close()
    sent = world.one.agent.requests.count(("PUT", "/v1/update"))
    world.updating = world.controller()
    restarts_good(world, build)
    assert await world.update(build) == (Progress.DONE, "it runs 2 in slot b")
    assert world.one.agent.requests.count(("PUT", "/v1/update")) == sent


def restarts_good(world: World, build: str) -> None:
    """From now on it has proved good."""
    status = world.one.agent.slots.status

    async def good() -> object:
        found = await status()
        slots = tuple(
            type(one)(slot=one.slot, state=SlotState.GOOD, version=one.version, build=one.build)
            for one in found.slots
        )
        return type(found)(state=found.state, running=found.next, next=found.next, slots=slots)

    world.one.agent.slots.status = good  # type: ignore[method-assign, assignment]


async def test_while_it_serves_a_failover_it_is_asked_for_twice(world: World) -> None:
    fails_over(world)
    build = await world.stored()
    await refused(world, build, "--interrupt")
    restarts(world.one.agent, build, SlotState.GOOD)
    assert (await world.update(build, interrupt=True))[0] is Progress.DONE


def fails_over(world: World) -> None:
    """The end of a run; the watch sees the appliance later."""
    world.one.standings.put(TENANT, HOST, Standing(mode=modes.Full(frozenset({"vm-0-0"}))))


async def test_what_is_failed_over_while_the_file_is_sent_does_not_restart(world: World) -> None:
    build = await world.stored()
    receive = world.one.agent.slots.receive

    async def received(*args: Any, **words: Any) -> Any:
        fails_over(world)
        return await receive(*args, **words)

    world.one.agent.slots.receive = received  # type: ignore[method-assign]
    with pytest.raises(ProblemError, match="--interrupt"):
        await world.update(build)
    requests = [(method, path) for method, path in world.one.agent.requests if path.startswith("/v1/update")]
    assert ("PUT", "/v1/update") in requests
    assert ("POST", "/v1/update/activate") not in requests


async def test_while_a_run_is_open_nothing_is_updated(world: World) -> None:
    at = world.one.now
    world.one.runs.start(Run(id="r1", tenant=TENANT, host=HOST, request="{}", actor="anna", at=at))
    await refused(world, await world.stored(), "r1")


async def test_without_the_file_it_is_to_be_sent_again(world: World) -> None:
    await refused(world, "0" * 64, "send it again")


async def test_what_the_appliance_refuses_is_told_as_it_says_it(world: World) -> None:
    build = await world.stored()
    told = problem_answer(problem(ProblemType.UPDATE_UNSUPPORTED, "there is one slot only"))
    world.one.agent.intercept = lambda _: told
    with pytest.raises(ProblemError, match="one slot only"):
        await world.update(build)


async def test_a_file_that_is_none_leaves_the_one_before_it(world: World) -> None:
    build = await world.stored()
    with pytest.raises(ProblemError, match="is no update file"):
        await world.updating.store(content(world.file, cut=100))
    assert names(world.place / "updates") == [f"{build}.update"]
    assert ME in {one.id for one in world.one.appliances.all()}
