"""The first of several things wins and the others are cancelled."""

from __future__ import annotations

import asyncio

import pytest

from causeway_agent.backends.host.race import race


async def test_the_first_wins_and_the_others_are_cancelled() -> None:
    cancelled = asyncio.Event()

    async def slow() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    assert await race(slow(), asyncio.sleep(0)) == 1
    assert cancelled.is_set()


async def test_what_a_rival_raises_is_raised() -> None:
    async def fail() -> None:
        raise OSError(5, "broken")

    with pytest.raises(ExceptionGroup) as caught:
        await race(fail(), asyncio.sleep(60))
    assert caught.value.subgroup(OSError) is not None


async def test_cancelling_the_race_cancels_the_rivals() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await race(asyncio.sleep(60), asyncio.sleep(60))
