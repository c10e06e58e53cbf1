"""Providers that could not do their half of a partial failover now, as they say (`ports.Watcher`).

They are asked before each failover; this is for whoever wants to know before the disaster.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

from causeway_controller.contract.status import Trouble
from causeway_controller.inventory import production, unready
from causeway_controller.store import told
from causeway_controller.store.database import Database
from causeway_controller.store.inventories import Inventories


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadyProviders:
    """Looks at the store of a tenant's controller; a provider's has none."""

    database: Database
    inventories: Inventories

    async def troubles(self) -> tuple[Trouble, ...]:
        """Return each with whom to ask. Raises StoreError."""
        return tuple(await asyncio.to_thread(lambda: list(self._found())))

    def _found(self) -> Iterator[Trouble]:
        everybody = told.everybody(self.database)
        if not any(resources.unready for resources in everybody.values()):
            return
        places = tuple(production.places(self.inventories.load().inventory))
        for provider, resources in everybody.items():
            own = {place.network.id for place in places if place.production.id == provider}
            for subject, detail in unready.told(provider, resources, own):
                yield Trouble(subject=subject, detail=detail)
