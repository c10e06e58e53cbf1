"""A document goes out under a number that its appliance has not accepted before."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from causeway_controller.store.generations import MemoryBook
from causeway_controller.workflows.numbering import numbered
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.types import Generation


@dataclass
class Appliance:
    """Refuses whatever is not above what it accepted, so often."""

    accepted: int = 0
    refuses: int = 1
    kind: ProblemType = ProblemType.STALE_GENERATION
    came: list[Generation] = field(default_factory=list)

    async def send(self, generation: Generation) -> str:
        self.came.append(generation)
        if len(self.came) <= self.refuses:
            raise ProblemError(problem(self.kind, "tried before", generation=self.accepted))
        return f"generation {generation}"


async def test_a_number_is_the_next_one() -> None:
    appliance, book = Appliance(refuses=0), MemoryBook()
    assert await numbered(book, "a", appliance.send) == "generation 1"
    assert await numbered(book, "a", appliance.send) == "generation 2"


@pytest.mark.parametrize("kind", [ProblemType.STALE_GENERATION, ProblemType.GENERATION_CONFLICT])
@pytest.mark.parametrize(("accepted", "second"), [(1, 2), (41, 42)])
async def test_what_the_appliance_accepted_before_is_passed_over(
    kind: ProblemType, accepted: int, second: int
) -> None:
    """41: our book was lost. 1: the answer was, and the appliance took back what it had accepted."""
    appliance = Appliance(accepted=accepted, kind=kind)
    assert await numbered(MemoryBook(), "a", appliance.send) == f"generation {second}"
    assert appliance.came == [1, second]


async def test_one_that_refuses_once_more_is_told() -> None:
    appliance = Appliance(accepted=7, refuses=2)
    with pytest.raises(ProblemError, match="tried before"):
        await numbered(MemoryBook(), "a", appliance.send)
    assert appliance.came == [1, 8]


async def test_another_refusal_is_not_ours_to_put_right() -> None:
    appliance = Appliance(kind=ProblemType.STALE_EPOCH)
    with pytest.raises(ProblemError):
        await numbered(MemoryBook(), "a", appliance.send)
    assert appliance.came == [1]
