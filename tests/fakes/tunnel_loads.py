"""Tunnels' queues, in memory."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from causeway_agent.engine.ports import Queue
from causeway_agent.errors import BackendError
from causeway_agent.plan.steer.load import Sender


class FakeTunnelLoads:
    """Queues and senders as a test says, and what is done about them."""

    def __init__(self) -> None:
        self.sent: dict[str, Queue] = {}
        self.by_sender: dict[Sender, int] = {}
        self.pressed: frozenset[str] = frozenset()
        self.slowed: dict[Sender, int] = {}
        self.said = 0
        self.away = self.refuses = False
        """Whether the packet filter tells nothing, or takes nothing."""

    async def queues(self) -> dict[str, Queue]:
        return dict(self.sent)

    async def senders(self) -> dict[Sender, int]:
        if self.away:
            raise BackendError("read who sends into tunnels", "refused")
        return {each: number for each, number in self.by_sender.items() if each.device in self.pressed}

    async def slow(self, pressed: Collection[str], slowed: Mapping[Sender, int]) -> None:
        if self.away or self.refuses:
            raise BackendError("change the packet filter", "refused")
        self.pressed, self.slowed, self.said = frozenset(pressed), dict(slowed), self.said + 1
