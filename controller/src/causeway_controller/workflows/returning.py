"""A tenant's site that returns while its provider has failed it over as a whole: it is put to idle.

Before it was lost, its appliances answered for some of its VMs. Nobody serves these through a tunnel now:
what reached an appliance would end there.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from causeway_controller.contract.requests import Undo
from causeway_controller.contract.tenant_view import TenantResources
from causeway_controller.errors import ControllerError, StoreError
from causeway_controller.inventory import production
from causeway_controller.inventory.health import Deployed
from causeway_controller.inventory.production import Place
from causeway_controller.store.inventories import Inventories
from causeway_controller.store.runs import Run
from causeway_controller.store.tenancies import Standings
from causeway_controller.store.told import Told
from causeway_wire.problem import ProblemError
from causeway_wire.types import ApplianceId, Name, VmName

PAUSE: Final = 60.0
"""Seconds between the first two attempts for one network, doubled from each to the next one up to `LONGEST`:
each attempt may be a run, which is kept for ever.
"""
LONGEST: Final = 3600.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tried:
    """How often it was tried for a network, and when it is tried again."""

    times: int
    again: float


_NEVER: Final = _Tried(times=0, again=float("-inf"))


class Starting(Protocol):
    """Starts runs; `runs.Runs` does."""

    async def start(self, request: Undo, *, host: Name, actor: str) -> Run: ...


class Returning:
    """One controller's, of a tenant. At a provider's it finds nothing to do."""

    def __init__(
        self,
        *,
        inventories: Inventories,
        standings: Standings,
        told: Told,
        resources: Callable[[Name], Awaitable[TenantResources]],
        runs: Starting,
        actor: Name,
        interval: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`interval`: seconds between two looks; `resources` asks a provider anew: what was told may be
        older than the end of its full failover, and a failover that was begun here since.
        """
        self._inventories = inventories
        self._standings = standings
        self._told = told
        self._resources = resources
        self._runs = runs
        self._actor = actor
        self._interval = interval
        self._clock = clock
        self._looked = float("-inf")
        self._tried: dict[ApplianceId, _Tried] = {}
        self._silent: set[ApplianceId] = set()
        """Those that did not answer when they were looked at last."""

    async def look(self, seen: Iterable[Deployed], in_charge: Callable[[], None]) -> None:
        """Begin to end what a provider has taken over, at once where an appliance answers again. Raises
        StoreError.
        """
        for one in seen:
            if one.seen is None or one.seen != one.asked:
                self._silent.add(one.id)
            elif one.id in self._silent:
                self._silent.discard(one.id)
                self._tried.pop(one.id, None)
        if self._clock() < self._looked + self._interval:
            return
        self._looked = self._clock()
        overtaken = await asyncio.to_thread(lambda: tuple(self._overtaken()))
        self._tried = {place.id: self._tried.get(place.id, _NEVER) for place, _ in overtaken}
        for place, vms in overtaken:
            before = self._tried[place.id]
            if self._clock() >= before.again:
                pause = min(PAUSE * 2**before.times, LONGEST)
                self._tried[place.id] = _Tried(times=before.times + 1, again=self._clock() + pause)
                in_charge()
                await self._end(place, vms)

    def _overtaken(self) -> Iterator[tuple[Place, frozenset[VmName]]]:
        told = self._told.all()
        if not any(one.failovers for one in told.values()):
            return  # a provider's inventory is large, and there is nothing to look for in it
        for place in production.places(self._inventories.load().inventory):
            mode = self._standings.get(place.tenant, place.network.id).mode
            if vms := production.overtaken(mode, told.get(place.production.id)):
                yield place, vms

    async def _end(self, place: Place, vms: frozenset[VmName]) -> None:
        told = {"tenant": place.tenant, "network": place.network.id, "vms": sorted(vms)}
        try:
            now = await self._resources(place.production.id)
            standing = await asyncio.to_thread(self._standings.get, place.tenant, place.network.id)
            if production.overtaken(standing.mode, now) != vms:
                return  # it is looked at again
            run = await self._runs.start(
                Undo(tenant=place.tenant, vms=vms), host=place.network.id, actor=self._actor
            )
        except StoreError:
            raise
        except (ControllerError, ProblemError) as error:
            _log.warning(
                "failed over as a whole, and not ended here yet", extra={**told, "reason": str(error)}
            )
        else:
            _log.warning("failed over as a whole: ended here", extra={**told, "run": run.id})
