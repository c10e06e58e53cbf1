"""What all steps of a run share while a controller carries it out, and what awaits a confirmation."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from causeway_controller.inventory import modes, tenancy
from causeway_wire.types import ApplianceId, ChangeId, Epoch


@dataclass(frozen=True, slots=True, kw_only=True)
class Awaited:
    """A change that its appliance takes back by itself unless it is confirmed."""

    change: ChangeId
    until: float = 0.0
    """Not before this moment of the monotonic clock; 0 when another controller made the change: then nobody
    here knows, and the wait is extended before anything relies on it.
    """


async def _never() -> bool:
    return False


async def _nobody_newer(_accepted: Epoch) -> Epoch | None:
    return None


async def _nowhere(_mode: modes.Mode) -> None:
    """A run that ends with its process keeps nothing."""


@dataclass(slots=True)
class Run:
    """What all steps of a run share."""

    site: tenancy.Site
    epoch: Epoch
    id: str = ""
    rules: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while public rules are changed: steps of one stage change them one after the other."""
    awaiting: dict[ApplianceId, Awaited] = field(default_factory=dict)
    newer: Callable[[Epoch], Awaitable[Epoch | None]] = _nobody_newer
    """Gives an epoch above one that an appliance has accepted, None when another controller has taken over.
    An appliance is ahead of a store that was restored from a backup.
    """
    taken_over: bool = False
    """Whether another controller began it: then what was under way may have been done already."""
    inherits: bool = False
    """Whether a run before it failed and could not take back all that it did: then what is so already, and
    what is in force before a change, may be that run's work and not what the tenant's mode says.
    """
    stop_requested: Callable[[], Awaitable[bool]] = _never
    """Whether somebody asked that the run go no further; asked where a step waits for somebody else."""
    waits: Callable[[str, float], None] = lambda _why, _seconds: None
    """Is told what a step waits for, and for how many seconds at most."""
    settle: Callable[[modes.Mode], Awaitable[None]] = _nowhere
    """Keeps that the tenant is in this mode, before the run ends."""
    settled: bool = False
    """Whether that was kept by another controller, which may have told nobody else of it."""
    unheard: set[ApplianceId] = field(default_factory=set)
    """Appliances that may still obey another controller, or have done what they did not answer."""

    def adopt(self, awaiting: Mapping[ApplianceId, ChangeId]) -> None:
        """Take over what another controller made, which awaits a confirmation."""
        self.awaiting = {appliance: Awaited(change=change) for appliance, change in awaiting.items()}
