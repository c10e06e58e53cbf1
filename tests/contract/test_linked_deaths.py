"""A partial failover by two controllers, one of which is killed, comes to both halves or none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from causeway_controller.contract.requests import FailOver
from tests.linked_sites import DEADLINES, ONES, SHORT, agree, linked

pytestmark = pytest.mark.timeout(300)
BEGIN = FailOver(tenant="acme", vms=ONES)
AT_ONCE = 3
"""Cases that compute; those in which a controller's end is only waited for are beside them."""
STAGES = [f"stage {n}" for n in range(1, 7)]
"""Of either half."""


async def cut(
    place: Path, port: int, side: str, at: tuple[str, str], *, rest: float, room: asyncio.Semaphore
) -> str:
    """How a failover ends of which one controller dies there, and another one comes so much later."""
    async with AsyncExitStack() as stack:
        async with room:
            confirm = SHORT if rest >= DEADLINES else 60
            both = await stack.enter_async_context(linked(place, port, confirm=confirm))
            site = both.provider if side == "provider" else both.tenant
            site.engine.kill_at, site.engine.rest = at, rest
            run = await both.start(BEGIN)
            async with asyncio.timeout(60):
                await site.engine.died.wait()
            if rest < DEADLINES:
                await both.ended(run)
        ended = await both.ended(run)
        assert site.engine.kills == [at], both.tenant.last(run.id)[1]["why"]
        assert both.faults == []
        agree(both, ended)
        return ended


async def all_of(
    cases: list[tuple[str, tuple[str, str]]], place: Path, ports: Callable[[], int], rest: float
) -> list[str]:
    """How each case ends; some at once, for they wait most of the time."""
    room = asyncio.Semaphore(AT_ONCE)

    async def one(number: int, side: str, at: tuple[str, str]) -> str:
        own = place / str(number)
        own.mkdir()
        try:
            return await cut(own, ports(), side, at, rest=rest, room=room)
        except (AssertionError, TimeoutError) as error:
            raise AssertionError(f"{side} killed {at[1]} {at[0]}") from error

    return await asyncio.gather(*(one(n, *case) for n, case in enumerate(cases)))


@pytest.mark.parametrize("side", ["provider", "tenant"])
async def test_whoever_is_killed_another_one_goes_on(
    tmp_path: Path, unused_tcp_port_factory: Callable[[], int], side: str
) -> None:
    cases = [(side, (stage, moment)) for stage in STAGES for moment in ("before", "after", "remembered")]
    ended = await all_of(cases, tmp_path, unused_tcp_port_factory, 0.05)
    assert set(ended) == {"finished"}


@pytest.mark.parametrize("side", ["provider", "tenant"])
async def test_who_comes_back_after_all_deadlines_finds_both_halves_or_none(
    tmp_path: Path, unused_tcp_port_factory: Callable[[], int], side: str
) -> None:
    cases = [(side, (stage, "after")) for stage in STAGES]
    ended = await all_of(cases, tmp_path, unused_tcp_port_factory, DEADLINES)
    assert len(ended) == len(cases)
