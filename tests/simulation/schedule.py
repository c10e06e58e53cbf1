"""What happens to the world in one history, drawn from its seed before it begins."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

from tests.simulation.network import Conditions

SECONDS: Final = 260.0
"""Until everything is healed."""
KINDS: Final = (
    *("kill", "kill", "kill", "kill-all", "kill-all", "stop", "stop"),
    *("agent", "agent", "effect", "effect", "refuse", "power"),
    *("cut", "cut", "cut", "cut"),
)
"""What may happen, as often as it is likely."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blow:
    """Something that dies, is stopped or fails while something is asked or told."""

    route: str
    """It happens when a message of this kind is sent..."""
    after: int
    """...so many of them after the controllers began."""
    what: str
    """`kill`, `stop` (a controller), `kill-all`, `agent`, `effect`, `refuse`, `power` (an appliance),
    or `cut` (its line).
    """
    whom: int
    """Which one, modulo how many there are; below 0 the one that the message is for."""
    amount: int
    """Seconds, or the number of an effect from then on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """One history."""

    networks: int
    controllers: int
    on: bool
    """Whether the appliances are on at the beginning."""
    conditions: Conditions
    refuses: float
    """Share of a hypervisor's orders that are refused."""
    deaf: int
    """How many questions an original does not answer."""
    mistaken: bool
    """Whether somebody forgets to switch the original off."""
    wishes: tuple[str, ...]
    """What people ask for, one after the other: `fail-over`, `more`, `undo`."""
    pauses: tuple[float, ...]
    """Seconds before each wish."""
    stop_after: float | None
    """Seconds after which somebody asks that the first run stop."""
    blows: tuple[Blow, ...]

    @property
    def calm(self) -> bool:
        """Whether nothing stands in the way of anything."""
        how = self.conditions
        line = how.loss + how.late + how.again
        return not (line or how.cuts or self.refuses or self.mistaken or self.stop_after or self.blows)


ROUTES: Final = (
    *("put_desired", "put_desired", "put_desired", "confirm", "confirm", "confirm"),
    *("change", "observed", "fence", "cancel", "cancel", "extend"),
)


def draw(seed: int) -> Schedule:
    """The schedule of this seed."""
    dice = random.Random(f"schedule {seed}")  # noqa: S311 - a schedule
    networks = 1 if dice.random() < 0.8 else 2
    wishes = dice.choice(
        [("fail-over",), ("fail-over", "undo"), ("fail-over", "more"), ("fail-over", "more", "undo")]
    )
    bad = dice.random() < 0.6
    conditions = Conditions(
        loss=dice.choice([0.0, 0.02, 0.08]) if bad else 0.0,
        late=dice.choice([0.0, 0.03, 0.1]) if bad else 0.0,
        again=dice.choice([0.0, 0.1, 0.3]) if bad else 0.0,
    )
    blows = tuple(
        Blow(
            route=(route := dice.choice(ROUTES)),
            after=dice.randint(1, 6 if route == "observed" else 3),
            what=dice.choice(KINDS),
            whom=dice.randrange(-12, 12),
            amount=dice.choice([dice.randint(1, 40), dice.randint(1, 40), 5 * dice.randint(1, 40)]),
        )
        for _ in range(dice.choice([0, 1, 2, 2, 3, 4, 5]))
    )
    return Schedule(
        networks=networks,
        controllers=dice.choice([1, 2, 2]),
        on=dice.random() < 0.8,
        conditions=conditions,
        refuses=dice.choice([0.0, 0.0, 0.05]),
        deaf=dice.choice([0, 1, 2]),
        mistaken=dice.random() < 0.15,
        wishes=wishes,
        pauses=tuple(dice.uniform(0.5, 6) for _ in wishes),
        stop_after=dice.uniform(0.5, 12) if dice.random() < 0.15 else None,
        blows=blows,
    )
