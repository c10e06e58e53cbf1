"""Hooks that remember their calls, and which replicas ran then."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from causeway_controller.errors import HookFailed
from causeway_controller.failover.steps import Call


class FakeHooks:
    """`workflows.ports.Hooks`; `failing` ones fail."""

    def __init__(self, running: Callable[[], set[str]]) -> None:
        self.names = {"tell", "before", "hold", "after", "release"}
        self.failing: set[str] = set()
        self.calls: list[tuple[Call, str]] = []
        self.running: list[frozenset[str]] = []
        self.on_call: Callable[[Call], Awaitable[None]] | None = None
        self._running = running

    def known(self, hook: str) -> bool:
        return hook in self.names

    async def call(self, call: Call, run: str) -> None:
        self.calls.append((call, run))
        self.running.append(frozenset(self._running()))
        if self.on_call is not None:
            await self.on_call(call)
        if call.hook in self.failing:
            raise HookFailed(call.hook, "it ended with status 3")
