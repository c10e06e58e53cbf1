"""Carries out what a run does with the other site's controller: at the tenant's the provider's half, at the
provider's what is held for the tenant's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from causeway_controller.errors import ControllerError, HalfGone
from causeway_controller.failover.steps import AskHalf, AwaitTenant, CloseHalf, LetGo, OpenHalf
from causeway_controller.workflows.acting import Awaited, Run
from causeway_controller.workflows.holding import Holding
from causeway_controller.workflows.ports import Half, Halves
from causeway_wire.types import ApplianceId, ChangeId

_STOP_SECONDS: Final = 2.0
"""Between two looks whether somebody asked that the run stop, while the provider prepares its half."""

Shared = AwaitTenant | LetGo | OpenHalf | AskHalf | CloseHalf


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherSite:
    """One controller's."""

    halves: Halves
    holding: Holding

    async def act(self, run: Run, action: Shared) -> bool:
        """Carry out one action; whether it changed anything. Raises ProblemError, ControllerError."""
        match action:
            case AwaitTenant():
                await self.holding.until_told(run, action.appliance)
            case LetGo():
                await self.holding.let_go(run, action.appliance)
            case OpenHalf():
                await self._open(run, action)
            case AskHalf():
                await self._half(run, action.half).check(
                    action.host, action.vms, ending=action.ending, epoch=run.epoch
                )
                return False
            case CloseHalf():
                return await self._close(run, action)
        return True

    async def _open(self, run: Run, action: OpenHalf) -> None:
        """Until when it is held, nobody here knows: it is held on before anything relies on it.

        It may be prepared for long, a hook for hours: that ends when somebody asks that the run stop.
        """
        half = self._half(run, action.half)
        opening = half.open(action.host, action.vms, end_full=action.end_full, epoch=run.epoch)
        opened = await _unless_stopped(opening, run.stop_requested)
        run.awaiting[action.half] = Awaited(change=opened)

    async def _close(self, run: Run, action: CloseHalf) -> bool:
        run.awaiting.pop(action.half, None)
        half, ending = self._half(run, action.half), action.ending
        return await half.close(action.host, action.vms, opened=action.opened, ending=ending, epoch=run.epoch)

    def _half(self, run: Run, name: ApplianceId) -> Half:
        found = self.halves(name, run.id)
        if found is None:
            raise ControllerError(f"no provider's controller is known as {name}; join it")
        return found


async def _unless_stopped(
    opening: Awaitable[ChangeId], stop_requested: Callable[[], Awaitable[bool]]
) -> ChangeId:
    """Return what opens a half. Raises what it raises; HalfGone soon after somebody asked that the run stop.

    A question that the provider answers late is given up: what it has begun it is told to take back.
    """
    asked = asyncio.ensure_future(opening)
    try:
        while True:
            done, _ = await asyncio.wait({asked}, timeout=_STOP_SECONDS)
            if done:
                return asked.result()
            if await stop_requested():
                raise HalfGone("somebody asked that the run stop")
    finally:
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
