"""Looks after runs whose controller died: by level, again and again: to die in between loses nothing."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from causeway_controller.errors import ControllerError
from causeway_controller.store.leases import Leases
from causeway_controller.workflows.leases import Lease
from causeway_controller.workflows.ports import Engine
from causeway_controller.workflows.runs import Runs

KEPT: Final = timedelta(days=1)
"""How long the engine remembers runs that are over; what came of them is kept for ever, by the store."""
_FORGETS: Final = 3600.0
"""Seconds between two times that it forgets."""
_ROUNDS: Final = 4
"""In the time of a lease."""

_log = logging.getLogger(__name__)


class Guardian:
    """Has this controller carry on what those left that live no more."""

    def __init__(
        self,
        *,
        lease: Lease,
        leases: Leases,
        engine: Engine,
        runs: Runs,
        now: Callable[[], datetime],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock`: seconds that only grow."""
        self._lease = lease
        self._leases = leases
        self._engine = engine
        self._runs = runs
        self._now = now
        self._clock = clock
        self._forgets_at = float("-inf")

    async def run(self) -> None:
        """Go round until cancelled. What fails is logged, and tried in the next round."""
        while True:
            try:
                await self.look()
            except ControllerError as error:
                _log.warning("runs of dead controllers are not looked after: %s", error)
            await asyncio.sleep(self._lease.seconds / _ROUNDS)

    async def look(self) -> None:
        """Go round once. Raises StoreError."""
        self._lease.in_charge()
        alive = await asyncio.to_thread(self._leases.alive)
        adopted = await self._engine.adopt(alive)
        if adopted:
            _log.warning("carries on %d runs of controllers that are gone", adopted)
        await self._runs.resubmit(after=self._lease.seconds)
        if self._clock() >= self._forgets_at:
            self._forgets_at = self._clock() + _FORGETS
            forgotten = await self._runs.forget(self._now() - KEPT)
            if forgotten:
                _log.info("the engine forgot %d runs that are over", forgotten)
