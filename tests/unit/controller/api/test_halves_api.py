"""A half that its tenant's controller took back meanwhile is not begun, however long its turn took."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, cast

import pytest

from causeway_controller.api.halves import HalfHandlers
from causeway_controller.contract.halves import HalfOrder, HalfReport, HalfState, Open, Word
from causeway_controller.store.database import Database
from causeway_controller.store.halves import Halves
from causeway_controller.store.run_reports import RunsTold
from causeway_controller.store.runs import Run
from tests.fakes.run_service import FakeRunService
from tests.runs_bench import made

NAME: Final = "t-1"
OPEN: Final = HalfOrder(epoch=1, open=Open(host="esx1", vms=frozenset({"db1"})))
BACK: Final = HalfOrder(epoch=1, word=Word.TAKE_BACK)


@dataclass(frozen=True)
class _Caller:
    tenant: str = "acme"
    name: str = "controller of acme"


@dataclass(frozen=True)
class _Asked:
    """What is read of a request (`api.exchange.Ask`)."""

    body: HalfOrder
    places: dict[str, str] = field(default_factory=lambda: {"half": NAME})
    caller: _Caller = _Caller()

    def document(self, _kind: object) -> HalfOrder:
        return self.body


class _Service(FakeRunService):
    """Has somebody do something when a run is about to begin."""

    meanwhile: Any = None

    async def plan(self, request: Any, *, host: str) -> Any:
        if self.meanwhile is not None:
            first, self.meanwhile = self.meanwhile, None
            await first()
        return await super().plan(request, host=host)


@dataclass
class _Runs:
    """What is asked of `api.runs.RunHandlers`."""

    service: _Service
    told: RunsTold

    def now(self) -> datetime:
        return datetime.now(UTC)

    def may_start(self, *_: object) -> None:
        """Who has joined may."""

    async def record(self, *_: object) -> None:
        """Nobody reads the audit here."""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = made(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def service(database: Database) -> _Service:
    return _Service(database)


@pytest.fixture
def handlers(database: Database, service: _Service) -> HalfHandlers:
    return HalfHandlers.over(Halves(database), runs=cast(Any, _Runs(service, RunsTold(database))))


async def ordered(handlers: HalfHandlers, order: HalfOrder) -> HalfReport:
    answer = await handlers.order(cast(Any, _Asked(order)))
    return cast(HalfReport, cast(Any, answer).document)


def opened(service: _Service) -> list[Run]:
    return list(service.runs.open())


async def test_an_order_is_begun(handlers: HalfHandlers, service: _Service) -> None:
    assert (await ordered(handlers, OPEN)).state is HalfState.PREPARING
    assert [one.host for one in opened(service)] == ["esx1"]


async def test_what_was_taken_back_while_it_waited_for_its_turn_is_not_begun(
    handlers: HalfHandlers, service: _Service
) -> None:
    handlers = replace(handlers, room=asyncio.Semaphore(1))
    async with handlers.room:
        waiting = asyncio.create_task(ordered(handlers, OPEN))
        await asyncio.sleep(0.1)
        assert (await ordered(handlers, BACK)).state is HalfState.GONE
    assert (await waiting).state is HalfState.GONE
    assert opened(service) == []


async def test_what_is_taken_back_as_it_begins_stops(handlers: HalfHandlers, service: _Service) -> None:
    async def taken_back() -> None:
        assert (await ordered(handlers, BACK)).state is HalfState.GONE

    service.meanwhile = taken_back
    await ordered(handlers, OPEN)
    (run,) = opened(service)
    assert service.stopped[-1] == (run.id, "controller of acme")


async def test_what_is_taken_back_before_it_is_held_stops(handlers: HalfHandlers, service: _Service) -> None:
    await ordered(handlers, OPEN)
    (run,) = opened(service)
    assert (await ordered(handlers, BACK)).state is HalfState.PREPARING, "until it has stopped"
    assert service.stopped == [(run.id, "controller of acme")]


async def test_what_is_held_hears_that_it_is_taken_back(handlers: HalfHandlers, service: _Service) -> None:
    await ordered(handlers, OPEN)
    handlers.halves.hold(opened(service)[0].id)
    await ordered(handlers, BACK)
    assert service.stopped == []
