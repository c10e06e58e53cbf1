"""Which tunnels OpenVPN would not leave to the kernel, and until when that counts (decision 46).

What kept it from that may pass, as a lack of memory does. But nothing tells, and asking again costs a tunnel
that works its process: so it is asked when the tunnel has to be brought up anew in any case, and not often.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from causeway_agent.engine.ports import Clock
from causeway_wire.types import TunnelId

ASK_AGAIN: Final = 600.0
"""Seconds after which a tunnel that is interrupted may be the kernel's again."""


@dataclass(frozen=True, slots=True)
class _Declined:
    why: str
    at: float
    """Monotonic seconds."""


class DeclinedTunnels:
    """The reasons by tunnel."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tunnels: dict[TunnelId, _Declined] = {}

    def reasons(self) -> Mapping[TunnelId, str]:
        """OpenVPN's words for each tunnel that it was not asked about since."""
        return {tunnel: declined.why for tunnel, declined in self._tunnels.items()}

    def reason(self, tunnel: TunnelId) -> str | None:
        """The same for this one; None when it did not decline."""
        declined = self._tunnels.get(tunnel)
        return None if declined is None else declined.why

    def note(self, tunnel: TunnelId, why: str) -> None:
        """Remember why; of several reasons the first, which is part of what is planned instead."""
        self._tunnels.setdefault(tunnel, _Declined(why, self._clock.monotonic()))

    def interrupted(self, tunnel: TunnelId) -> bool:
        """Forget a reason that has stood for `ASK_AGAIN`; whether there was one."""
        declined = self._tunnels.get(tunnel)
        if declined is None or self._clock.monotonic() - declined.at < ASK_AGAIN:
            return False
        self.ended(tunnel)
        return True

    def ended(self, tunnel: TunnelId) -> None:
        """Forget a tunnel that is no longer wanted."""
        self._tunnels.pop(tunnel, None)
