"""An engine of runs in memory that dies where a test says; what a run did is remembered by its record."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from causeway_controller.workflows.ports import Body, EngineState, Journal
from causeway_controller.workflows.run_record import Record


class Killed(BaseException):
    """The controller is gone: nothing of it runs any more."""


Hook = Callable[[str, str], Awaitable[None]]
"""Called with the name of a stage and `before`, `after` or `remembered`; may raise Killed."""


async def _nothing(_stage: str, _moment: str) -> None:
    """Nothing happens."""


def killed_once(stage: str, moment: str, *, with_it: Callable[[], None] | None = None) -> Hook:
    """Return what kills the controller the first time that it comes there. `with_it` happens then, too."""
    left = [(stage, moment)]

    async def kill(at: str, when: str) -> None:
        if (at, when) in left:
            left.clear()
            if with_it is not None:
                with_it()
            raise Killed

    return kill


class FakeEngine:
    """Runs are carried out when a test says so."""

    def __init__(self) -> None:
        self.remembered: dict[str, list[str]] = {}
        """Stages of each run that are through, in their order."""
        self.submitted: dict[str, str] = {}
        self.ended: set[str] = set()
        self.given_up: set[str] = set()
        self.ended_at: dict[str, datetime] = {}
        self.at: Hook = _nothing
        self.body: Body

    async def submit(self, run: str, *, key: str) -> None:
        self.submitted[run] = key

    async def resume(self, run: str) -> None:
        self.given_up.discard(run)

    async def adopt(self, alive: frozenset[str]) -> int:
        return 0

    async def states(self, runs: tuple[str, ...]) -> dict[str, EngineState]:
        known = {run: EngineState.GOES_ON for run in runs if run in self.submitted}
        known |= {run: EngineState.GIVEN_UP for run in runs if run in self.given_up}
        return known | {run: EngineState.ENDED for run in runs if run in self.ended}

    async def forget(self, before: datetime, *, but: frozenset[str]) -> int:
        old = {run for run, at in self.ended_at.items() if at < before} - but
        self.ended -= old
        for run in old:
            del self.ended_at[run], self.submitted[run]
            self.remembered.pop(run, None)
        return len(old)

    async def carry_out(self, run: str) -> None:
        """One execution, from what is remembered."""
        await self.body(run)
        self.ended.add(run)
        self.ended_at[run] = datetime.now(UTC)

    def journal(self, record: Record) -> Journal:
        """The run's, with the moments at which its controller may die."""
        return _Journal(self, record)


class _Journal:
    def __init__(self, engine: FakeEngine, record: Record) -> None:
        self._engine = engine
        self._record = record
        self._through = engine.remembered.setdefault(record.asked.id, [])
        self._before = list(self._through)

    async def stage(self, name: str, act: Callable[[], Awaitable[str]]) -> str:
        async def acting() -> str:
            assert not self._before, "what was remembered is done again"
            await self._engine.at(name, "before")
            found = await act()
            await self._engine.at(name, "after")
            return found

        found = await self._record.stage(name, acting)
        if self._before:
            assert self._before.pop(0) == name, "stages in another order than before"
            return found
        self._through.append(name)
        await self._engine.at(name, "remembered")
        return found

    async def stop_requested(self) -> bool:
        return await self._record.stop_requested()
