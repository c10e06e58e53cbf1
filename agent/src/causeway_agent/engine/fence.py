"""The fence between workflows: who comes with an older epoch than one that was accepted is refused."""

from __future__ import annotations

import asyncio

import structlog
from msgspec import UnsetType

from causeway_agent.engine import events
from causeway_agent.engine.journal import Journal
from causeway_agent.engine.state import State
from causeway_wire.problem import Problem, ProblemError, ProblemType, problem
from causeway_wire.types import Epoch

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class Fence:
    """Keeps the highest epoch, on disk before anybody is told that it counts."""

    def __init__(self, *, journal: Journal, state: State) -> None:
        self._journal = journal
        self._state = state
        self.turn = asyncio.Lock()
        """Held while a document is admitted: after an epoch was raised none of a lower one is."""

    async def raise_to(self, epoch: Epoch, *, pointer: str | UnsetType = "/epoch") -> None:
        """Shut out what is older, at once and for good; raises ProblemError (`stale-epoch`) when this is.

        `pointer`: where the document said it, unset where no document did. Raises BackendError when the disk
        refuses: what is older is shut out until a restart all the same.
        """
        self.check(epoch, pointer=pointer)
        self._state.epoch = epoch
        if epoch <= self._journal.pointer.epoch:
            return
        async with self.turn:
            await asyncio.to_thread(self._journal.fence, epoch)
        _log.info(events.EPOCH_RAISED, epoch=epoch)

    def check(self, epoch: Epoch, *, pointer: str | UnsetType = "/epoch") -> None:
        """Raise ProblemError (`stale-epoch`) when a newer one was accepted; `pointer` as in `raise_to`."""
        if epoch < self._state.epoch:
            raise ProblemError(stale(epoch, self._state.epoch, pointer=pointer))


def stale(
    epoch: Epoch, accepted: Epoch, *, what: str = "this", pointer: str | UnsetType = "/epoch"
) -> Problem:
    """Say that what came with this epoch is too late."""
    detail = (
        f"epoch {accepted} has been accepted; {what} is of epoch {epoch}: another workflow has taken over, "
        "stop acting for this one"
    )
    return problem(ProblemType.STALE_EPOCH, detail, pointer=pointer, epoch=accepted)
