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


async def test_one_task_looks_for_all_who_wait_and_wakes_those_whom_it_concerns() -> None:
    looks: list[int] = []

    def look() -> int:
        looks.append(1)
        return len(looks)

    shared = SharedLook(look, seconds=0.01)
    woken: list[str] = []

    async def wait(name: str, number: int) -> None:
        await shared.until(lambda found: found >= number, seconds=LONG)
        woken.append(name)

    async with asyncio.TaskGroup() as group:
        for name, number in (("last", 9), *((f"first {each}", 3) for each in range(50))):
            group.create_task(wait(name, number))
    assert woken[-1] == "last"
    assert len(looks) == 9


async def test_who_waits_in_vain_is_let_go_and_the_looks_end() -> None:
    looks: list[int] = []
    shared = SharedLook(lambda: looks.append(1), seconds=0.01)
    await asyncio.wait_for(shared.until(lambda _: False, seconds=0.05), LONG)
    async with asyncio.timeout(LONG):
        seen = 0
        while len(looks) != seen:  # the last one may be under way still
            seen = len(looks)
            await asyncio.sleep(0.1)


async def test_a_look_that_fails_is_told_to_all_who_wait_and_the_next_waits_anew() -> None:
    answers = iter([StoreError("the store is away"), None])

    def look() -> str:
        if (error := next(answers)) is not None:
            raise error
        return "found"

    shared = SharedLook(look, seconds=0.01)
    waiting = (shared.until(lambda _: False, seconds=LONG) for _ in range(3))
    failed = await asyncio.gather(*waiting, return_exceptions=True)
    assert [str(one) for one in failed] == ["the store is away"] * 3
    await asyncio.wait_for(shared.until(lambda found: found == "found", seconds=LONG), LONG)
