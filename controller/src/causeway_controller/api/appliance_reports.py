"""Deployed appliances as they are told: to who lists them, as troubles, as counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from msgspec import UNSET

from causeway_controller.contract.appliances import ApplianceReport, Condition
from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.runs import RunId
from causeway_controller.contract.status import Trouble
from causeway_controller.inventory import health, production, rebuilding
from causeway_controller.inventory.book import Book, index
from causeway_controller.inventory.health import Deployed
from causeway_controller.inventory.rebuilding import Attempt
from causeway_controller.store.appliances import Appliances
from causeway_controller.store.inventories import Inventories
from causeway_controller.store.rebuilds import Rebuilds
from causeway_wire.types import Name, TenantId

_INTERVALS: Final = 4
_SLACK: Final = timedelta(seconds=60)
"""Not to have asked for so many intervals and this is a trouble: another controller may have taken over."""


@dataclass(frozen=True, slots=True)
class _Lately:
    """What was rebuilt of late or failed to be retired, and where; read once for all that is told."""

    attempts: tuple[Attempt, ...]
    retired: Mapping[tuple[TenantId, Name], RunId]
    inventory: Inventory
    names: Book

    def host(self, one: Deployed) -> Name:
        """That its machine is on."""
        if one.gateway:
            entry = self.names.gateways.get(one.id)
            return "" if entry is None else entry.host
        place = production.find(self.inventory, one.tenant, one.host)
        return one.host if place is None else place.appliance.host


class AppliancesTold:
    """What the store knows of them, in words of now."""

    def __init__(
        self,
        appliances: Appliances,
        rebuilds: Rebuilds,
        inventories: Inventories,
        *,
        now: Callable[[], datetime],
        interval: float,
        restart: timedelta = health.RESTART,
    ) -> None:
        """`interval`: seconds between two looks at an appliance; `restart`: for one that is updated."""
        self._appliances = appliances
        self._rebuilds = rebuilds
        self._inventories = inventories
        self._now = now
        self._restart = restart
        self._patience = timedelta(seconds=interval * _INTERVALS) + _SLACK

    def all(self, tenant: TenantId | None) -> tuple[Deployed, ...]:
        """Those of one tenant, or all. Raises StoreError."""
        return self._appliances.all(tenant)

    def counts(self) -> Mapping[Condition, int]:
        """How many there are of each condition. Raises StoreError."""
        found = Counter(one.condition for one in self._appliances.all())
        return {condition: found[condition] for condition in Condition}

    def troubles(self, deployed: Iterable[Deployed]) -> tuple[Trouble, ...]:
        """What is wrong with them and what becomes of it, the worst first. Raises StoreError."""
        found = health.troubles(deployed, now=self._now(), patience=self._patience, restart=self._restart)
        lately = self._lately(one.appliance for one in found) if found else None
        return tuple(
            Trouble(
                subject=one.subject,
                detail=self._with_remedy(one.detail, one.appliance, lately),
                since=one.appliance.since or UNSET,
            )
            for one in found
        )

    def reports(self, tenant: TenantId | None) -> tuple[ApplianceReport, ...]:
        """Those of one tenant, or all, the worst first. Raises StoreError."""
        found = sorted(self._appliances.all(tenant), key=health.rank)
        lately = self._lately(found)
        return tuple(self._report(one, lately) for one in found)

    def _lately(self, deployed: Iterable[Deployed]) -> _Lately | None:
        """None where nothing was."""
        attempts = self._rebuilds.since(self._now() - rebuilding.WINDOW)
        retired = self._rebuilds.retired() if any(rebuilding.dead(one) for one in deployed) else {}
        if not attempts and not retired:
            return None
        inventory = self._inventories.load().inventory
        return _Lately(attempts, retired, inventory, index(inventory))

    def _with_remedy(self, trouble: str, one: Deployed, lately: _Lately | None) -> str:
        if not trouble or lately is None:
            return trouble
        retired = lately.retired.get((one.tenant, one.host), "")
        on, now = lately.host(one), self._now()
        remedy = rebuilding.told(one, lately.attempts, on=on, now=now, retired=retired)
        return f"{trouble}; {remedy}" if remedy else trouble

    def _report(self, one: Deployed, lately: _Lately | None) -> ApplianceReport:
        shown = one.shown
        trouble = health.trouble(one, now=self._now(), patience=self._patience, restart=self._restart)
        return ApplianceReport(
            appliance=one.id,
            tenant=UNSET if one.gateway else one.tenant,
            host=UNSET if one.gateway else one.host,
            condition=one.condition,
            trouble=self._with_remedy(trouble, one, lately),
            since=one.since or UNSET,
            asked=one.asked or UNSET,
            seen=one.seen or UNSET,
            agent=one.agent or UNSET,
            mode=one.mode or UNSET,
            intended_mode=one.intended or UNSET,
            generation=UNSET if one.generation is None else one.generation,
            epoch=UNSET if one.epoch is None else one.epoch,
            certificate=UNSET if shown is None else shown.serial,
            certificate_ends=UNSET if shown is None else shown.ends,
        )
