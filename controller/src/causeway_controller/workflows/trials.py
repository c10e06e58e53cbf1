"""An appliance whose new system is on trial takes no document yet: a failover waits until it does.

What takes it then is either system, the new one that proved good or the one before, which starts again when
the new one did not: so silence is waited out, too.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from msgspec import structs

from causeway_controller.errors import AgentUnreachable
from causeway_controller.workflows.timing import Timing
from causeway_wire.problem import ProblemError, ProblemType

Answer = TypeVar("Answer")


async def outlast(
    act: Callable[[], Awaitable[Answer]],
    *,
    timing: Timing,
    stop_requested: Callable[[], Awaitable[bool]],
    waits: Callable[[str, float], None],
) -> Answer:
    """Return what `act` returns, acting again while the appliance is on trial, and while it restarts from it.

    `waits` is told once why it is waited, and for how many seconds at most. Raises what `act` raises: of a
    trial only after `timing.trial` seconds, and when the run is to stop.
    """
    until, on_trial, told = time.monotonic() + timing.trial, False, False
    while True:
        try:
            return await act()
        except AgentUnreachable:
            if not on_trial or time.monotonic() >= until or await stop_requested():
                raise
        except ProblemError as error:
            on_trial = error.problem.type == ProblemType.UPDATE_IN_PROGRESS.urn
            if not on_trial or await stop_requested():
                raise
            if time.monotonic() >= until:
                raise _told(error, timing.trial) from error
            if not told:
                waits(error.problem.detail, timing.trial)
                told = True
        await asyncio.sleep(timing.longest_poll)


def _told(refusal: ProblemError, seconds: float) -> ProblemError:
    """The refusal, with what to do."""
    found = refusal.problem
    detail = (
        f"{found.detail}; that was waited for, {seconds:.0f} s long: ask again once the update has ended, or "
        "redeploy the appliance"
    )
    return ProblemError(structs.replace(found, detail=detail))
