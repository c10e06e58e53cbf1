"""However many wait, there is one look at a time, and nobody is told what is too old."""

from __future__ import annotations

import asyncio
import time

import pytest

from causeway_controller.errors import StoreError
from causeway_controller.workflows.shared_looks import SharedLook

LONG = 60.0


async def test_all_who_wait_have_one_look() -> None:
    looks: list[int] = []

    def look() -> int:
        looks.append(1)
        return len(looks)

    shared = SharedLook(look, seconds=LONG)
    assert set(await asyncio.gather(*(shared.now() for _ in range(50)))) == {1}
    assert len(looks) == 1


async def test_what_is_too_old_is_looked_for_again() -> None:
    found = iter(range(10))
    shared = SharedLook(lambda: next(found), seconds=0.0)
    assert [await shared.now() for _ in range(3)] == [0, 1, 2]


async def test_who_looks_and_fails_leaves_the_look_to_the_next() -> None:
    answers = iter([StoreError("the store is away"), None])

    def look() -> str:
        if (error := next(answers)) is not None:
            raise error
        return "found"

    shared = SharedLook(look, seconds=LONG)
    with pytest.raises(StoreError):
        await shared.now()
    assert await shared.now() == "found"


async def test_who_gives_up_waiting_keeps_nobody_from_looking() -> None:
    shared = SharedLook(lambda: "found", seconds=LONG)
    gone = asyncio.create_task(shared.now())
    await asyncio.sleep(0)
    gone.cancel()
    assert await asyncio.wait_for(shared.now(), 5) == "found"


async def test_a_look_that_takes_longer_than_an_answer_may_be_old_is_still_one_for_all_who_waited() -> None:
    """Else each of a thousand would look for itself, one after the other."""
    looks: list[int] = []

    def look() -> int:
        looks.append(1)
        time.sleep(0.3)
        return len(looks)

    shared = SharedLook(look, seconds=0.1)
    await asyncio.gather(*(shared.now() for _ in range(20)))
    assert len(looks) == 1


async def test_what_a_store_that_is_away_costs_is_waited_for_once() -> None:
    looks: list[int] = []

    def look() -> str:
        looks.append(1)
        raise StoreError("the store is away")

    shared = SharedLook(look, seconds=LONG)
    found = await asyncio.gather(*(shared.now() for _ in range(20)), return_exceptions=True)
    assert {type(one) for one in found} == {StoreError}
    assert len(looks) == 1
