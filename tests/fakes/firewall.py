"""A packet filter that remembers what was loaded."""

from __future__ import annotations

from causeway_agent.plan.model.policy import Policy
from tests.fakes.fuse import Fuse


class FakeFirewall:
    """Holds one policy; `history` keeps every policy that was in force."""

    def __init__(self, fuse: Fuse | None = None) -> None:
        self.policy: Policy | None = None
        self.history: list[Policy] = []
        self._fuse = fuse or Fuse()

    async def load(self, policy: Policy) -> None:
        """Replace the policy."""
        self._fuse.enter("load policy")
        self.policy = policy
        self.history.append(policy)
        self._fuse.leave("load policy")

    async def restore(self) -> None:
        """Load the last one again."""
        await self.load(self.history[-1])

    async def counters(self) -> dict[str, tuple[int, int]]:
        """One packet of 60 octets dropped."""
        return {"drop_input": (1, 60)}

    async def foreign(self) -> frozenset[str]:
        """Tables of nobody else."""
        return frozenset()

    async def loaded(self) -> Policy | None:
        """The policy in force."""
        return self.policy
