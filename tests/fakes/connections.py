"""The kernel's table of connections, in memory."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from causeway_agent.engine.ports import ConnectionTable
from causeway_agent.errors import BackendError
from causeway_agent.plan.filter.shares import LISTED
from causeway_agent.plan.steer.shares import Held, Holder
from causeway_wire.types import IPNetwork


class FakeConnections:
    """A table of connections as a test says, and what is done to it."""

    def __init__(self) -> None:
        self.counted = ConnectionTable(0, 0, 0)
        self.held: dict[Holder, Held] = {}
        self.censuses = 0
        self.refused: frozenset[Holder] = frozenset()
        self.told = 0
        """How often the packet filter was told whom to refuse."""
        self.ended: dict[Holder, int] = {}
        self.away = False
        """Whether the packet filter takes nothing."""

    async def table(self) -> ConnectionTable:
        return self.counted

    async def census(self, networks: Mapping[IPNetwork, str]) -> dict[Holder, Held]:
        self.censuses += 1
        return {holder: held for holder, held in self.held.items() if holder.device in networks.values()}

    async def refuse(self, holders: Collection[Holder]) -> None:
        if self.away or len(holders) > LISTED:
            raise BackendError("change the packet filter", "refused")
        self.told += 1
        self.refused = frozenset(holders)

    async def end(self, excess: Mapping[Holder, int], networks: Mapping[IPNetwork, str]) -> int:
        self.ended |= excess
        return sum(excess.values())
