"""Who numbers documents: a counter per appliance that only grows. The lasting one is in `counters`."""

from __future__ import annotations

from typing import Protocol

from causeway_wire.types import ApplianceId, Generation


class GenerationBook(Protocol):
    """Counters of document generations."""

    async def next(self, appliance: ApplianceId) -> Generation:
        """A generation never handed out before for this appliance."""

    async def at_least(self, appliance: ApplianceId, generation: Generation) -> None:
        """From now on `next` returns more than this: the appliance has seen it."""


class MemoryBook:
    """Counters of one process."""

    def __init__(self) -> None:
        self._last: dict[ApplianceId, Generation] = {}

    async def next(self, appliance: ApplianceId) -> Generation:
        self._last[appliance] = self._last.get(appliance, 0) + 1
        return self._last[appliance]

    async def at_least(self, appliance: ApplianceId, generation: Generation) -> None:
        self._last[appliance] = max(generation, self._last.get(appliance, 0))
