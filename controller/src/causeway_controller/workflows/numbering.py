"""Documents under generations that their appliance has not accepted before."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from causeway_controller.store.generations import GenerationBook
from causeway_wire.problem import ProblemError, ProblemType
from causeway_wire.types import ApplianceId, Generation

T = TypeVar("T")

_BEHIND = frozenset({ProblemType.STALE_GENERATION.urn, ProblemType.GENERATION_CONFLICT.urn})


async def numbered(
    generations: GenerationBook, appliance: ApplianceId, send: Callable[[Generation], Awaitable[T]]
) -> T:
    """Send a document under the next generation; once more, above the appliance's, where that is behind.

    The epoch fences other workflows off, so a generation behind within our own means a lost book, or that the
    appliance took the document back after its answer was lost, as an agent does that died meanwhile: what was
    tried once is refused under the same number. Raises what `send` raises, StoreError.
    """
    try:
        return await send(await generations.next(appliance))
    except ProblemError as error:
        accepted = error.problem.generation
        if error.problem.type not in _BEHIND or not isinstance(accepted, int):
            raise
        await generations.at_least(appliance, accepted)
    return await send(await generations.next(appliance))
