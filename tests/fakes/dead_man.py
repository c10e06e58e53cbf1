"""A dead man's switch that remembers who is armed."""

from __future__ import annotations

from causeway_wire.types import ChangeId
from tests.fakes.fuse import Fuse


class FakeDeadMan:
    """Outlives the engines that arm it, as the real one does."""

    def __init__(self, fuse: Fuse | None = None) -> None:
        self.armed: dict[ChangeId, float] = {}
        self.history: list[tuple[ChangeId, float | None]] = []
        """Every arming with its seconds, every disarming with None."""
        self._fuse = fuse or Fuse()

    async def arm(self, change: ChangeId, *, seconds: float) -> None:
        """Remember it."""
        self._fuse.enter(f"arm {change}")
        self.armed[change] = seconds
        self.history.append((change, seconds))
        self._fuse.leave(f"arm {change}")

    async def disarm(self, change: ChangeId) -> None:
        """Forget it."""
        self._fuse.enter(f"disarm {change}")
        self.armed.pop(change, None)
        self.history.append((change, None))
        self._fuse.leave(f"disarm {change}")
