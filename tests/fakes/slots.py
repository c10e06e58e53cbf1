"""Two slots of no disk: what is received is the build of its own digest."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator

from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.update import Activation, Slot, SlotReport, SlotState, UpdateStatus, state_of

RUNNING = SlotReport(slot=Slot.A, state=SlotState.GOOD, version="1", commit="c1", build="a" * 64)
EMPTY = SlotReport(slot=Slot.B, state=SlotState.EMPTY)


class FakeSlots:
    """Slot a runs and stays; a restart is remembered, not made."""

    def __init__(self) -> None:
        self.other = EMPTY
        self.trial = False
        self.older = False
        """Whether what comes is older than what runs."""
        self.asked = 0
        """How often somebody wanted to know what is in the slots."""
        self.most = 0
        """Octets of the largest chunk."""

    async def status(self) -> UpdateStatus:
        """As it is."""
        self.asked += 1
        return self._status()

    async def receive(
        self, chunks: AsyncIterator[bytes], *, octets: int, sha256: str, allow_older: bool
    ) -> UpdateStatus:
        """Take it if it is what was announced."""
        self._refuse_older(allowed=allow_older)
        self.other, digest, came = EMPTY, hashlib.sha256(), 0
        async for chunk in chunks:
            digest.update(chunk)
            came += len(chunk)
            self.most = max(self.most, len(chunk))
        if (came, digest.hexdigest()) != (octets, sha256):
            raise ProblemError(problem(ProblemType.UPDATE_REFUSED, "it was changed on its way"))
        self.other = SlotReport(slot=Slot.B, state=SlotState.READY, version="2", commit="c2", build=sha256)
        return self._status()

    async def activate(self, wanted: Activation) -> UpdateStatus:
        """Remember it."""
        if wanted.build != self.other.build:
            raise ProblemError(problem(ProblemType.UPDATE_NOT_READY, "not that one", pointer="/build"))
        self._refuse_older(allowed=wanted.allow_older is True)
        self.other = SlotReport(
            slot=Slot.B, state=SlotState.TRYING, version="2", build=wanted.build, tries_left=wanted.tries
        )
        return self._status()

    async def abandon(self) -> UpdateStatus:
        """Empty."""
        self.other = EMPTY
        return self._status()

    def on_trial(self) -> bool:
        """As it was set."""
        return self.trial

    def _refuse_older(self, *, allowed: bool) -> None:
        if self.older and not allowed:
            raise ProblemError(problem(ProblemType.UPDATE_OLDER, "it is older"))

    def _status(self) -> UpdateStatus:
        trying = self.other.state is SlotState.TRYING
        return UpdateStatus(
            state=state_of(RUNNING, self.other),
            running=Slot.A,
            next=Slot.B if trying else Slot.A,
            slots=(RUNNING, self.other),
        )
