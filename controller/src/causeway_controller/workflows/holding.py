"""Holds the provider's half of a failover that a tenant's controller leads, until that says how it ends.

The tenant's appliance is applied within this half: its deadline ends before the one of the provider's
appliance, which is moved on as the tenant's controller asks. So when that falls silent, the provider's
appliance goes back by itself, after the tenant's did.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from causeway_controller.contract.halves import HOLD_SECONDS, Word
from causeway_controller.errors import ControllerError, HalfGone
from causeway_controller.store.half import Half
from causeway_controller.workflows.acting import Awaited, Run
from causeway_controller.workflows.ports import Agents, Words
from causeway_controller.workflows.shared_looks import SharedLook
from causeway_controller.workflows.timing import Timing
from causeway_wire.change import ChangeState
from causeway_wire.problem import ProblemError, ProblemType
from causeway_wire.types import ApplianceId

_LOOK_SECONDS: Final = 1.0
"""Until the first question whether the appliance still holds it; each pause after that is twice as long."""
_LONGEST_LOOK_SECONDS: Final = 8.0
"""An appliance that restarts goes back before its deadline: it refuses every order, and only who waits for
one would hear of it later. A thousand halves that are held are a thousand questions each time.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """Waits for words, and for the appliance to go back."""

    words: Words | None
    looks: SharedLook[Mapping[str, Half]] | None
    """At the words of all halves that are open, for all that wait."""
    agents: Agents
    timing: Timing
    in_charge: Callable[[], None]

    async def until_told(self, run: Run, appliance: ApplianceId) -> None:
        """Hold what the appliance awaits; return when it is to be kept. Raises HalfGone when not."""
        awaited = run.awaiting.get(appliance)
        if self.words is None or awaited is None:
            raise ControllerError(f"nothing of {appliance} is held for anybody")
        await asyncio.to_thread(self.words.hold, run.id)
        looked = began = time.monotonic()
        pause = _LOOK_SECONDS
        while True:
            half = await self._heard(run)
            if half.word is Word.KEEP:
                return
            _refuse_over(half)
            if half.asked > half.given:
                await self._extend(run, appliance, half)
            elif time.monotonic() - looked >= pause:
                looked = time.monotonic()
                if await self._gone_back(run, appliance):
                    raise HalfGone("the tenant's half did not come in time, and the appliance went back")
                if looked > max(run.awaiting[appliance].until, began + HOLD_SECONDS) + self.timing.courtesy:
                    raise HalfGone(f"neither the tenant's controller nor {appliance} was heard for long")
                pause = _next_pause(pause, left=run.awaiting[appliance].until - time.monotonic())
            await self._until_heard(run, half, seconds=looked + pause - time.monotonic())

    async def let_go(self, run: Run, appliance: ApplianceId) -> None:
        """Return once nothing at the tenant's site relies on the appliance any more.

        Nobody there confirmed anything: that waits for the end of this run. So it is so when the tenant's
        controller says it, when the appliance went back by itself, and when the longest hold is over. A full
        failover that takes its place asks nobody at that site.
        """
        deadline = time.monotonic() + HOLD_SECONDS + self.timing.courtesy
        while time.monotonic() < deadline:
            half = await self._said(run)
            over = half.word is Word.TAKE_BACK or half.overtaken or not half.held
            if over or await self._gone_back(run, appliance):
                return
            await asyncio.sleep(self.timing.longest_poll)

    async def overtake(self, run: str) -> bool:
        """Have it end for a full failover; False when how it ends was said already. Raises StoreError."""
        return self.words is not None and await asyncio.to_thread(self.words.overtake, run)

    async def _heard(self, run: Run) -> Half:
        """As `_said`, a moment ago."""
        open_: Mapping[str, Half] = {} if self.looks is None else await self.looks.now()
        return open_[run.id] if run.id in open_ else await self._said(run)

    async def _until_heard(self, run: Run, before: Half, *, seconds: float) -> None:
        """Wait until something else may have been said, or so many seconds."""
        pause = self.timing.longest_poll / 2
        if self.looks is None or seconds < pause:
            await asyncio.sleep(pause)
        else:
            await self.looks.until(lambda opened: opened.get(run.id) != before, seconds=seconds)

    async def _said(self, run: Run) -> Half:
        found = None if self.words is None else await asyncio.to_thread(self.words.of_run, run.id)
        if found is None:
            raise HalfGone("no tenant's controller leads it")
        return found

    async def _extend(self, run: Run, appliance: ApplianceId, half: Half) -> None:
        """Never shorten what was promised: an order may come twice, and late."""
        awaited, now = run.awaiting[appliance], time.monotonic()
        promised = HOLD_SECONDS if awaited.until == 0.0 else math.ceil(awaited.until - now)
        seconds = max(half.seconds, promised)
        self.in_charge()
        try:
            await self.agents(appliance).extend(awaited.change, seconds=seconds, epoch=run.epoch)
        except ProblemError as error:
            if error.problem.type == ProblemType.STALE_EPOCH.urn:
                raise
            raise HalfGone(f"{appliance} holds it no more: {error.problem.detail}") from error
        run.awaiting[appliance] = replace(awaited, until=now + seconds)
        assert self.words is not None  # noqa: S101 - it said so
        await asyncio.to_thread(self.words.give, run.id, half.asked)

    async def _gone_back(self, run: Run, appliance: ApplianceId) -> bool:
        """Whether the appliance took its change back by itself; False also when it does not answer."""
        awaited: Awaited | None = run.awaiting.get(appliance)
        if awaited is None:
            return False
        try:
            async with asyncio.timeout(self.timing.courtesy):
                change = await self.agents(appliance).change(awaited.change)
        except (ControllerError, ProblemError, TimeoutError):
            return False
        return change.final and change.state is not ChangeState.DONE


def _next_pause(pause: float, *, left: float) -> float:
    """Return the seconds until the appliance is asked again that goes back in `left` seconds by itself."""
    return max(min(2 * pause, _LONGEST_LOOK_SECONDS, left), _LOOK_SECONDS)


def _refuse_over(half: Half) -> None:
    """Raises HalfGone when it is to be taken back."""
    if half.word is Word.TAKE_BACK:
        raise HalfGone("the tenant's controller took it back")
    if half.overtaken:
        raise HalfGone("a full failover takes its place")
    if half.stop:
        raise HalfGone("somebody asked that the run stop")
