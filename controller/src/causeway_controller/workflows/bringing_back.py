"""Begins the rebuild of appliances and gateways that were just seen to be dead, where that is safe."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from msgspec import UNSET

from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.requests import Rebuild, RebuildGateway
from causeway_controller.errors import ControllerError
from causeway_controller.inventory import appliances, production, rebuilding
from causeway_controller.inventory.book import index
from causeway_controller.inventory.health import NOBODY, Deployed, Power
from causeway_controller.inventory.rebuilding import Attempt, Surroundings
from causeway_controller.store.audit import Act, Audit
from causeway_controller.store.inventories import Inventories
from causeway_controller.store.rebuilds import Rebuilds
from causeway_controller.store.runs import Run
from causeway_controller.workflows.watch import powered
from causeway_wire.problem import ProblemError
from causeway_wire.types import ApplianceId, Name, TenantId

_log = logging.getLogger(__name__)


class Chores(Protocol):
    """Starts what is no failover; `runs.Runs` does."""

    async def start_chore(
        self, request: Rebuild | RebuildGateway, *, tenant: TenantId | None, host: Name | None, actor: str
    ) -> Run: ...


class BringingBack:
    """One controller's; how often it was done is asked of the store each time."""

    def __init__(
        self,
        *,
        runs: Chores,
        rebuilds: Rebuilds,
        inventories: Inventories,
        audit: Audit,
        power: Callable[[Deployed], Awaitable[Power]],
        now: Callable[[], datetime],
        interval: float,
        actor: Name,
        patience: float = 1.0,
    ) -> None:
        """`interval`: seconds between two looks at an appliance; `patience`: as of `Surroundings`."""
        self._runs = runs
        self._rebuilds = rebuilds
        self._inventories = inventories
        self._audit = audit
        self._power = power
        self._now = now
        self._interval = timedelta(seconds=interval)
        self._actor = actor
        self._patience = patience

    async def look(self, seen: Iterable[Deployed], roll: Mapping[ApplianceId, Deployed]) -> None:
        """Begin what is due among those that were just looked at. Raises StoreError."""
        dead = [one for one in seen if rebuilding.dead(one)]
        if not dead:
            return
        stored = await asyncio.to_thread(self._inventories.load)
        ways = _ways(stored.inventory)
        hosts = index(stored.inventory).hosts
        attempts = await asyncio.to_thread(self._rebuilds.since, self._now() - rebuilding.WINDOW)
        retired = await asyncio.to_thread(self._rebuilds.retired)
        for one in dead:
            if (one.tenant, one.host) in retired:
                continue  # somebody wanted it away, and goes on with that
            way = ways.get((one.tenant, one.host))
            if way is None or way.host not in hosts:
                continue  # the inventory needs it no longer
            around = Surroundings(
                policy=hosts[way.host].rebuild,
                neighbours=tuple(each for each in roll.values() if ways.get((each.tenant, each.host)) == way),
                attempts=rebuilding.recent(attempts, way.host, now=self._now()),
                now=self._now(),
                interval=self._interval,
                patience=self._patience,
            )
            if (cause := rebuilding.due(one, around)) and rebuilding.agrees(
                one, await powered(self._power, one)
            ):
                attempts = (*attempts, *await self._begin(one, way.host, cause))

    async def _begin(self, one: Deployed, on: Name, cause: str) -> tuple[Attempt, ...]:
        request = (
            RebuildGateway(gateway=one.id, host=on, cause=cause)
            if one.gateway
            else Rebuild(tenant=one.tenant, cause=cause, on=UNSET if one.host == on else on)
        )
        try:
            run = await self._runs.start_chore(request, tenant=one.tenant, host=one.host, actor=self._actor)
        except (ProblemError, ControllerError) as error:
            _log.warning("appliance not brought back", extra={"appliance": one.id, "reason": str(error)})
            return ()
        act = Act(
            at=self._now(), actor=self._actor, action="appliance.rebuild", subject=one.subject, detail=cause
        )
        await asyncio.to_thread(self._audit.append, act)
        _log.warning("appliance is brought back", extra={"appliance": one.id, "run": run.id, "cause": cause})
        return (Attempt(run=run.id, tenant=one.tenant, host=one.host, on=on, at=run.at, open=True),)


@dataclass(frozen=True, slots=True)
class _Way:
    """What an appliance is reached through: its host, and the network that it is managed over."""

    host: Name
    network: str


def _ways(inventory: Inventory) -> dict[tuple[TenantId, Name], _Way]:
    """The way to each appliance and gateway that the inventory needs, by tenant and place."""
    needed = appliances.needed(inventory)
    theirs = {(one.tenant, one.host): _Way(one.host, one.uplink.network) for one in needed}
    gateways = {(NOBODY, one.id): _Way(one.host, one.inside_network) for one in inventory.gateways}
    ours = {
        (one.tenant, one.network.id): _Way(one.appliance.host, one.appliance.network)
        for one in production.places(inventory)
    }
    return theirs | gateways | ours
