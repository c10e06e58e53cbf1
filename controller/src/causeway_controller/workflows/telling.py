"""What a run tells while it goes on: kept in the background, what came together in one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from causeway_controller.contract.run_events import STAGE, STEP
from causeway_controller.failover.events import Event
from causeway_controller.failover.steps import Action, MachineKind, Power, Ready
from causeway_controller.store.run_news import News, Stage

_GATHERING: Final = 0.05
"""Seconds that news wait for more: a transaction costs more than a row."""


class Telling:
    """News of one run on their way to the store, in their order."""

    def __init__(
        self, keep: Callable[[Sequence[News]], Awaitable[None]], *, now: Callable[[], datetime]
    ) -> None:
        self._keep = keep
        self._now = now
        self._news: list[News] = []
        self._hurry = asyncio.Event()
        self._keeping: asyncio.Task[None] | None = None

    def tell(self, kind: str, **members: Any) -> None:
        """Have this kept soon; `members` are JSON values."""
        self._add(News(kind=kind, detail=text(members), at=self._now()))

    def through(self, stage: Stage) -> None:
        """Tell that a stage is through, and have it remembered with that."""
        told = text({"stage": stage.name})
        self._add(News(kind=STAGE, detail=told, at=self._now(), through=stage))

    def _add(self, news: News) -> None:
        self._news.append(news)
        if self._keeping is None:
            self._hurry.clear()
            self._keeping = asyncio.create_task(self._gather())

    def step(self, event: Event) -> None:
        """Tell how far a step is."""
        members: dict[str, Any] = {"step": event.step.sentence, "stage": event.step.stage}
        members["state"] = event.state.value
        if event.step.seed is not None:
            members["seed"] = event.step.seed
        members |= _about(event.step.action)
        if event.seconds:
            members["seconds"] = round(event.seconds, 3)
        if event.error is not None:
            members["error"] = str(event.error)
        self.tell(STEP, **members)

    async def kept(self) -> None:
        """Return when all that was told is kept; raises what `keep` raised."""
        while self._keeping is not None:
            self._hurry.set()
            await asyncio.shield(self._keeping)

    async def _gather(self) -> None:
        try:
            try:
                async with asyncio.timeout(_GATHERING):
                    await self._hurry.wait()
            except TimeoutError:
                pass
            while self._news:
                news, self._news = self._news, []
                await self._keep(news)
        finally:
            self._keeping = None


def _about(action: Action) -> dict[str, str]:
    """Which VM the step is about, and what it does to its replica: what a report goes by."""
    match action:
        case Power(machine=machine, on=on) if machine.kind is MachineKind.REPLICA:
            return {"vm": machine.name, "does": "start" if on else "stop"}
        case Ready(machine=machine):
            return {"vm": machine.name, "does": "wait"}
        case _:
            return {}


def text(members: dict[str, Any]) -> str:
    """Return canonical JSON."""
    return msgspec.json.encode(members, order="deterministic").decode()
