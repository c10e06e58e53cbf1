"""However many wait, there is one look at a time, and nobody is told what is too old."""

from __future__ import annotations

import asyncio

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
