"""A half that is held asks its appliance now and then, and hears when it went back by itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from msgspec import structs

from causeway_controller.errors import HalfGone
from causeway_controller.store.half import Half
from causeway_controller.workflows import holding
from causeway_controller.workflows.acting import Awaited, Run
from causeway_controller.workflows.holding import Holding
from causeway_controller.workflows.timing import Timing
from causeway_wire.change import Change, ChangeState

APPLIANCE = "acme-esx1"
HELD = Half(tenant="acme", name="r1", epoch=1, run="run-1", held=True, asked=0, seconds=0, given=0, word=None)
CHANGE = Change(
    id="c1",
    generation=1,
    epoch=1,
    state=ChangeState.AWAITING,
    requested_by="test",
    created=datetime(2026, 1, 2, tzinfo=UTC),
)


class Words:
    """What is said stays the same: it is held."""

    def of_run(self, run: str) -> Half:
        return HELD

    def open(self) -> Mapping[str, Half]:
        return {"run-1": HELD}

    def hold(self, run: str) -> None:
        """It is held already."""


class Appliance:
    """Awaits its confirmation until `back` is set."""

    def __init__(self) -> None:
        self.asked = 0
        self.back = False

    async def change(self, identifier: str) -> Change:
        self.asked += 1
        return structs.replace(CHANGE, state=ChangeState.ROLLED_BACK) if self.back else CHANGE


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holding, "_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(holding, "_LONGEST_LOOK_SECONDS", 0.16)


def begun(appliance: Appliance, *, left: float) -> asyncio.Task[None]:
    """Somebody holds what the appliance awaits for so many seconds."""
    run = Run(cast(Any, None), 1, "run-1")
    run.awaiting[APPLIANCE] = Awaited(change="c1", until=time.monotonic() + left)
    held = Holding(
        words=cast(Any, Words()),
        looks=None,
        agents=lambda _appliance: cast(Any, appliance),
        timing=Timing(courtesy=5.0, longest_poll=0.002),
        in_charge=lambda: None,
    )
    return asyncio.create_task(held.until_told(run, APPLIANCE))


async def test_a_half_that_is_held_for_long_asks_its_appliance_ever_more_seldom() -> None:
    appliance = Appliance()
    task = begun(appliance, left=60.0)
    await asyncio.sleep(0.8)
    assert not task.done()
    # 0.01, 0.03, 0.07, 0.15, and each 0.16 s from 0.31 on; each 0.01 s would be many more.
    assert appliance.asked <= 8
    appliance.back = True
    with pytest.raises(HalfGone, match="went back"):
        await asyncio.wait_for(task, 5)


async def test_it_is_asked_often_once_it_may_have_gone_back_by_itself() -> None:
    appliance = Appliance()
    task = begun(appliance, left=0.0)
    async with asyncio.timeout(30):
        while appliance.asked < 30:
            await asyncio.sleep(0.01)
            assert not task.done()
    appliance.back = True
    with pytest.raises(HalfGone, match="went back"):
        await asyncio.wait_for(task, 5)
