"""Guards the packet filter: looks when anybody changed nftables, restores at once, closes when that fails.

Needs no lock of the engine, so that it also acts while a change is being applied: it brings back what was
loaded last, whatever that was, and `Lockdown` keeps everybody else from opening.
"""

from __future__ import annotations

import asyncio

import structlog

from causeway_agent.engine import events
from causeway_agent.engine.machine import Machine
from causeway_agent.engine.state import State
from causeway_agent.errors import BackendError

LOST = "somebody changes the packet filter again and again; find out who with `nft monitor`"
RESTORED = "restore the packet filter"

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class FilterGuard:
    """Compares the filter with what is intended, and acts."""

    def __init__(self, *, machine: Machine, state: State) -> None:
        self._machine = machine
        self._state = state
        self._turn = asyncio.Lock()
        self._closed = 0
        """The lockdown that the switches were thrown for last, by its number."""

    async def check(self) -> None:
        """Restore the filter unless it stands; close when it was lost before, or cannot be restored."""
        async with self._turn:
            lockdown, clock = self._machine.lockdown, self._machine.clock
            if self._state.target is None:
                return  # none was loaded yet
            if await self._machine.filter_stands():
                if lockdown.due(clock.monotonic()):
                    lockdown.end()
                    _log.warning(events.FILTER_RELIED_ON)
                return
            _log.error(events.FILTER_LOST, losses=lockdown.losses + 1)
            lockdown.lost(clock.monotonic(), LOST)
            await self._close()
            await self._restore()

    async def close(self) -> None:
        """Throw the switches, if the filter turned out not to be relied on while a plan was carried out."""
        async with self._turn:
            await self._close()

    async def _restore(self) -> None:
        try:
            await self._machine.firewall.restore()
        except (BackendError, TimeoutError) as error:
            self._machine.lockdown.begin(self._machine.clock.monotonic(), f"no packet filter: {error}")
            await self._close()
        else:
            self._state.count_drift((RESTORED,), self._machine.clock.now())

    async def _close(self) -> None:
        """Once; what does not obey, or is opened by others, is a difference that the next look finds."""
        state, lockdown = self._state, self._machine.lockdown
        if not lockdown.active or lockdown.begun == self._closed:
            return
        self._closed = lockdown.begun
        targets = (*state.leftovers, *([state.target] if state.target is not None else []))
        errors = await self._machine.hold(*targets)
        _log.error(events.FILTER_HELD, cause=lockdown.cause, reasons=[str(error) for error in errors])
