"""Ends of tunnels that nobody has any more, and whose keys their providers go on taking (`ports.Watcher`).

An appliance that was thrown away takes its keys with it: its provider revokes that of its tunnel when the
next key is certified. Where the network has left the inventory there is no next one, so it is told here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from causeway_controller.contract.status import Trouble
from causeway_controller.inventory import production
from causeway_controller.store import told
from causeway_controller.store.database import Database
from causeway_controller.store.inventories import Inventories
from causeway_controller.trust import pki


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftEnds:
    """Looks at the store of a tenant's controller; a provider's has none."""

    database: Database
    inventories: Inventories
    now: Callable[[], datetime]

    async def troubles(self) -> tuple[Trouble, ...]:
        """Return each with when it ends by itself. Raises StoreError."""
        return tuple(await asyncio.to_thread(lambda: list(self._found())))

    def _found(self) -> Iterator[Trouble]:
        if not (ends := told.thrown_away(self.database)):
            return
        inventory = self.inventories.load().inventory
        there = {(place.production.id, place.network.id) for place in production.places(inventory)}
        for provider, end in ends:
            _, until = pki.validity(end.certificate)
            if (provider, end.network) not in there and self.now() < until:
                detail = (
                    f"its key was on {end.client_name}, which was thrown away, and the network has no "
                    f"appliance that gets another: provider {provider} takes it until "
                    f"{until:%Y-%m-%d %H:%M} UTC. Have it revoked there: `causeway certificate revoke "
                    f"{pki.serial(end.certificate)}`, by its staff or with a token of the role tenant-admin"
                )
                yield Trouble(subject=f"tunnel {end.tunnel} of network {end.network}", detail=detail)
