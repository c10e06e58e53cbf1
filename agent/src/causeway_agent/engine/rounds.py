"""Looks that return: watchers, one after the other, on the same beats, so that one waking serves all."""

from __future__ import annotations

import asyncio
from typing import Protocol

import structlog

from causeway_agent.engine import events, ports
from causeway_agent.errors import BackendError
from causeway_agent.plan.steer import beats

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class Watcher(Protocol):
    """Looks at something again and again."""

    @property
    def tick(self) -> float:
        """Seconds between two looks."""

    async def round(self, now: float) -> None:
        """Look once; raises BackendError where that is not possible."""


async def keep(clock: ports.Clock, *watchers: Watcher) -> None:
    """Have them look until cancelled, all as often as the one who looks most."""
    while True:
        for watcher in watchers:
            try:
                # Each by its own time: one before may have counted for seconds, and the next reckons by it.
                await watcher.round(clock.monotonic())
            except BackendError as error:
                _log.debug(events.WATCH_LOST, reason=str(error))
            except Exception:  # noqa: BLE001 - the top of a round: the agent must go on
                _log.exception(events.RECONCILE_INCIDENT)
        now = clock.monotonic()
        following = beats.following(now, min(watcher.tick for watcher in watchers))
        await asyncio.sleep(max(following - now, 0.01))
