"""What a provider asks its tenant's controller for: begun where the tenant's policy allows it, or refused."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, Protocol

from causeway_controller.contract import tenant_routes
from causeway_controller.contract.halves import HalfOrder, Word
from causeway_controller.contract.production import Production
from causeway_controller.contract.requests import FailOver, Undo
from causeway_controller.contract.tenant import Starter
from causeway_controller.contract.tenant_view import AskedFailover, TenantResources
from causeway_controller.errors import ControllerError, StoreError
from causeway_controller.inventory import asked
from causeway_controller.inventory.health import Deployed
from causeway_controller.store.inventories import Inventories
from causeway_controller.store.links import Links
from causeway_controller.store.runs import Run
from causeway_controller.store.told import Told
from causeway_controller.workflows.providers import client_of
from causeway_wire.problem import ProblemError, ProblemType
from causeway_wire.types import Name, NetworkId, VmName

LOOK: Final = 2.0
"""Seconds between two looks at what was told."""

_log = logging.getLogger(__name__)


class Start(Protocol):
    """Starts a run; `runs.Runs.start` does."""

    async def __call__(
        self, request: FailOver | Undo, *, host: Name, actor: str, identifier: str | None = None
    ) -> Run: ...


class Obliging:
    """One controller's, of a tenant. At a provider's it finds nothing to do."""

    def __init__(
        self,
        *,
        inventories: Inventories,
        told: Told,
        resources: Callable[[Name], Awaitable[TenantResources]],
        links: Links,
        start: Start,
        is_open: Callable[[str], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`resources`: asks a provider anew, for what is asked no more is not begun; `is_open`: of a run."""
        self._inventories = inventories
        self._told = told
        self._resources = resources
        self._links = links
        self._start = start
        self._is_open = is_open
        self._clock = clock
        self._looked = float("-inf")
        self._met: set[str] = set()
        self._begun: dict[Name, tuple[Name, str]] = {}
        """Halves of runs that were begun and have not ended, as far as we know: the provider, the run."""

    async def look(self, seen: Iterable[Deployed], in_charge: Callable[[], None]) -> None:  # noqa: ARG002 - see `Care`
        """Begin or refuse what is asked for. Raises StoreError."""
        if self._clock() < self._looked + LOOK:
            return
        self._looked = self._clock()
        await self._tell_ended()
        for name, entry in await asyncio.to_thread(self._wanted):
            try:
                now = await self._resources(name)
                for one in now.asked:
                    if one.run not in self._met:
                        in_charge()
                        await self._meet(name, entry, now, one)
                        self._met.add(one.run)
            except StoreError:
                raise
            except (ControllerError, ProblemError) as error:
                _log.warning("provider's asking not met", extra={"provider": name, "reason": str(error)})

    async def _tell_ended(self) -> None:
        """Say of a run that is over that its half will not be opened any more: it may have ended before that.
        Of one that was opened the provider knows better, and hears no such order.
        """
        for half, (provider, run) in tuple(self._begun.items()):
            if await asyncio.to_thread(self._is_open, run):
                continue
            try:
                await self._refuse(provider, half)
            except StoreError:
                raise
            except ControllerError as error:
                _log.info("provider not told yet", extra={"provider": provider, "reason": str(error)})
                continue
            except ProblemError as error:
                if error.problem.type != ProblemType.STALE_EPOCH.urn:
                    _log.warning("provider not told", extra={"provider": provider, "reason": str(error)})
            del self._begun[half]

    def _wanted(self) -> tuple[tuple[Name, Production | None], ...]:
        """The providers that ask for something new, with what of theirs is in this inventory. At a provider's
        own the large inventory is not read.
        """
        asking = {
            name
            for name, one in self._told.all().items()
            if any(each.run not in self._met for each in one.asked)
        }
        if not asking:
            return ()
        entries = {one.id: one for one in self._inventories.load().inventory.production}
        return tuple((name, entries.get(name)) for name in sorted(asking))

    async def _meet(
        self, provider: Name, entry: Production | None, told: TenantResources, one: AskedFailover
    ) -> None:
        where = {view.vm: view.network for view in told.replicas}
        networks: dict[NetworkId, set[VmName]] = {}
        for vm in one.vms:
            if vm in where:
                networks.setdefault(where[vm], set()).add(vm)
        for network, vms in networks.items():
            half = asked.half(one.run, network, end=one.end)
            if entry is None or not _lets(entry, network):
                _log.warning("refused to the provider", extra={"provider": provider, "asked": one.run})
                await self._refuse(provider, half)
            else:
                await self._begin(entry, one, network, frozenset(vms))

    async def _begin(
        self, entry: Production, one: AskedFailover, network: NetworkId, vms: frozenset[VmName]
    ) -> None:
        request = Undo(tenant=entry.tenant, vms=vms) if one.end else FailOver(tenant=entry.tenant, vms=vms)
        about = {"provider": entry.id, "network": network, "vms": sorted(vms), "asked": one.run}
        half = asked.half(one.run, network, end=one.end)
        name = asked.run(one.run, network)
        try:
            await self._start(request, host=network, actor=f"provider {entry.id}", identifier=name)
        except StoreError:
            raise
        except (ControllerError, ProblemError) as error:
            _log.warning("refused to the provider", extra={**about, "reason": str(error)})
            await self._refuse(entry.id, half)
        else:
            self._begun[half] = (entry.id, name)
            _log.warning("begun for the provider", extra={**about, "why": one.reason})

    async def _refuse(self, provider: Name, half: Name) -> None:
        """Say that the half will never be opened: of the first epoch, before which no run is."""
        order = HalfOrder(epoch=0, word=Word.TAKE_BACK)
        async with client_of(await asyncio.to_thread(self._links.get, provider)) as client:
            await client.ask(tenant_routes.ORDER_HALF, {"half": half}, body=order)


def _lets(entry: Production, network: NetworkId) -> bool:
    """Whether this provider may begin failovers of the network, which must be one that it extends: what it
    tells of its replicas is its own word, and a network of another provider's has that one's policy.
    """
    own = {one.id for one in entry.networks}
    return network in own and Starter.PROVIDER in entry.partial_failover_by
