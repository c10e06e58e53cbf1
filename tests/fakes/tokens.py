"""Tokens in memory by which appliances are enrolled."""

from __future__ import annotations

from causeway_wire.types import ApplianceId, Secret


class FakeTokens:
    """Gives each appliance its own, the same one until it is dropped."""

    def __init__(self) -> None:
        self.held: dict[ApplianceId, Secret] = {}

    async def get(self, appliance: ApplianceId) -> Secret:
        return self.held.setdefault(appliance, Secret(f"token-of-{appliance}-and-long-enough"))

    async def drop(self, appliance: ApplianceId) -> None:
        self.held.pop(appliance, None)
