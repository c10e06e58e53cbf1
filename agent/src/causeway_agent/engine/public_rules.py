"""The keeper of the public rules: one table in three places, here, on the disk and in the packet filter.

A change is validated, put into the filter in one transaction, journaled, and only then answered; flows that
lost their rule are ended last. What cannot be journaled is taken back.

Works under the engine's lock: never while a document is being applied.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from causeway_agent.engine import events, fence, ports, rules_journal
from causeway_agent.engine.rule_filter import RuleFilter, open_keys
from causeway_agent.engine.rules_journal import RulesJournal, Snapshot
from causeway_agent.engine.state import InForce, State
from causeway_agent.errors import BackendError, CompileError, StorageError
from causeway_agent.plan.filter import public_checks, public_elements, public_rules
from causeway_agent.plan.filter.public_checks import Ground
from causeway_agent.plan.filter.public_rules import Delta, Table, Work
from causeway_wire import codec
from causeway_wire.desired import Desired
from causeway_wire.problem import Problem, ProblemError, ProblemType, combine, problem
from causeway_wire.public_rules import (
    PublicRules,
    PublicRulesPatch,
    PublicRulesReport,
    Revision,
    RuleCounter,
    RuleCounters,
    RuleId,
)
from causeway_wire.types import Epoch

SMALL = 64
"""Rules in a change that is planned at once; a larger one is planned by a thread."""
_STAYS = object()

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class RuleKeeper:
    """Holds the table. `look` is called by the reconciler, under the lock that all changes take."""

    def __init__(
        self,
        *,
        publications: ports.Publications,
        journal: RulesJournal,
        clock: ports.Clock,
        state: State,
        lock: asyncio.Lock,
    ) -> None:
        self._filter = RuleFilter(publications, clock=clock, state=state)
        self._journal = journal
        self._state = state
        self._lock = lock
        self._table = Table()
        self._grounds: tuple[InForce, Ground | None] | None = None

    @property
    def revision(self) -> Revision:
        """Of the table in force."""
        return self._table.revision

    @property
    def table(self) -> Table:
        """The table in force, for looking only."""
        return self._table

    def __len__(self) -> int:
        return len(self._table)

    async def recover(self) -> None:
        """Read the table from the disk. Damage is told: no rule is in force until the table is sent again."""
        recovered = await asyncio.to_thread(self._journal.recover)
        self._table, damage = await asyncio.to_thread(rules_journal.restore, recovered)
        self._state.epoch = max(self._state.epoch, self._table.epoch, recovered.epoch)
        self._state.damage["public rules"] = damage
        for sentence in damage:
            _log.error(events.JOURNAL_DAMAGED, reason=sentence)

    def suspect(self) -> None:
        """Somebody else changed the packet filter: the next look compares everything."""
        self._filter.suspect()

    async def document(self) -> PublicRules:
        """The whole table."""
        async with self._lock:
            return self._table.document()

    async def put(self, document: PublicRules, body: bytes) -> PublicRulesReport:
        """Replace the table; `body` is the document's text, which is journaled as it came.

        Raises ProblemError when it is refused or fails: then the table before it is in force.
        """
        async with self._lock:
            ground = self._ground()
            if document.revision == self.revision and await asyncio.to_thread(self._table.holds, document):
                return self._report()
            self._admit(document.revision, document.epoch)
            await self._settle(ground)
            new, delta, work = await asyncio.to_thread(self._planned, document, ground)
            idle = await self._idle_before(delta, work)
            staged, applied = await asyncio.gather(
                asyncio.to_thread(self._journal.stage, document.revision, body),
                self._filter.apply(work, new),
                return_exceptions=True,
            )
            if isinstance(applied, BaseException):
                await self._give_up(None, applied)
            if isinstance(staged, BaseException):
                await self._give_up(work, staged)
            else:
                await self._commit(staged, work)
            self._table = new
            self._state.damage.pop("public rules", None)
            return await self._changed(delta, work, idle)

    async def patch(self, patch: PublicRulesPatch) -> PublicRulesReport:
        """Change the table; raises ProblemError when it is refused or fails: then nothing has changed."""
        async with self._lock:
            ground, table = self._ground(), self._table
            if table.in_place(patch):
                return self._report()
            self._check_base(patch)
            self._admit(patch.revision, patch.epoch)
            await self._settle(ground)
            if len(patch.put) + len(patch.remove) <= SMALL:
                delta, work = self._planned_patch(patch, ground)
            else:
                delta, work = await asyncio.to_thread(self._planned_patch, patch, ground)
            try:
                idle = await self._idle_before(delta, work)
                await self._patched(patch, work)
            except BaseException:
                table.undo(delta)
                raise
            return await self._changed(delta, work, idle)

    async def counters(self, wanted: Sequence[RuleId]) -> RuleCounters:
        """What rules let through: those asked for, or all; raises ProblemError for names without a rule."""
        revision, entries = self.revision, dict(self._table.entries)
        for name in wanted:
            if name not in entries:
                raise ProblemError(problem(ProblemType.NOT_FOUND, f"there is no rule {name}"))
        chosen = {name: entries[name] for name in wanted} if wanted else entries
        places = {name: public_elements.counted_keys(entry) for name, entry in chosen.items()}
        keys: dict[str, list[bytes]] = {}
        for name, listed in places.values():
            keys.setdefault(name, []).extend(listed)
        try:
            counted = await self._filter.counters(keys if wanted else None) if places else {}
        except BackendError as error:
            raise ProblemError(problem(ProblemType.UNAVAILABLE, str(error))) from error
        counters = []
        for rule, (name, listed) in places.items():
            found = [counted[name].get(key, (0, 0)) for key in listed]
            packets, octets = (sum(figures) for figures in zip(*found, strict=True))
            counters.append(RuleCounter(id=rule, packets=packets, bytes=octets))
        return RuleCounters(revision=revision, counters=tuple(counters))

    async def check(self, desired: Desired) -> None:
        """Raises ProblemError when the table would not fit this document any more."""
        ground = public_checks.ground(desired)
        if not len(self) or ground == self._ground_of(self._state.enforced):
            return
        try:
            await asyncio.to_thread(self._table.check, ground)
        except CompileError as error:
            raise ProblemError(combine(error.problems, more=error.more)) from error

    async def look(self) -> Problem | None:
        """Make the packet filter hold the table; why that did not succeed. The caller has the lock."""
        ground = self._ground_of(self._state.enforced)
        allocation = ground.allocation if ground is not None else frozenset()
        try:
            await self._filter.look(self._table, allocation)
            if self._journal.long:
                await self._write_anew()
        except (BackendError, TimeoutError) as error:
            return problem(ProblemType.APPLY_FAILED, f"public rules: {error}")
        return None

    async def _settle(self, ground: Ground) -> None:
        """A change starts from a filter that is as the table says; raises ProblemError when it cannot be."""
        try:
            await self._filter.look(self._table, ground.allocation)
        except (BackendError, TimeoutError) as error:
            raise ProblemError(problem(ProblemType.APPLY_FAILED, str(error))) from error

    def _planned(self, document: PublicRules, ground: Ground) -> tuple[Table, Delta, Work]:
        try:
            new, delta = self._table.whole(document, ground)
        except CompileError as error:
            raise ProblemError(combine(error.problems, more=error.more)) from error
        affected = public_rules.affected(delta.before, delta.after)
        sources = self._table.sources(self._filter.allocation, affected)
        return new, delta, public_rules.work(new, delta, self._filter.allocation, sources)

    def _planned_patch(self, patch: PublicRulesPatch, ground: Ground) -> tuple[Delta, Work]:
        """The table is changed already; `undo` takes it back."""
        table = self._table
        sources = table.sources(self._filter.allocation, table.touched(patch))
        try:
            delta = table.change(patch, ground)
        except CompileError as error:
            raise ProblemError(combine(error.problems, more=error.more)) from error
        return delta, public_rules.work(table, delta, self._filter.allocation, sources)

    async def _patched(self, patch: PublicRulesPatch, work: Work) -> None:
        try:
            await self._filter.apply(work, self._table)
        except (BackendError, TimeoutError) as error:
            await self._give_up(None, error)
        if not self._journal.sound:
            await self._commit(None, work)
            return
        try:
            await asyncio.to_thread(self._journal.append, patch)
        except BackendError as error:
            await self._give_up(work, error)

    async def _commit(self, staged: Snapshot | None, work: Work) -> None:
        """Put a whole table in force on the disk: the staged one, or the one that is here."""
        try:
            if staged is None:
                await self._write_anew()
            else:
                await asyncio.to_thread(self._journal.commit, staged)
        except BackendError as error:
            await self._give_up(work, error)

    async def _give_up(self, work: Work | None, why: BaseException) -> None:
        """Bring the filter back and raise; the next look makes sure."""
        if not isinstance(why, BackendError | TimeoutError):
            raise why
        if work is not None:
            await self._filter.take_back(work)
        kind = ProblemType.STORAGE if isinstance(why, StorageError) else ProblemType.APPLY_FAILED
        raise ProblemError(problem(kind, str(why))) from why

    async def _idle_before(self, delta: Delta, work: Work) -> frozenset[bytes]:
        """Ports without a flow to end, of rules that go: asked while their counters are still there."""
        gone = (key for key in open_keys(delta) if work.cuts.get(key, _STAYS) is None)
        return await self._filter.idle(work.cuts, gone)

    async def _changed(self, delta: Delta, work: Work, idle: frozenset[bytes]) -> PublicRulesReport:
        """End what lost its rule, and report."""
        self._state.epoch = max(self._state.epoch, self._table.epoch)
        # The element of a port that now leads elsewhere stays: asked afterwards, nothing slips in between.
        stayed = (key for key in open_keys(delta) if work.cuts.get(key) is not None)
        idle |= await self._filter.idle(work.cuts, stayed)
        cuts = {key: kept for key, kept in work.cuts.items() if key not in idle}
        report = PublicRulesReport(
            revision=self.revision,
            rules=len(self),
            added=len(delta.after) - delta.changed,
            changed=delta.changed,
            removed=len(delta.before) - delta.changed,
            cut_flows=await self._filter.end_flows(cuts),
        )
        _log.info(events.RULES_CHANGED, revision=self.revision, rules=len(self), cut_flows=report.cut_flows)
        return report

    async def _write_anew(self) -> None:
        body = await asyncio.to_thread(lambda: codec.encode(self._table.document()))
        staged = await asyncio.to_thread(self._journal.stage, self.revision, body)
        await asyncio.to_thread(self._journal.commit, staged)

    def _report(self) -> PublicRulesReport:
        return PublicRulesReport(revision=self.revision, rules=len(self))

    def _ground(self) -> Ground:
        """What rules are measured against now; raises ProblemError where there can be none."""
        enforced = self._state.enforced
        if enforced is None:
            detail = "send the appliance's document first: rules are measured against its allocation"
            raise ProblemError(problem(ProblemType.NOT_CONFIGURED, detail))
        ground = self._ground_of(enforced)
        if ground is None:
            detail = "only a provider appliance publishes services"
            raise ProblemError(problem(ProblemType.WRONG_ROLE, detail))
        return ground

    def _ground_of(self, enforced: InForce | None) -> Ground | None:
        if enforced is None:
            return None
        if self._grounds is None or self._grounds[0] is not enforced:
            self._grounds = (enforced, public_checks.ground(enforced.document))
        return self._grounds[1]

    def _check_base(self, patch: PublicRulesPatch) -> None:
        if patch.base != self.revision:
            detail = f"the table has revision {self.revision}; a change of revision {patch.base} does not fit"
            raise ProblemError(_stale(detail, "/base", self.revision))

    def _admit(self, revision: Revision, epoch: Epoch) -> None:
        """Raises ProblemError unless this is news from the workflow in charge."""
        if epoch < self._state.epoch:
            raise ProblemError(fence.stale(epoch, self._state.epoch, what="this change"))
        if revision <= self.revision:
            detail = f"revision {self.revision} is in force; use {self.revision + 1} or more"
            raise ProblemError(_stale(detail, "/revision", self.revision))


def _stale(detail: str, pointer: str, revision: Revision) -> Problem:
    return problem(ProblemType.STALE_REVISION, detail, pointer=pointer, revision=revision)
