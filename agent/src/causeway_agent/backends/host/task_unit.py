"""Supervised tasks inside the agent: they work while it runs and are started again when they fail."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from causeway_agent.errors import BackendError
from causeway_agent.plan.model.processes import Task
from causeway_agent.plan.steer import remotes

START_DEADLINE = 30.0
"""Seconds a task gets to say that it works."""

_log = structlog.get_logger()

Ready = Callable[[], None]
Body = Callable[[Ready], Coroutine[Any, Any, None]]
"""Works until cancelled, calls `Ready` once it does; raises OSError or BackendError when it cannot."""

Farewell = Callable[[], Coroutine[Any, Any, None]]
"""What is said last; raises OSError when it cannot be."""


class TaskUnit:
    """Runs one task and starts it again whenever it fails."""

    def __init__(self, spec: Task, body: Body, *, farewell: Farewell | None = None) -> None:
        """`farewell` is done when it is stopped for good, not when the agent ends."""
        self.spec = spec
        self._farewell = farewell
        self._body = body
        self._settled = asyncio.Event()
        self._error: str | None = None

    async def ready(self) -> None:
        """Return when it works; raises BackendError when it failed or took too long instead."""
        try:
            async with asyncio.timeout(START_DEADLINE):
                await self._settled.wait()
        except TimeoutError:
            raise BackendError(f"start {self.spec.name}", "it does not come up") from None
        if self._error is not None:
            raise BackendError(f"start {self.spec.name}", self._error)

    async def run(self) -> None:
        """Keep the task running until cancelled."""
        loop = asyncio.get_running_loop()
        delay = 0.0
        while True:
            began = loop.time()
            try:
                await self._body(self._up)
            except (OSError, BackendError) as error:
                self._error = str(error)
                self._settled.set()
                _log.warning("task_failed", process=self.spec.name, reason=self._error)
            delay = remotes.restart_delay(delay, lived=loop.time() - began)
            await asyncio.sleep(delay)

    async def stop(self) -> None:
        """Take leave; nothing else is left once `run` was cancelled."""
        if self._farewell is None:
            return
        try:
            await self._farewell()
        except OSError as error:
            _log.warning("farewell_failed", process=self.spec.name, reason=str(error))

    def release(self) -> None:
        """Nothing is left once `run` was cancelled."""

    def _up(self) -> None:
        self._error = None
        self._settled.set()
