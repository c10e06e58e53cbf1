"""Runs that are no failovers: what a controller does to appliances in units, one after the other.

A kind of chore says which units there are and does one of them; the rest is here: the run's events, its
journal, its epoch, and whoever carries it on. A unit may be done twice, by two controllers, the second of
which finds out what is so already. What has been done stays: a chore that failed is retried, not taken back.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from causeway_controller.contract import requests
from causeway_controller.contract.requests import Chore
from causeway_controller.contract.run_events import FAILED, FINISHED, STARTED, STEP, TAKEN_OVER
from causeway_controller.errors import ControllerError, RunStopped
from causeway_controller.store.runs import Run
from causeway_controller.workflows.execution import Means
from causeway_controller.workflows.run_record import Record
from causeway_wire import codec
from causeway_wire.problem import ProblemError


class Unit(Struct, frozen=True, kw_only=True):
    """A part of a chore, as it was planned; the plan is kept with the run."""

    name: str
    """No other unit of the run has it."""
    sentence: str


class Done(Struct, frozen=True, kw_only=True):
    """What came of a unit; remembered."""

    detail: str = ""
    enough: bool = False
    """Whether the units after it need not be done."""
    stopped: bool = False
    """Nothing was done, because somebody asked that the run stop."""


class Kind(Protocol):
    """What is done in chores of one kind."""

    async def plan(self, asked: Run) -> Sequence[Unit]:
        """Return the units, in their order. Raises ProblemError, ControllerError with nothing touched."""

    async def perform(self, record: Record, unit: Unit) -> Done:
        """Do the unit, or find that it is done. Raises ProblemError, ControllerError: the run has failed."""


class ChoreExecution:
    """A chore in this controller's hands, under an epoch of its own."""

    def __init__(self, means: Means, kinds: Mapping[type[Chore], Kind], asked: Run) -> None:
        self._controller = means.controller
        self._kind = kinds[type(requests.read_chore(asked.request.encode()))]
        self._asked = asked
        self._record = means.record(asked)
        self._journal = means.journal(self._record)
        self._through: list[str] = []
        """Sentences of the units that were done."""
        self._told: dict[str, str] = {}

    async def carry_out(self) -> None:
        """Carry it to its end, well or not; nothing when it is over.

        Raises Superseded when another controller has taken it over, StoreError when nothing can be kept.
        """
        taken = await self._record.take()
        if taken is None:
            return
        started = next((event.detail for event in taken.events if event.kind == STARTED), None)
        await self._record.ended(functools.partial(self._carry_on, started), self._fail)

    async def _carry_on(self, started: str | None) -> None:
        tell = self._record.telling.tell
        if started is None:
            units = tuple(await self._kind.plan(self._asked))
            stages = [[unit.sentence] for unit in units]
            tell(STARTED, controller=self._controller, stages=stages, units=msgspec.to_builtins(units))
        else:
            members = msgspec.json.decode(started, type=dict[str, Any])
            units = msgspec.convert(members["units"], codec.ready(tuple[Unit, ...]))
            self._record.taken_over = True
            tell(TAKEN_OVER, controller=self._controller, silent=[])
        await self._record.telling.kept()
        for number, unit in enumerate(units, 1):
            done = msgspec.json.decode(await self._stage(number, unit), type=codec.ready(Done))
            if done.stopped:
                raise RunStopped(unit.sentence, ControllerError("somebody asked for it"), (), ())
            self._through.append(unit.sentence)
            self._told[unit.name] = done.detail
            if done.enough:
                break
        await self._record.close(FINISHED, {"failures": {}, "outcome": self._told})

    async def _stage(self, number: int, unit: Unit) -> str:
        async def act() -> str:
            if await self._journal.stop_requested():
                return _text(Done(stopped=True))
            return _text(await self._unit(number, unit))

        return await self._journal.stage(unit.name, act)

    async def _unit(self, number: int, unit: Unit) -> Done:
        began = time.monotonic()
        about: dict[str, Any] = {"step": unit.sentence, "stage": number}
        self._record.telling.tell(STEP, **about, state="started")
        await self._record.telling.kept()  # who was taken over learns it here: hosts have no fence
        try:
            done = await self._kind.perform(self._record, unit)
        except (ProblemError, ControllerError) as error:
            self._record.telling.tell(STEP, **about, state="failed", error=str(error))
            raise
        about["seconds"] = round(time.monotonic() - began, 3)
        if done.detail:
            about["told"] = done.detail
        self._record.telling.tell(STEP, **about, state="done")
        return done

    async def _fail(self, error: Exception) -> None:
        detail: dict[str, Any] = {"why": str(error), "undone": [], "kept": [], "stand": self._through}
        await self._record.close(FAILED, {**detail, "now": {}})


def _text(done: Done) -> str:
    return msgspec.json.encode(done).decode()
