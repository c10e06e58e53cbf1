"""The reconciler: keeps the machine at its target. Boot, drift and new facts are the same look.

Level-triggered: an event only says "look again". Looks are spaced, and a look that could not repair
everything is followed by a growing rest, so that nothing outside can make the agent spin.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from uuid import uuid4

import structlog

from causeway_agent.engine import events, transition
from causeway_agent.engine.filter_guard import FilterGuard
from causeway_agent.engine.machine import Machine
from causeway_agent.engine.public_rules import RuleKeeper
from causeway_agent.engine.signal import Signal
from causeway_agent.engine.state import State
from causeway_agent.errors import BackendError, CompileError
from causeway_agent.plan.model.target import Facts, Observation, Target
from causeway_agent.plan.steer import closed, describe, diff, layer2, lent
from causeway_agent.plan.steer.operations import Operation
from causeway_wire.problem import Problem, ProblemType, combine, problem

FILTER_CHANGED = frozenset({"filter", "overflow"})
"""Kernel events after which elements of public rules may be others than ours."""

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often to look, in seconds."""

    debounce: float = 0.02
    """Events of one cause arrive together; one look serves them all."""
    interval: float = 10.0
    """Longest time without a look."""
    first_rest: float = 0.1
    longest_rest: float = 10.0
    """Rest after a look that left something unrepaired, doubling from first to longest."""
    share: float = 4.0
    """Rest at least this many times what the look took: under a storm of events one fifth of a core."""
    longest_spacing: float = 0.5
    locked: float = 1.0
    """Longest rest while nothing is forwarded: how late it may be noticed that the filter stands."""


class Reconciler:
    """Looks at the machine in the task that awaits `run`; writes what it learns into the state."""

    def __init__(
        self,
        *,
        machine: Machine,
        state: State,
        lock: asyncio.Lock,
        rules: RuleKeeper,
        base: Callable[[Facts], Target],
        pace: Pace,
    ) -> None:
        self._machine = machine
        self._state = state
        self._lock = lock
        self._rules = rules
        self._base = base
        self._pace = pace
        self._guard = FilterGuard(machine=machine, state=state)
        self._woken = asyncio.Event()
        self._released = state.released
        self._lent = frozenset[str]()
        """Devices of processes that were there at the last look."""
        self.looked = Signal()

    def wake(self) -> None:
        """Look again soon."""
        self._woken.set()

    async def run(self) -> None:
        """Look on events and on the timer until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch(self._machine.kernel.events))
            tasks.create_task(self._watch(self._machine.processes.events))
            tasks.create_task(self._loop())

    async def look(self) -> bool:
        """Compare once and repair; True when the machine is as it should be. Never raises an `Exception`."""
        async with self._lock:
            was_failing = self._state.problem is not None
            try:
                settled = await self._look()
            except CompileError as error:
                settled = self._failed(combine(error.problems, more=error.more))
            except (BackendError, TimeoutError) as error:
                settled = self._failed(problem(ProblemType.APPLY_FAILED, str(error)))
            except Exception:  # noqa: BLE001 - the top of a look: the agent must go on looking
                incident = uuid4().hex
                _log.exception(events.RECONCILE_INCIDENT, incident=incident)
                why = problem(ProblemType.INTERNAL, "a defect of the agent", incident=incident)
                settled = self._failed(why)
            if settled and was_failing:
                _log.info(events.RECONCILE_RECOVERED)
        self.looked.send()
        return settled

    async def close(self) -> None:
        """Let nothing pass but controllers until a look succeeds."""
        target = self._state.target
        if target is not None:
            async with self._lock:
                await transition.close(self._machine, self._state, target, *self._state.leftovers)

    async def _loop(self) -> None:
        pace, rest = self._pace, 0.0
        clock = self._machine.clock
        while True:
            try:
                async with asyncio.timeout(pace.interval):
                    await self._woken.wait()
            except TimeoutError:
                pass  # the timer
            await asyncio.sleep(pace.debounce)
            self._woken.clear()
            started = clock.monotonic()
            settled = await self.look()
            took = clock.monotonic() - started
            longest = pace.longest_rest
            if self._machine.lockdown.active:
                longest = min(longest, pace.locked)
            rest = 0.0 if settled else min(max(2 * rest, pace.first_rest), longest)
            if not settled:
                self._woken.set()
            await asyncio.sleep(max(rest, min(pace.share * took, pace.longest_spacing)))

    async def _watch(self, open_events: Callable[[], AsyncIterator[str]]) -> None:
        while True:
            try:
                async for reason in open_events():
                    if not FILTER_CHANGED.isdisjoint(reason.split(",")):
                        self._rules.suspect()
                        await self._check_filter()
                    self.wake()
            except BackendError as error:
                # Events may have been lost; a full look makes up for them.
                _log.warning(events.WATCH_LOST, reason=str(error))
                self._rules.suspect()
            self.wake()
            await asyncio.sleep(self._pace.first_rest)

    async def _check_filter(self) -> None:
        """At once, whatever else goes on; while nothing is forwarded, there is time until the next look."""
        if self._machine.lockdown.active:
            return
        clock = self._machine.clock
        started = clock.monotonic()
        await self._guard.check()
        await asyncio.sleep(self._pace.share * (clock.monotonic() - started))

    async def _look(self) -> bool:
        await self._guard.check()
        state, facts = self._state, await self._machine.facts()
        before, was_settled = state.target, state.settled
        target, objection = self._retarget(facts)
        seen = (*state.leftovers, *([before] if before is not None else []), target)
        # After a restart the packet filter in force is not known, but it is one that this document allows.
        loaded = (before or target).policy
        if state.closed:
            await self._make_ready(target, seen)
        observation = await self._machine.observe(*seen)
        state.tell_foreign(observation.foreign)
        plan = diff.diff(observation, self._permitted(target), loaded)
        operations, withheld = await transition.permitted(self._machine, state, plan)
        errors = await self._machine.carry_out(operations, keep_going=True)
        await self._guard.close()
        if observation.policy is None:
            self._rules.suspect()
        there = layer2.names(observation.lent)
        came = there != self._lent or lent.anew(observation)
        if gone := self._lent - there:
            self._machine.processes.lost(gone)
        self._lent = there
        # A device that its process made anew lost what is put here to nobody else.
        if operations and not errors and was_settled and target == before and not came:
            self._report_drift(operations)
        unpublished = await self._rules.look()
        found = (objection, withheld, *map(_unrepaired, errors), unpublished)
        problems = [each for each in found if each is not None]
        if not problems and plan:
            problems.extend(map(_unlasting, await self._left(target, seen, observation)))
        if self._machine.lockdown.active:
            problems.insert(0, self._machine.lockdown.problem())
        if problems:
            return self._failed(combine(tuple(problems)))
        state.settle()
        return True

    async def _left(
        self, target: Target, seen: tuple[Target, ...], before: Observation
    ) -> tuple[Operation, ...]:
        """What is still to do after a repair; what waited for devices that processes made is done here."""
        after = await self._machine.observe(*seen)
        left = diff.diff(after, self._permitted(target), target.policy).operations
        if left and layer2.names(after.lent) - layer2.names(before.lent):
            await self._machine.carry_out(left, keep_going=True)
            after = await self._machine.observe(*seen)
            left = diff.diff(after, self._permitted(target), target.policy).operations
        return left

    async def _make_ready(self, target: Target, seen: tuple[Target, ...]) -> None:
        """Build everything behind closed doors first; raises BackendError when that does not succeed."""
        shut = self._permitted(closed.closed(target))
        plan = diff.diff(await self._machine.observe(*seen, shut), shut, shut.policy)
        errors = await self._machine.carry_out(plan.operations, keep_going=True)
        if errors:
            raise errors[0]
        self._state.closed = False

    def _permitted(self, target: Target) -> Target:
        """What may stand of the target now."""
        return closed.held(target) if self._machine.lockdown.active else target

    def _retarget(self, facts: Facts) -> tuple[Target, Problem | None]:
        """What to enforce under these facts, and why it is not what the document in force says."""
        state = self._state
        if state.target is not None and facts == state.facts and state.released is self._released:
            return state.target, None
        self._released = state.released
        objection = None
        try:
            document = state.enforced.document if state.enforced is not None else None
            target = transition.meant(state, document, facts) if document is not None else self._base(facts)
            state.facts = facts
        except CompileError as error:
            # The document meant something when it was accepted: an adapter is gone. Hold on to what was, and
            # at boot to the closed target, so that the controller finds a door.
            objection = combine(error.problems, more=error.more)
            target = state.target if state.target is not None else self._base(facts)
        if state.target is not None and target != state.target:
            _log.info(events.TARGET_CHANGED, active=dict(facts.active))
        state.aim(target)
        return target, objection

    def _report_drift(self, operations: tuple[Operation, ...]) -> None:
        words = tuple(describe.describe(op) for op in operations)
        self._state.count_drift(words, self._machine.clock.now())
        _log.warning(events.DRIFT_REPAIRED, operations=words, repairs=self._state.drift.repairs)

    def _failed(self, why: Problem) -> bool:
        if self._state.problem != why:
            _log.error(events.RECONCILE_FAILED, reason=why.detail)
        self._state.degrade(why)
        return False


def _unrepaired(error: BackendError) -> Problem:
    return problem(ProblemType.APPLY_FAILED, str(error))


def _unlasting(operation: Operation) -> Problem:
    return problem(ProblemType.APPLY_FAILED, f"does not last: {describe.describe(operation)}")
