"""What is kept of one run while it is carried out: its events, under the epoch of who carries it out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from causeway_controller.contract import requests
from causeway_controller.contract.run_events import (
    FAILED,
    FINISHED,
    LAST,
    SETTLED,
    STARTED,
    TAKEN_OVER,
    WAITING,
)
from causeway_controller.errors import ControllerError, StoreError, Superseded
from causeway_controller.inventory import modes
from causeway_controller.store.counters import Epochs
from causeway_controller.store.run_news import Entry, News, Stage
from causeway_controller.store.runs import Run, RunEvent, Runs, Taken
from causeway_controller.store.tenancies import Standing
from causeway_controller.store.together import Together
from causeway_controller.workflows.inherited import Inherited
from causeway_controller.workflows.telling import Telling, text
from causeway_wire.problem import ProblemError, ProblemType
from causeway_wire.types import Epoch

__all__ = ["FAILED", "FINISHED", "STARTED", "TAKEN_OVER", "Keeping", "Record"]

_PAGE: Final = 64
"""Runs that are read at once."""

_log = logging.getLogger(__name__)


class Keeping:
    """Where the runs of a controller keep what comes of them: who does at the same time does it at once."""

    def __init__(self, runs: Runs) -> None:
        self.entries: Together[Entry, int] = Together(runs.keep)
        """Raises the ProblemError of `Runs.keep_one`, StoreError."""
        self.stops: Together[str, bool] = Together(runs.to_stop)
        """Whether somebody asked that a run stop. Raises StoreError."""


class Record:
    """One run's, in this controller's hands. `epoch` is 0 until it was taken.

    It is the run's journal (`ports.Journal`): a stage is remembered in the transaction that keeps its event,
    under the epoch of who did it.
    """

    def __init__(
        self, asked: Run, *, runs: Runs, keeping: Keeping, epochs: Epochs, now: Callable[[], datetime]
    ) -> None:
        self.asked = asked
        self.epoch: Epoch = 0
        self.taken_over = False
        """Whether another controller began it."""
        self.telling = Telling(self._keep, now=now)
        self._runs = runs
        self._epochs = epochs
        self._now = now
        self._keeping = keeping
        self._stages: Mapping[str, str] = {}
        """Records of the stages that were through when it was taken."""

    async def take(self) -> Taken | None:
        """Be newer than everybody who carried it out before, and return what came of it under them.

        None when it is over. Raises StoreError.
        """
        taken = await asyncio.to_thread(self._runs.take, self.asked.id)
        if taken is not None:
            self.epoch, self._stages = taken.epoch, taken.stages
        return taken

    async def stage(self, name: str, act: Callable[[], Awaitable[str]]) -> str:
        """As `ports.Journal.stage`. Raises Superseded, StoreError."""
        known = self._stages.get(name)
        if known is not None:
            return known
        found = await act()
        self.telling.through(Stage(name=name, record=found))
        await self.telling.kept()
        return found

    async def stop_requested(self) -> bool:
        """As `ports.Journal.stop_requested`. Raises StoreError."""
        return await self._keeping.stops.ask(self.asked.id)

    async def inherited(self) -> Inherited:
        """Return what the failover before this run of the same tenant and host left behind.

        What is no failover is passed over, and so is what only published rules and went through. Raises
        StoreError.
        """
        skip = 0
        while found := await asyncio.to_thread(
            self._runs.ended_before, self.asked, LAST, skip=skip, most=_PAGE
        ):
            for request, last in found:
                if not _passed_over(request.encode(), last.kind):
                    return _left(last)
            skip += len(found)
        return Inherited()

    async def newer(self, accepted: Epoch) -> Epoch | None:
        """Take an epoch above what an appliance has accepted, unless another controller has the run: None.

        An appliance is ahead of all epochs of ours when the store was restored from a backup.
        """
        whose = (self.asked.tenant, self.asked.host)
        if await asyncio.to_thread(self._epochs.current, *whose) > self.epoch:
            return None
        await asyncio.to_thread(self._epochs.at_least, *whose, accepted)
        self.epoch = await asyncio.to_thread(self._epochs.take, *whose)
        return self.epoch

    async def ended(
        self, carry_on: Callable[[], Awaitable[None]], fail: Callable[[Exception], Awaitable[None]]
    ) -> None:
        """Carry on, and have the run fail by whatever that raises.

        Raises Superseded when another controller has taken it over, StoreError when nothing can be kept.
        """
        try:
            await carry_on()
        except (StoreError, Superseded):
            raise
        except ProblemError as error:
            self.refuse_superseded(error)
            await fail(error)
        except ControllerError as error:
            await fail(error)
        except Exception as error:  # noqa: BLE001 - the top of a run: whatever it was, the run ends
            _log.exception("a run ended by a defect", extra={"run": self.asked.id})
            await fail(error)

    def waits(self, why: str, seconds: float) -> None:
        """Tell that something is waited for, and until when at the latest."""
        until = self._now() + timedelta(seconds=seconds)
        self.telling.tell(WAITING, why=why, until=until.isoformat(timespec="seconds"))

    async def settle(self, mode: modes.Mode) -> None:
        """Keep that the tenant is in this mode while the run goes on. Raises Superseded, StoreError."""
        await self.telling.kept()
        await self._keep((self._news(SETTLED, {"mode": modes.members(mode)}),), left=Standing(mode=mode))

    async def close(self, kind: str, detail: dict[str, Any], left: Standing | None = None) -> None:
        """Keep the last event, with what the run left. Raises Superseded, StoreError."""
        await self.telling.kept()
        await self._keep((self._news(kind, detail),), left=left, ends=True)

    def _news(self, kind: str, detail: dict[str, Any]) -> News:
        return News(kind=kind, detail=text(detail), at=self._now())

    def refuse_superseded(self, error: ProblemError) -> None:
        """Raise Superseded when that is what the store or an appliance says."""
        if error.problem.type == ProblemType.STALE_EPOCH.urn:
            accepted = error.problem.epoch
            newest = accepted if isinstance(accepted, int) else self.epoch + 1
            raise Superseded(self.epoch, newest) from error

    async def _keep(self, news: Sequence[News], *, left: Standing | None = None, ends: bool = False) -> None:
        entry = Entry(run=self.asked.id, epoch=self.epoch, news=news, left=left, ends=ends)
        try:
            if ends:
                await asyncio.to_thread(self._runs.keep_one, entry)
            else:
                await self._keeping.entries.ask(entry)
        except ProblemError as error:
            self.refuse_superseded(error)
            raise
        for one in news:
            self._log(one.kind, msgspec.json.decode(one.detail))

    def _log(self, kind: str, told: Mapping[str, Any]) -> None:
        """Log an event of the run that was kept: where logs are gathered, a run is found by its name."""
        where = {"run": self.asked.id, "tenant": self.asked.tenant, "host": self.asked.host}
        level = logging.WARNING if kind == FAILED else logging.INFO
        _log.log(level, "run %s", kind, extra={**where, "stage": told.get("stage"), "told": told})


def _passed_over(request: bytes, ended: str) -> bool:
    """Whether a run that asked for this and ended so tells nothing of replicas and appliances."""
    if requests.chore(request) is not None:
        return True
    return ended == FINISHED and isinstance(requests.read(request), requests.Publish)


def _left(last: RunEvent) -> Inherited:
    told = msgspec.json.decode(last.detail, type=dict[str, Any])
    reached = frozenset(told.get("reached", ()))
    if last.kind == FAILED:
        return Inherited(kept=tuple(told.get("kept", ())), reached=reached | frozenset(told.get("stand", ())))
    return Inherited(reached=reached | frozenset(told.get("failures", ())))
