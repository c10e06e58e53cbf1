"""Certificates of tunnels, renewed when two thirds of their life are over, without anybody's asking; and what
was revoked, refused by every appliance that may be shown it.

A provider's controller renews those of the servers on its appliances; a tenant's has those of the clients on
its own signed by the provider. Each looks at its own only, and an appliance gets its document with them.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from typing import Final

from causeway_controller.contract.appliances import Condition
from causeway_controller.errors import ControllerError, StoreError
from causeway_controller.inventory.health import Deployed
from causeway_controller.store.audit import Act, Audit
from causeway_wire.problem import ProblemError
from causeway_wire.types import ApplianceId, Name, TenantId

CHECK: Final = 3600.0
"""Seconds between two looks at the certificates of one appliance's tunnels, which live for months."""
SOON: Final = 15.0
"""As `CHECK`, of an appliance that is not what it should be: it may take what was revoked for good."""
AGAIN: Final = 300.0
"""After one that failed: a run is open, or the provider does not answer."""
AT_ONCE: Final = 8
"""Appliances: one that hangs must not keep the others from theirs."""
_SECONDS: Final = 120.0
_BEHIND: Final = frozenset({Condition.OUTDATED, Condition.DEGRADED})

_log = logging.getLogger(__name__)


class TunnelRenewal:
    """One controller's; of what is begun and not ended another one is told by the appliance's condition."""

    def __init__(
        self,
        *,
        due: Callable[[TenantId, Name], Awaitable[bool]],
        conform: Callable[[TenantId, Name], Awaitable[None]],
        revoked: Callable[[], int],
        audit: Audit,
        now: Callable[[], datetime],
        actor: Name,
        clock: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = random.random,
    ) -> None:
        """`due`, `conform`: as `provisioning.Provisioning` has them. `random`, from 0 to 1, spreads the first
        looks after a start: thousands of appliances answer in its first seconds. When more are `revoked`
        than before everybody's turn comes: an idle appliance does not show that an end of it is without.
        """
        self._due = due
        self._conform = conform
        self._count_revoked = revoked
        self._revoked: int | None = None
        self._audit = audit
        self._now = now
        self._actor = actor
        self._clock = clock
        self._random = random
        self._next: dict[ApplianceId, float] = {}
        self._soon: dict[ApplianceId, float] = {}
        self._begun: set[ApplianceId] = set()
        """Those whose certificates may be new while their documents are not: then nothing is due any more."""

    async def look(self, seen: Iterable[Deployed], in_charge: Callable[[], None]) -> None:
        """Renew what is due on those that just answered, some at once. Raises StoreError."""
        before, self._revoked = self._revoked, await asyncio.to_thread(self._count_revoked)
        if before not in {None, self._revoked}:
            self._next = dict.fromkeys(self._next, self._clock())
        room = asyncio.Semaphore(AT_ONCE)
        cared = [self._care(one, in_charge, room) for one in seen if self._turn(one)]
        for ended in await asyncio.gather(*cared, return_exceptions=True):
            if isinstance(ended, BaseException):
                raise ended

    def _turn(self, one: Deployed) -> bool:
        if one.gateway or one.seen is None or one.seen != one.asked:
            return False
        now = self._clock()
        at = self._next.setdefault(one.id, now + CHECK * self._random())
        if one.condition in _BEHIND:
            at = min(at, self._soon.get(one.id, now))
        return now >= at

    async def _care(self, one: Deployed, in_charge: Callable[[], None], room: asyncio.Semaphore) -> None:
        async with room:
            await self._renew(one, in_charge)

    async def _renew(self, one: Deployed, in_charge: Callable[[], None]) -> None:
        self._next[one.id], self._soon[one.id] = self._clock() + CHECK, self._clock() + SOON
        try:
            async with asyncio.timeout(_SECONDS):
                if one.id not in self._begun and not await self._due(one.tenant, one.host):
                    return
                in_charge()
                self._begun.add(one.id)
                await self._conform(one.tenant, one.host)
                self._begun.discard(one.id)
        except StoreError:
            raise
        except (ControllerError, ProblemError, TimeoutError) as error:
            self._next[one.id] = self._clock() + AGAIN
            _log.warning("tunnels not renewed", extra={"appliance": one.id, "reason": str(error)})
            return
        _log.info("tunnels renewed", extra={"appliance": one.id})
        act = Act(at=self._now(), actor=self._actor, action="tunnel.renew", subject=one.subject)
        await asyncio.to_thread(self._audit.append, act)
