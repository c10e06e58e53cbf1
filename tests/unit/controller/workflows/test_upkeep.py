"""Of several controllers one looks after the appliances; when it is gone another one does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path

import pytest
import pytest_asyncio

from causeway_controller.errors import StoreError
from causeway_controller.inventory.health import Deployed
from causeway_controller.store.appliances import Appliances
from causeway_controller.store.intentions import Revoked
from causeway_controller.store.leases import Leases
from causeway_controller.workflows.leases import Lease
from causeway_controller.workflows.upkeep import Upkeep
from tests.watched import INTERVAL, ME, Watched, watched


@pytest_asyncio.fixture
async def one(tmp_path: Path) -> AsyncIterator[Watched]:
    async with watched(tmp_path) as made:
        yield made


class Controller:
    """One that looks after appliances."""

    def __init__(self, one: Watched, name: str) -> None:
        leases = Leases(one.database)
        self.lease = Lease(leases, name=name, seconds=600)
        self.refreshed = 0
        self.cared: list[tuple[str, ...]] = []
        self.begun, self.held = asyncio.Event(), asyncio.Event()
        self.held.set()
        self.failing: Exception | None = None
        self.revoked = Revoked(all=0, named=0)
        self.upkeep = Upkeep(
            lease=self.lease,
            leases=leases,
            watch=one.watching(),
            renewal=one.renewing(),
            bringing_back=one.bringing_back(),
            cares=(self,),
            refresh=self._refresh,
            revoked=lambda: self.revoked,
            interval=INTERVAL,
            clock=lambda: one.seconds,
        )

    async def look(self, seen: Iterable[Deployed], in_charge: Callable[[], None]) -> None:
        assert not [each for each in seen if each.gateway]
        in_charge()
        self.cared.append(tuple(each.id for each in seen))
        self.begun.set()
        await self.held.wait()
        if self.failing is not None:
            raise self.failing

    async def _refresh(self) -> None:
        self.refreshed += 1


async def test_one_asks_and_when_it_is_gone_the_other_does(one: Watched) -> None:
    first, second = Controller(one, "a"), Controller(one, "b")
    first.lease.begin()
    second.lease.begin()
    await second.upkeep.look()
    assert one.agent.requests == []
    await first.upkeep.look()
    asked = len(one.agent.requests)
    assert asked
    first.lease.end()
    await second.upkeep.look()
    assert len(one.agent.requests) > asked
    second.lease.end()


async def test_every_controller_sees_to_its_own_certificate_once_in_an_interval(one: Watched) -> None:
    first, second = Controller(one, "a"), Controller(one, "b")
    first.lease.begin()
    second.lease.begin()
    for _ in range(3):
        await first.upkeep.look()
        await second.upkeep.look()
    assert (first.refreshed, second.refreshed) == (1, 1)
    one.pass_(seconds=INTERVAL)
    await second.upkeep.look()
    assert (first.refreshed, second.refreshed) == (1, 2)
    first.lease.end()
    second.lease.end()


async def test_when_something_was_revoked_all_are_asked_and_it_is_read_anew_at_once(one: Watched) -> None:
    first, second = Controller(one, "a"), Controller(one, "b")
    for each in (first, second):
        each.lease.begin()
        await each.upkeep.look()
        await each.upkeep.look()
    asked = len(one.agent.requests)
    first.revoked = second.revoked = Revoked(all=1, named=1)
    for each in (first, second):
        await each.upkeep.look()
    assert (first.refreshed, second.refreshed) == (2, 2)
    assert len(one.agent.requests) > asked
    asked = len(one.agent.requests)
    for each in (first, second):
        await each.upkeep.look()
    assert (first.refreshed, second.refreshed, len(one.agent.requests)) == (2, 2, asked)
    first.lease.end()
    second.lease.end()


async def test_an_agent_that_is_believed_no_more_has_nobody_else_asked(one: Watched) -> None:
    first = Controller(one, "a")
    first.lease.begin()
    await first.upkeep.look()
    await first.upkeep.look()
    asked = len(one.agent.requests)
    first.revoked = Revoked(all=1, named=0)
    await first.upkeep.look()
    assert (first.refreshed, len(one.agent.requests)) == (2, asked)
    first.lease.end()


async def test_a_care_that_takes_long_keeps_nobody_from_being_asked(one: Watched) -> None:
    first = Controller(one, "a")
    first.lease.begin()
    first.held.clear()
    asked = 0
    for number in range(1, 4):
        async with asyncio.timeout(10):
            await first.upkeep.look()
        assert len(one.agent.requests) > asked, number
        asked = len(one.agent.requests)
        one.pass_(seconds=2 * INTERVAL)
    assert len(first.cared) == 1
    first.held.set()
    await first.upkeep.cared()
    await first.upkeep.look()
    await first.upkeep.cared()
    assert first.cared[1] == (ME,), "what was seen meanwhile is cared for, once"
    first.lease.end()


async def test_who_looked_after_them_before_cares_for_none_that_is_gone_since(one: Watched) -> None:
    second = Controller(one, "b")
    second.lease.begin()
    second.held.clear()
    for _ in range(2):
        await second.upkeep.look()
        one.pass_(seconds=2 * INTERVAL)
    first = Controller(one, "a")
    first.lease.begin()
    await second.upkeep.look()
    second.held.set()
    await second.upkeep.cared()
    Appliances(one.database).forget(ME)
    first.lease.end()
    await second.upkeep.look()
    await second.upkeep.cared()
    assert second.cared == [(ME,), ()]
    second.lease.end()


async def test_what_the_cares_raise_is_raised_by_the_next_round_and_they_go_on(one: Watched) -> None:
    first = Controller(one, "a")
    first.lease.begin()
    first.failing = StoreError("the disk is full")
    await first.upkeep.look()
    with pytest.raises(StoreError, match="the disk is full"):
        await first.upkeep.cared()
    first.failing = None
    with pytest.raises(StoreError, match="the disk is full"):
        await first.upkeep.look()
    await first.upkeep.cared()
    await first.upkeep.look()
    await first.upkeep.cared()
    assert len(first.cared) == 3
    first.lease.end()


async def test_whoever_ends_the_rounds_ends_the_cares(one: Watched) -> None:
    first = Controller(one, "a")
    first.lease.begin()
    first.held.clear()
    rounds = asyncio.create_task(first.upkeep.run())
    async with asyncio.timeout(10):
        await first.begun.wait()
    rounds.cancel()
    await asyncio.gather(rounds, return_exceptions=True)
    with pytest.raises(asyncio.CancelledError):
        await first.upkeep.cared()
    first.lease.end()
