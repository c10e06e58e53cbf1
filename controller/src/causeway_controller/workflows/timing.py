"""How long a run waits for what."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, Self

_MARGIN: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Deadlines, in seconds."""

    power: float = 60.0
    grace: float = 20.0
    """For an orderly shutdown before power is cut."""
    boot: float = 180.0
    """From power to an agent that answers."""
    change: float = 30.0
    courtesy: float = 3.0
    """For an agent that may be dead with its site, and whose answer nothing waits for."""
    confirm: int = 120
    """Until an appliance takes back by itself what nobody confirmed: longer than a start of replicas."""
    tunnel: float = 15.0
    mode: float = 10.0
    """For an appliance to report what it was just told to be."""
    trial: float = 300.0
    """For an appliance whose new system is on trial to take documents again: as long as one try of it."""
    ready: float = 300.0
    """From power to a replica that answers."""
    first_poll: float = 0.02
    longest_poll: float = 0.5

    def longer(self, times: float) -> Self:
        """Return the same with as many times the patience with appliances; hosts and replicas are as fast.

        What awaits a confirmation waits at least as long as what has to be seen before it is given.
        """
        return replace(
            self,
            confirm=max(self.confirm, math.ceil(times * (self.tunnel + self.courtesy + _MARGIN))),
            boot=times * self.boot,
            change=times * self.change,
            courtesy=times * self.courtesy,
            tunnel=times * self.tunnel,
            mode=times * self.mode,
            trial=times * self.trial,
        )

    def polls(self) -> Iterator[float]:
        """Yield pauses between questions, growing: soon at first, gentle later."""
        pause = self.first_poll
        while True:
            yield pause
            pause = min(pause * 2, self.longest_poll)
