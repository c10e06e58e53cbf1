"""What waits for the other site's controller hears that its run is to stop."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from causeway_controller.errors import HalfGone, PeerUnreachable
from causeway_controller.failover.steps import OpenHalf
from causeway_controller.workflows import other_site
from causeway_controller.workflows.acting import Run
from causeway_controller.workflows.other_site import OtherSite

ACTION = OpenHalf(half="north", host="esx1", vms=frozenset({"db1"}), end_full=False)


class Half:
    """The provider prepares it until `answer` is set."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.given_up = False

    async def open(self, *_: object, **__: object) -> str:
        try:
            return await self.answer
        except asyncio.CancelledError:
            self.given_up = True
            raise


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(other_site, "_STOP_SECONDS", 0.01)


def begun(half: Half, *, stop: asyncio.Event) -> tuple[Run, asyncio.Task[bool]]:
    async def stop_requested() -> bool:
        return stop.is_set()

    run = Run(cast(Any, None), 1, "t-1", stop_requested=stop_requested)
    site = OtherSite(halves=lambda _name, _run: cast(Any, half), holding=cast(Any, None))
    return run, asyncio.create_task(site.act(run, ACTION))


async def test_a_stop_is_heard_while_the_provider_prepares_its_half() -> None:
    half, stop = Half(), asyncio.Event()
    run, opening = begun(half, stop=stop)
    await asyncio.sleep(0.05)
    assert not opening.done()
    stop.set()
    with pytest.raises(HalfGone, match="asked that the run stop"):
        await asyncio.wait_for(opening, 5)
    assert half.given_up
    assert run.awaiting == {}


async def test_what_the_provider_answers_counts() -> None:
    half = Half()
    run, opening = begun(half, stop=asyncio.Event())
    await asyncio.sleep(0.05)
    half.answer.set_result("change-1")
    assert await opening
    assert run.awaiting["north"].change == "change-1"


async def test_why_it_could_not_is_raised() -> None:
    half = Half()
    _, opening = begun(half, stop=asyncio.Event())
    half.answer.set_exception(PeerUnreachable("nobody answers"))
    with pytest.raises(PeerUnreachable):
        await opening


async def test_who_is_killed_asks_no_more() -> None:
    half = Half()
    _, opening = begun(half, stop=asyncio.Event())
    await asyncio.sleep(0.05)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert half.given_up
