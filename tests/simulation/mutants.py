"""Plants one fault after the other, and looks how many histories it takes until a property is broken."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tests.simulation.agent_faults import FAULTS as OF_AGENTS
from tests.simulation.controller_faults import FAULTS as OF_CONTROLLERS
from tests.simulation.half_faults import FAULTS as OF_HALVES
from tests.simulation.planting import Fault, planted
from tests.simulation.scenario import History, run

FAULTS: Final = (*OF_CONTROLLERS, *OF_AGENTS, *OF_HALVES)


@dataclass(frozen=True, slots=True)
class Hunt:
    """What became of one fault."""

    fault: Fault
    found: History | None
    """The history that shows it; None when none did."""
    seeds: int
    """How many were tried."""


def hunt(*, seeds: int, names: frozenset[str] = frozenset()) -> Iterator[Hunt]:
    """Yield what became of each fault, of these names or of any; `seeds`: how many to try at most."""
    for fault in FAULTS:
        if not names or fault.name in names:
            yield _hunted(fault, seeds)


def _hunted(fault: Fault, seeds: int) -> Hunt:
    for seed in range(seeds):
        with planted(fault):
            history = run(seed, linked=fault.linked)
        # What breaks without the fault, too, shows nothing of it.
        if history.broken is not None and run(seed, linked=fault.linked).broken is None:
            return Hunt(fault, history, seed + 1)
    return Hunt(fault, None, seeds)
