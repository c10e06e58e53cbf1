"""Who may only observe waits for a turn, and is told when too many do."""

from __future__ import annotations

import asyncio

import pytest

from causeway_agent.api.turns import Turns
from causeway_wire.problem import ProblemError, ProblemType


async def test_one_works_few_wait_and_others_are_told_to_come_back() -> None:
    turns, inside, most = Turns(waiting=2), 0, 0
    leave = asyncio.Event()

    async def ask() -> None:
        nonlocal inside, most
        async with turns.one():
            inside += 1
            most = max(most, inside)
            await leave.wait()
            inside -= 1

    asking = [asyncio.create_task(ask()) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(ProblemError) as refused:
        await ask()
    assert refused.value.problem.type == ProblemType.UNAVAILABLE.urn
    leave.set()
    await asyncio.gather(*asking)
    assert most == 1
    await ask()
