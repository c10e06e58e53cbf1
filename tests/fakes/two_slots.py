"""An appliance with two slots for its system, as a controller that updates it sees it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from causeway_controller.errors import AgentUnreachable
from causeway_wire.update import Activation, Slot, SlotReport, SlotState, UpdateStatus, state_of

OLD = SlotReport(slot=Slot.A, state=SlotState.GOOD, version="1", build="a" * 64)


class Build(Protocol):
    """What is asked of an update file."""

    @property
    def build(self) -> str: ...


class TwoSlots:
    """An appliance with two slots; it restarts for a while, and `falls_back` or proves good."""

    def __init__(self, name: str, log: list[str]) -> None:
        self.name = name
        self.appliance = name
        self.falls_back = False
        self.away = 0
        """Times that it does not answer yet."""
        self.sent: Callable[[], None] = lambda: None
        """Called when an update has come."""
        self._log = log
        self._new: SlotReport | None = None

    @property
    def running(self) -> Slot:
        """The slot that runs."""
        return self._status().running

    async def get_update(self) -> UpdateStatus:
        if self.away:
            self.away -= 1
            raise AgentUnreachable(self.name, "192.0.2.1", "it restarts")
        if self._new is not None and self._new.state is SlotState.TRYING:
            state = SlotState.FAILED if self.falls_back else SlotState.GOOD
            self._new = SlotReport(slot=Slot.B, state=state, version="2", build=self._new.build)
        return self._status()

    async def put_update(self, file: Build, *, allow_older: bool = False) -> UpdateStatus:
        self._log.append(f"send {self.name}")
        self._new = SlotReport(slot=Slot.B, state=SlotState.READY, version="2", build=file.build)
        self.sent()
        return self._status()

    async def activate_update(self, wanted: Activation) -> UpdateStatus:
        self._log.append(f"restart {self.name}")
        self._new = SlotReport(slot=Slot.B, state=SlotState.TRYING, version="2", build=wanted.build)
        self.away = 2
        return self._status()

    def _status(self) -> UpdateStatus:
        new = self._new or SlotReport(slot=Slot.B, state=SlotState.EMPTY)
        good = new.state in {SlotState.GOOD, SlotState.TRYING}
        running = Slot.B if good else Slot.A
        return UpdateStatus(state=state_of(OLD, new), running=running, next=running, slots=(OLD, new))
