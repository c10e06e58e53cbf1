"""What a controller does by itself for the appliances: one of them does it, the first by name that lives.

Two may do it for a moment, when one of them comes or goes: everything here may be done twice.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, Protocol

from causeway_controller.inventory.health import Deployed
from causeway_controller.store.intentions import Revoked
from causeway_controller.store.leases import Leases
from causeway_controller.workflows.bringing_back import BringingBack
from causeway_controller.workflows.leases import Lease
from causeway_controller.workflows.renewal import Renewal
from causeway_controller.workflows.watch import Watch
from causeway_wire.types import ApplianceId

_PAUSE: Final = 1.0
_SHARE: Final = 0.1
"""Of the interval between two looks at an appliance, if that is shorter."""

_log = logging.getLogger(__name__)


class Care(Protocol):
    """Looks after something of what was just seen; `gateways.GatewayProvisioning` does, for one."""

    async def look(self, seen: Iterable[Deployed], in_charge: Callable[[], None]) -> None: ...


class Upkeep:
    """Goes round as long as this controller lives."""

    def __init__(
        self,
        *,
        lease: Lease,
        leases: Leases,
        watch: Watch,
        renewal: Renewal,
        bringing_back: BringingBack,
        cares: Iterable[Care],
        refresh: Callable[[], Awaitable[None]],
        revoked: Callable[[], Revoked],
        interval: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`refresh` is done by every controller once in an interval: it sees to its own certificate. When
        more are `revoked` than before it is done at once, and every appliance is asked where documents name
        them.
        """
        self._lease = lease
        self._leases = leases
        self._watch = watch
        self._renewal = renewal
        self._bringing_back = bringing_back
        self._cares = tuple(cares)
        self._refresh = refresh
        self._count_revoked = revoked
        self._revoked: Revoked | None = None
        self._interval = interval
        self._clock = clock
        self._refreshed = float("-inf")
        self._waiting: dict[ApplianceId, Deployed] = {}
        """Those that were seen since the cares began with others."""
        self._caring: asyncio.Task[None] | None = None
        self._pause = min(_PAUSE, interval * _SHARE)

    async def run(self) -> None:
        """Go round until cancelled. What fails is logged, and tried in the next round."""
        try:
            while True:
                try:
                    await self.look()
                except Exception:  # noqa: BLE001 - it is logged, and must not end
                    # One appliance, whatever it answers, must not end the care for all others.
                    _log.exception("upkeep failed; it goes on with the next round")
                await asyncio.sleep(self._pause)
        finally:
            if self._caring is not None:
                self._caring.cancel()
                await asyncio.gather(self._caring, return_exceptions=True)

    async def look(self) -> None:
        """Go round once. Raises StoreError, also what the cares of a round before raised.

        Cares speak to appliances for as long as minutes, and no appliance waits for them to be asked how it
        is: they go on beside the rounds, one after the other, with what was seen meanwhile.
        """
        self._lease.in_charge()
        before, self._revoked = self._revoked, await asyncio.to_thread(self._count_revoked)
        more = before is not None and before != self._revoked
        if before is not None and before.named != self._revoked.named:
            self._watch.hasten()
        if more or self._clock() >= self._refreshed + self._interval:
            self._refreshed = float("-inf")
            await self._refresh()
            self._refreshed = self._clock()
        alive = await asyncio.to_thread(self._leases.alive)
        if self._lease.name != min(alive, default=""):
            self._watch.rest()
            self._waiting = {}
            return
        seen = await self._watch.look()
        self._watch.roll.update(await self._renewal.look(seen, self._watch.roll))
        await self._bringing_back.look(seen, self._watch.roll)
        self._waiting |= {one.id: one for one in seen}
        if self._caring is None or self._caring.done():
            ended, self._caring = self._caring, asyncio.create_task(self._care(tuple(self._waiting.values())))
            self._waiting = {}
            if ended is not None:
                ended.result()

    async def cared(self) -> None:
        """Return when the cares are through with what they have. Raises StoreError."""
        if self._caring is not None:
            await self._caring

    async def _care(self, seen: Iterable[Deployed]) -> None:
        for care in self._cares:
            await care.look(seen, self._lease.in_charge)
