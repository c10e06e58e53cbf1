"""The change runner: admit a document, apply it operation by operation, verify, commit or go back.

decode → admit → compile → observe → diff → guard → journal → probe → arm → apply → verify → confirm → commit;
`arm` and `confirm` only where a confirmation was asked for. Going back is a plan to the previous target from
whatever is found, never a list of inverse steps: it works after a failure at any operation. A crash at any
point leaves the journal's pointer on one document, which boot enforces.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from datetime import timedelta

import msgspec
import structlog

from causeway_agent.engine import admission, calculation, endings, events, transition
from causeway_agent.engine.admission import Preconditions, Standing
from causeway_agent.engine.confirmation import Confirmation, Outcome
from causeway_agent.engine.decisions import Decisions
from causeway_agent.engine.fence import Fence
from causeway_agent.engine.journal import Journal
from causeway_agent.engine.machine import Machine
from causeway_agent.engine.public_rules import RuleKeeper
from causeway_agent.engine.records import Records
from causeway_agent.engine.signal import Signal
from causeway_agent.engine.state import InForce, State
from causeway_agent.engine.transition import Way
from causeway_agent.errors import BackendError
from causeway_agent.plan.steer import describe
from causeway_agent.plan.steer.operations import Plan
from causeway_wire.change import Change, ChangeState, OperationReport, OperationState, PlanReport
from causeway_wire.desired import Desired
from causeway_wire.problem import Problem, ProblemError, ProblemType, problem
from causeway_wire.types import ChangeId

TELL_SECONDS = 0.1
"""Least time between two tellings of how far a change is."""

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Work:
    """An accepted change on its way to the task that runs it."""

    change: Change
    new: InForce
    confirm: int | None
    """Seconds that it awaits its confirmation; None when it needs none."""
    way: Way
    """As it was when the change was accepted."""


@dataclass(frozen=True, slots=True)
class _Applied:
    """A change that awaits its confirmation, and what to go back to."""

    work: _Work
    way: Way
    confirmation: Confirmation


class ChangeRunner:
    """Runs one change at a time in the task that awaits `run`."""

    def __init__(
        self,
        *,
        machine: Machine,
        journal: Journal,
        state: State,
        lock: asyncio.Lock,
        records: Records,
        rules: RuleKeeper,
        base: transition.Base,
    ) -> None:
        self._machine = machine
        self._journal = journal
        self._state = state
        self._lock = lock
        self._records = records
        self._rules = rules
        self._base = base
        self._queue: asyncio.Queue[_Work] = asyncio.Queue()
        self._in_flight: Change | None = None
        self._applied: _Applied | None = None
        self.fence = Fence(journal=journal, state=state)
        self.decisions = Decisions(
            machine=machine, journal=journal, records=records, lock=lock, fence=self.fence
        )
        self.finished = Signal()
        """Sent when a change is final, and when one begins to await its confirmation."""

    @property
    def in_flight(self) -> Change | None:
        """The change that is not final yet."""
        return self._in_flight

    async def submit(
        self,
        desired: Desired,
        *,
        requested_by: str,
        preconditions: Preconditions,
        confirm: int | None = None,
        escalate: bool = False,
    ) -> tuple[Change, bool]:
        """The change for this document, and whether it was accepted now (False: it was known already).

        With `confirm` it is taken back unless confirmed so many seconds after it was applied. `escalate`
        allows going from one failover mode directly to another.

        Raises ProblemError when it is refused; then nothing has changed. What is accepted is on disk.
        """
        new = await calculation.run(lambda: InForce.of(desired))
        async with self.fence.turn:
            standing = self._standing()
            if admission.is_repeat(new, standing):
                return self._known(new), False
            admission.admit(new, standing, preconditions, escalate=escalate)
            self._check_lockdown()
            await self._rules.check(desired)
            way = await transition.way(self._machine, self._state, desired)
            self.fence.check(desired.epoch)  # it may have been raised meanwhile
            now = self._machine.clock.now()
            change = Change(
                id=self._records.new_id(desired.generation),
                generation=desired.generation,
                epoch=desired.epoch,
                state=ChangeState.PREPARED,
                requested_by=requested_by,
                created=now,
                deadline=now + timedelta(seconds=confirm) if confirm is not None else None,
            )
            await asyncio.to_thread(self._journal.prepare, change, desired)
            self._state.attempted = (desired.generation, new.digest)
            self._state.epoch = max(self._state.epoch, desired.epoch)
            self._update(change)
            self._queue.put_nowait(_Work(change, new, confirm, way))
        _log.info(events.CHANGE_ACCEPTED, change=change.id, requested_by=requested_by, epoch=change.epoch)
        return change, True

    async def dry_run(self, desired: Desired) -> PlanReport:
        """What the document would cause now, in words; raises ProblemError when it would be refused."""
        await self._rules.check(desired)
        way = await transition.way(self._machine, self._state, desired)
        words = await calculation.run(lambda: tuple(map(describe.describe, way.plan.operations)))
        return PlanReport(operations=words)

    async def run(self) -> None:
        """Run accepted changes until cancelled."""
        while True:
            work = await self._queue.get()
            async with self._lock:
                await self._run_one(work)
            while (applied := self._applied) is not None:
                outcome = await applied.confirmation.ended()
                async with self._lock:
                    over = await self._decide(applied, outcome)
                if over:
                    self._applied = self.decisions.awaited = None

    async def drain(self, seconds: float) -> None:
        """Return when no change moves, or after this many seconds. What awaits its confirmation will not get
        it any more: whoever watches from outside, or the next start, takes it back.
        """
        try:
            async with asyncio.timeout(seconds):
                while self._in_flight is not None and not self._in_flight.resting:
                    await self.finished.wait()
        except TimeoutError:
            return

    def _standing(self) -> Standing:
        state, pointer = self._state, self._journal.pointer
        spent = pointer.attempted if pointer.attempted != pointer.current else None
        return Standing(
            in_force=state.in_force,
            attempted=state.attempted,
            spent=spent.change if spent is not None else None,
            epoch=state.epoch,
            in_flight=self._in_flight,
        )

    def _known(self, new: InForce) -> Change:
        """The newest change that brought, or is bringing, this document."""
        for change in reversed(self._records.all()):
            undone = (ChangeState.FAILED, ChangeState.REFUSED, ChangeState.ROLLED_BACK)
            if change.generation == new.document.generation and change.state not in undone:
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

    async def _run_one(self, work: _Work) -> None:
        change = work.change
        try:
            change = await self._attempt(work)
        except Exception as error:  # noqa: BLE001 - the top of a change: whatever it was, the change ends
            change = self._incident(change, ChangeState.FAILED, error)
        if change.final:
            await self._finish(change)

    async def _attempt(self, work: _Work) -> Change:
        try:
            way = await self._prepare(work)
        except ProblemError as refusal:
            return self._final(work.change, ChangeState.REFUSED, refusal.problem)
        except (BackendError, TimeoutError) as error:
            return self._final(work.change, ChangeState.FAILED, endings.failure(str(error)))
        state, change = self._state, work.change
        state.leftovers = way.seen
        try:
            change = await self._apply(change, way.plan)
            await transition.verify(self._machine, way.seen, way.target)
            if work.confirm is not None:
                change = await self._await_confirmation(change, work, way, seconds=work.confirm)
            else:
                await self._commit()
        except (BackendError, TimeoutError) as error:
            change = self._records.get(change.id) or change
            undone = await transition.go_back(self._machine, state, way.previous, way.seen)
            return self._final(change, ChangeState.FAILED, endings.failed(error, undone))
        state.aim(way.target)
        state.facts = way.facts
        if work.confirm is None:
            state.in_force = work.new
            state.damage.pop("journal", None)
            state.settle()
            return self._final(change, ChangeState.DONE, None)
        state.tentative = work.new
        state.settle()
        self._update(change)
        self.finished.send()
        return change

    async def _prepare(self, work: _Work) -> Way:
        """The way to the new document's target, nobody in it; whoever watches is armed.

        Raises ProblemError when it must not be gone, BackendError or TimeoutError when it cannot be found.
        """
        self._check_lockdown()
        if work.confirm is not None:
            await self._machine.dead_man.arm(work.change.id, seconds=work.confirm)
        await self._rules.check(work.new.document)
        way = await transition.way(self._machine, self._state, work.new.document, known=work.way)
        taken = await transition.conflict(self._machine, self._state, work.new.document, way.plan)
        if taken is not None:
            raise ProblemError(taken)
        return way

    def _check_lockdown(self) -> None:
        """Raises ProblemError while no change can end well, because nothing may be opened."""
        if self._machine.lockdown.active:
            raise ProblemError(self._machine.lockdown.problem())

    async def _commit(self) -> None:
        """Put the attempted document in force on disk; raises BackendError when it is not."""
        try:
            await asyncio.to_thread(self._journal.commit)
        except BackendError:
            # The disk may hold either pointer now; a restart must not find the one we are going back from.
            with contextlib.suppress(BackendError):
                await asyncio.to_thread(self._journal.reaffirm)
            raise

    async def _apply(self, change: Change, plan: Plan) -> Change:
        reports = [OperationReport(description=describe.describe(op)) for op in plan.operations]
        change = msgspec.structs.replace(change, state=ChangeState.APPLYING, operations=tuple(reports))
        await asyncio.to_thread(self._journal.record, change)
        self._update(change)
        told = self._machine.clock.monotonic()

        def report(index: int, error: BackendError | None, milliseconds: float) -> None:
            nonlocal told
            outcome = OperationState.DONE if error is None else OperationState.FAILED
            reports[index] = msgspec.structs.replace(reports[index], state=outcome, milliseconds=milliseconds)
            now = self._machine.clock.monotonic()
            # Telling each of a thousand operations at once would cost a thousand copies of all of them.
            if error is not None or now - told >= TELL_SECONDS:
                told = now
                self._update(msgspec.structs.replace(change, operations=tuple(reports)))

        errors = await self._machine.carry_out(plan.operations, keep_going=False, report=report)
        change = msgspec.structs.replace(change, operations=tuple(reports))
        self._update(change)
        if errors:
            raise errors[0]
        change = msgspec.structs.replace(change, state=ChangeState.VERIFYING)
        self._update(change)
        return change

    async def _await_confirmation(self, change: Change, work: _Work, way: Way, *, seconds: int) -> Change:
        """The change with its deadline set; from now on the clock runs."""
        clock = self._machine.clock
        await self._machine.dead_man.arm(change.id, seconds=seconds)
        deadline = clock.now() + timedelta(seconds=seconds)
        change = msgspec.structs.replace(change, state=ChangeState.AWAITING, deadline=deadline)
        await asyncio.to_thread(self._journal.record, change)
        confirmation = Confirmation(change.id, clock=clock, seconds=seconds)
        self._applied = _Applied(work, way, confirmation)
        self.decisions.awaited = confirmation
        self.refuse_contested()
        _log.info(events.CHANGE_AWAITING, change=change.id, deadline=deadline.isoformat())
        return change

    def refuse_contested(self) -> None:
        """Take back what awaits its confirmation if a machine answered for what it claims."""
        applied = self._applied
        if applied is not None and self._state.released.keys() & set(applied.way.plan.probes):
            self.decisions.refuse()

    async def _decide(self, applied: _Applied, outcome: Outcome) -> bool:
        """Put the awaiting change in force, or go back to the document before it; False when it awaits its
        confirmation still, because the one that came could not be recorded.
        """
        change = self._records.get(applied.work.change.id) or applied.work.change
        try:
            ended = await self._decided(applied, change, outcome)
        except Exception as error:  # noqa: BLE001 - the top of a change: whatever it was, the change ends
            self._state.tentative, self._state.facts = None, None
            ended = self._incident(change, ChangeState.ROLLED_BACK, error)
        if ended is None:
            return False
        await self._finish(ended)
        return True

    async def _decided(self, applied: _Applied, change: Change, outcome: Outcome) -> Change | None:
        """The change, final; None when it awaits its confirmation still."""
        state, reason = self._state, outcome.value
        if outcome is Outcome.CONFIRMED:
            try:
                await self._commit()
            except BackendError as error:
                # Other appliances may rely on what is applied: who confirms takes it back in their order.
                applied.confirmation.reopen(endings.unrecorded(change, error))
                self.refuse_contested()
                self._update(change)
                return None
            state.in_force, state.tentative = applied.work.new, None
            state.damage.pop("journal", None)
            return self._final(change, ChangeState.DONE, None)
        previous = await transition.previous_target(self._machine, state, self._base, applied.way.previous)
        seen = (*applied.way.seen, *([state.target] if state.target is not None else []), previous)
        # The facts that it was compiled under are not remembered: the next look compiles it anew.
        state.tentative, state.facts = None, None
        state.aim(previous)
        undone = await transition.go_back(self._machine, state, previous, seen)
        return self._final(change, ChangeState.ROLLED_BACK, endings.failure(f"{reason}; {undone}"))

    def _incident(self, change: Change, state: ChangeState, error: Exception) -> Change:
        """The end of a change that met a defect."""
        _log.exception(events.CHANGE_INCIDENT, change=change.id)
        change = self._records.get(change.id) or change
        why = problem(ProblemType.INTERNAL, repr(error))
        self._state.degrade(why)
        return self._final(change, state, why)

    def _final(self, change: Change, state: ChangeState, why: Problem | None) -> Change:
        return msgspec.structs.replace(change, state=state, problem=why, finished=self._machine.clock.now())

    async def _finish(self, change: Change) -> None:
        """Journal the outcome, tell everyone. A record that cannot be written changes no outcome."""
        if change.deadline is not None and self._state.settled:
            # Before its record is final: a start after a crash in between looks after it once more.
            await self._disarm(change.id)
        try:
            await asyncio.to_thread(self._journal.conclude, change)
        except BackendError as error:
            _log.error(events.JOURNAL_DAMAGED, reason=str(error))
        _log.info(
            endings.event(change),
            change=change.id,
            operations=len(change.operations),
            reason=change.problem.detail if change.problem else None,
        )
        self._update(change)
        self.finished.send()

    async def _disarm(self, change: ChangeId) -> None:
        try:
            await self._machine.dead_man.disarm(change)
        except BackendError as error:
            _log.warning(events.DEAD_MAN_FAILED, change=change, reason=str(error))

    def _update(self, change: Change) -> None:
        self._in_flight = None if change.final else change
        current = self._journal.pointer.current
        self._records.update(change, keep=current.change if current else None)
