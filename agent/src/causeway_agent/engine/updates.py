"""Updates of the system: one at a time, and none while the appliance is not well or not settled."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec
import structlog

from causeway_agent.engine import events, ports
from causeway_agent.errors import BackendError
from causeway_wire.change import Change, ChangeState
from causeway_wire.observed import Health
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.update import Activation, SlotState, UpdateState, UpdateStatus

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class Updates:
    """Passes updates to the slots and remembers what they said, so that asking is cheap."""

    def __init__(
        self, slots: ports.Slots, *, health: Callable[[], Health], in_flight: Callable[[], Change | None]
    ) -> None:
        self._slots, self._health, self._in_flight = slots, health, in_flight
        self._known: UpdateStatus | None = None
        self._received: int | None = None
        """Octets of the update that is being received."""
        self.asked = False
        """Whether a controller has found its way in and asked for the slots, or for what a trial refuses."""

    async def status(self) -> UpdateStatus:
        """Both slots, and where an update stands."""
        known = self._known
        if known is None:
            known = self._remember(await _asked(self._slots.status()))
        if self._received is None:
            return known
        return msgspec.structs.replace(known, state=UpdateState.RECEIVING, received=self._received)

    async def receive(
        self, chunks: AsyncIterator[bytes], *, octets: int, sha256: str, allow_older: bool
    ) -> UpdateStatus:
        """Write an update into the slot that does not run; raises ProblemError."""
        if self._received is not None:
            detail = f"{self._received} octets of another update are here already; let it end"
            raise ProblemError(problem(ProblemType.UPDATE_IN_PROGRESS, detail, retry_after=5.0))
        self._received = 0
        try:
            await self.status()  # told while the slots are busy
            _log.info(events.UPDATE_RECEIVING, octets=octets, sha256=sha256, allow_older=allow_older)
            counted = self._counted(chunks)
            status = await _asked(
                self._slots.receive(counted, octets=octets, sha256=sha256, allow_older=allow_older)
            )
        except ProblemError as error:
            _log.warning(events.UPDATE_REFUSED, reason=error.problem.detail)
            raise
        finally:
            self._received = None
            self._known = None
        _log.info(events.UPDATE_READY, build=status.report(status.running.other).build)
        return self._remember(status)

    async def activate(self, wanted: Activation) -> UpdateStatus:
        """Restart into the other slot, on trial; raises ProblemError."""
        self._refuse_unsettled()
        self._known = None
        status = await _asked(self._slots.activate(wanted))
        _log.warning(
            events.UPDATE_ACTIVATED,
            build=wanted.build,
            tries=wanted.tries,
            seconds=wanted.seconds,
            allow_older=wanted.allow_older is True,
        )
        return status

    async def abandon(self) -> UpdateStatus:
        """Empty the other slot; raises ProblemError."""
        self._known = None
        return self._remember(await _asked(self._slots.abandon()))

    def refuse_on_trial(self, *, through_network: bool) -> None:
        """Raises ProblemError while the running system has yet to prove good.

        The one before, when it comes back, must find what it left, in words that it can read. Who came
        `through_network` has found a way in by that: a failover need not wait for whoever began the update.
        """
        self.asked |= through_network
        if self._slots.on_trial():
            detail = "this system is on trial; nothing that outlives it is taken before it has proven good"
            raise ProblemError(problem(ProblemType.UPDATE_IN_PROGRESS, detail, retry_after=10.0))

    def _refuse_unsettled(self) -> None:
        """A new system proves itself by conforming to the document; so the document must be settled, and be
        one that this machine can conform to.
        """
        change = self._in_flight()
        if change is not None:
            awaiting = change.state is ChangeState.AWAITING
            kind = ProblemType.AWAITING_CONFIRMATION if awaiting else ProblemType.CHANGE_IN_FLIGHT
            raise ProblemError(problem(kind, "a restart would undo the change; let it end", change=change.id))
        health = self._health()
        if not health.healthy:
            detail = f"another system could not become healthy either: {health.reason}"
            raise ProblemError(problem(ProblemType.UNAVAILABLE, detail))

    def _remember(self, status: UpdateStatus) -> UpdateStatus:
        """Keep it, unless somebody else ends the trial it tells of."""
        if SlotState.TRYING not in {report.state for report in status.slots}:
            self._known = status
        return status

    async def _counted(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for chunk in chunks:
            self._received = (self._received or 0) + len(chunk)
            yield chunk


async def _asked(answer: Awaitable[UpdateStatus]) -> UpdateStatus:
    """The answer; raises ProblemError when nobody gave one."""
    try:
        return await answer
    except BackendError as error:
        raise ProblemError(problem(ProblemType.UNAVAILABLE, str(error))) from error
