"""The change runner: admit a document, apply it operation by operation, verify, commit or go back.

decode → admit → compile → observe → diff → guard → journal → probe → apply → verify → commit. Going back is
a plan to the previous target from whatever is found, never a list of inverse steps: it works after a failure
at any operation. A crash at any point leaves the journal's pointer on one document, which boot enforces.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import msgspec
import structlog

from causeway_agent.engine import admission, conflicts, events
from causeway_agent.engine.admission import Preconditions, Standing
from causeway_agent.engine.journal import Journal
from causeway_agent.engine.machine import Machine
from causeway_agent.engine.records import Records
from causeway_agent.engine.signal import Signal
from causeway_agent.engine.state import InForce, State
from causeway_agent.errors import BackendError, CompileError
from causeway_agent.plan import compile as compiler
from causeway_agent.plan import describe, diff, guard
from causeway_agent.plan.operations import Plan
from causeway_agent.plan.target import Target
from causeway_wire.change import Change, ChangeState, OperationReport, OperationState, PlanReport
from causeway_wire.desired import Desired
from causeway_wire.problem import Problem, ProblemError, ProblemType, combine, problem

PROBE_SECONDS = 10.0
VERIFY_DELAYS = (0.0, 0.05, 0.2, 0.5)
"""Seconds before each look at the result; the kernel settles some objects asynchronously."""

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Work:
    """An accepted change on its way to the task that runs it."""

    change: Change
    new: InForce


class ChangeRunner:
    """Runs one change at a time in the task that awaits `run`."""

    def __init__(
        self, *, machine: Machine, journal: Journal, state: State, lock: asyncio.Lock, records: Records
    ) -> None:
        self._machine = machine
        self._journal = journal
        self._state = state
        self._lock = lock
        self._records = records
        self._admission = asyncio.Lock()
        self._queue: asyncio.Queue[_Work] = asyncio.Queue()
        self._in_flight: Change | None = None
        self.finished = Signal()

    @property
    def in_flight(self) -> Change | None:
        """The change that is not final yet."""
        return self._in_flight

    async def submit(
        self, desired: Desired, *, requested_by: str, preconditions: Preconditions
    ) -> tuple[Change, bool]:
        """The change for this document, and whether it was accepted now (False: it was known already).

        Raises ProblemError when it is refused; then nothing has changed. What is accepted is on disk.
        """
        new = InForce.of(desired)
        async with self._admission:
            standing = self._standing()
            if admission.is_repeat(new, standing):
                return self._known(new), False
            admission.admit(new, standing, preconditions)
            await self._plan(new)
            change = Change(
                id=self._records.new_id(desired.generation),
                generation=desired.generation,
                epoch=desired.epoch,
                state=ChangeState.PREPARED,
                requested_by=requested_by,
                created=self._machine.clock.now(),
            )
            await asyncio.to_thread(self._journal.prepare, change, desired)
            self._state.attempted = (desired.generation, new.digest)
            self._state.epoch = max(self._state.epoch, desired.epoch)
            self._update(change)
            self._queue.put_nowait(_Work(change, new))
        _log.info(events.CHANGE_ACCEPTED, change=change.id, requested_by=requested_by, epoch=change.epoch)
        return change, True

    async def dry_run(self, desired: Desired) -> PlanReport:
        """What the document would cause now, in words; raises ProblemError when it would be refused."""
        new = InForce.of(desired)
        plan = await self._plan(new)
        return PlanReport(operations=tuple(describe.describe(op) for op in plan.operations))

    async def run(self) -> None:
        """Run accepted changes until cancelled."""
        while True:
            work = await self._queue.get()
            async with self._lock:
                await self._run_one(work)

    async def drain(self, seconds: float) -> None:
        """Return when no change is in flight, or after this many seconds."""
        try:
            async with asyncio.timeout(seconds):
                while self._in_flight is not None:
                    await self.finished.wait()
        except TimeoutError:
            return

    def _standing(self) -> Standing:
        state = self._state
        return Standing(
            in_force=state.in_force,
            attempted=state.attempted,
            epoch=state.epoch,
            in_flight=self._in_flight,
        )

    def _known(self, new: InForce) -> Change:
        """The newest change that brought, or is bringing, this document."""
        for change in reversed(self._records.all()):
            if change.generation == new.document.generation and change.state not in (
                ChangeState.FAILED,
                ChangeState.REFUSED,
            ):
                return change
        now = self._machine.clock.now()
        return Change(
            id=self._journal.pointer.current.change if self._journal.pointer.current else "unknown",
            generation=new.document.generation,
            epoch=new.document.epoch,
            state=ChangeState.DONE,
            requested_by="journal",
            created=now,
            finished=now,
        )

    async def _plan(self, new: InForce) -> Plan:
        """Compile, observe, diff and guard; touches nothing."""
        current = self._state.target
        if current is None:
            raise ProblemError(problem(ProblemType.UNAVAILABLE, "the agent is still starting; try again"))
        try:
            target = compiler.compile_document(new.document, await self._machine.facts())
        except CompileError as error:
            raise ProblemError(combine(error.problems)) from error
        observation = await self._machine.observe(*self._state.leftovers, current, target)
        plan = diff.diff(observation, target, current.policy)
        objections = guard.guard(plan, target, observation)
        if objections:
            raise ProblemError(combine(objections))
        return plan

    async def _run_one(self, work: _Work) -> None:
        change = work.change
        try:
            change = await self._attempt(work)
        except Exception as error:  # noqa: BLE001 - the top of a change: whatever it was, the change ends
            _log.exception(events.CHANGE_INCIDENT, change=change.id)
            change = self._records.get(change.id) or change
            why = problem(ProblemType.INTERNAL, repr(error))
            self._state.degrade(why)
            change = self._final(change, ChangeState.FAILED, why)
        await self._finish(change)

    async def _attempt(self, work: _Work) -> Change:
        previous, change = self._state.target, work.change
        try:
            facts = await self._machine.facts()
            target = compiler.compile_document(work.new.document, facts)
            seen = (*self._state.leftovers, *([previous] if previous is not None else []), target)
            observation = await self._machine.observe(*seen)
            plan = diff.diff(observation, target, previous.policy if previous is not None else None)
            objections = guard.guard(plan, target, observation)
            refusal = combine(objections) if objections else await self._probe(work.new.document, plan)
        except CompileError as error:
            return self._final(change, ChangeState.REFUSED, combine(error.problems))
        except (BackendError, TimeoutError) as error:
            return self._final(change, ChangeState.FAILED, _failure(str(error)))
        if refusal is not None:
            return self._final(change, ChangeState.REFUSED, refusal)
        try:
            change = await self._apply(change, plan)
            await self._verify(seen, target)
            await asyncio.to_thread(self._journal.commit)
        except (BackendError, TimeoutError) as error:
            change = self._records.get(change.id) or change
            undone = await self._go_back(previous, seen)
            return self._final(change, ChangeState.FAILED, _failure(f"{error}; {undone}"))
        self._state.target, self._state.facts, self._state.in_force = target, facts, work.new
        self._state.settle()
        return self._final(change, ChangeState.DONE, None)

    async def _probe(self, document: Desired, plan: Plan) -> Problem | None:
        """Ask the segments for the addresses to be claimed; the problem when a machine answers."""
        if not plan.probes:
            return None
        async with asyncio.timeout(PROBE_SECONDS):
            taken = await self._machine.neighbours.probe(plan.probes)
        self._state.duplicates = conflicts.duplicates(taken)
        return conflicts.address_problem(document, taken) if taken else None

    async def _apply(self, change: Change, plan: Plan) -> Change:
        reports = tuple(OperationReport(description=describe.describe(op)) for op in plan.operations)
        change = msgspec.structs.replace(change, state=ChangeState.APPLYING, operations=reports)
        await asyncio.to_thread(self._journal.record, change)
        self._update(change)

        def report(index: int, error: BackendError | None, milliseconds: float) -> None:
            nonlocal change
            change = _reported(change, index, error, milliseconds)
            self._update(change)

        errors = await self._machine.carry_out(plan.operations, keep_going=False, report=report)
        if errors:
            raise errors[0]
        change = msgspec.structs.replace(change, state=ChangeState.VERIFYING)
        self._update(change)
        return change

    async def _verify(self, seen: tuple[Target, ...], target: Target) -> None:
        """Look until nothing is left to do, doing what is left; raises BackendError when that never ends."""
        left: tuple[str, ...] = ()
        for delay in VERIFY_DELAYS:
            await asyncio.sleep(delay)
            plan = diff.diff(await self._machine.observe(*seen), target, target.policy)
            if not plan:
                return
            left = tuple(describe.describe(op) for op in plan.operations)
            await self._machine.carry_out(plan.operations, keep_going=True)
        raise BackendError("verify", "still to do: " + "; ".join(left))

    async def _go_back(self, previous: Target | None, seen: tuple[Target, ...]) -> str:
        """Re-plan to the previous target; says how it went. What is left over, the reconciler repeats."""
        if previous is None:
            return "there was nothing to go back to"
        self._state.leftovers = seen
        try:
            plan = diff.diff(await self._machine.observe(*seen), previous, previous.policy)
            errors = await self._machine.carry_out(plan.operations, keep_going=True)
            if not errors:
                await self._verify(seen, previous)
                self._state.settle()
                return "the previous document is in force again"
        except (BackendError, TimeoutError) as error:
            errors = (BackendError("going back", str(error)),)
        reason = "; ".join(str(error) for error in errors)
        self._state.degrade(_failure(f"could not go back: {reason}"))
        return f"could not go back yet: {reason}"

    def _final(self, change: Change, state: ChangeState, why: Problem | None) -> Change:
        return msgspec.structs.replace(change, state=state, problem=why, finished=self._machine.clock.now())

    async def _finish(self, change: Change) -> None:
        """Journal the outcome, tell everyone. A record that cannot be written changes no outcome."""
        try:
            await asyncio.to_thread(self._journal.conclude, change)
        except BackendError as error:
            _log.error(events.JOURNAL_DAMAGED, reason=str(error))
        name = {ChangeState.DONE: events.CHANGE_DONE, ChangeState.REFUSED: events.CHANGE_REFUSED}
        _log.info(
            name.get(change.state, events.CHANGE_FAILED),
            change=change.id,
            operations=len(change.operations),
            reason=change.problem.detail if change.problem else None,
        )
        self._update(change)
        self.finished.send()

    def _update(self, change: Change) -> None:
        self._in_flight = None if change.final else change
        current = self._journal.pointer.current
        self._records.update(change, keep=current.change if current else None)


def _failure(detail: str) -> Problem:
    return problem(ProblemType.APPLY_FAILED, detail)


def _reported(change: Change, index: int, error: BackendError | None, milliseconds: float) -> Change:
    """The change with the outcome of one operation."""
    reports = list(change.operations)
    outcome = OperationState.DONE if error is None else OperationState.FAILED
    reports[index] = msgspec.structs.replace(reports[index], state=outcome, milliseconds=milliseconds)
    return msgspec.structs.replace(change, operations=tuple(reports))
