"""The engine as one thing: boots from the journal, runs its tasks, answers what is asked about it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Callable

import msgspec
import structlog

from causeway_agent.engine import events, report, rounds
from causeway_agent.engine.admission import IDLE, failover_mode, role_name
from causeway_agent.engine.changes import ChangeRunner
from causeway_agent.engine.journal import Journal
from causeway_agent.engine.loads import Loads
from causeway_agent.engine.machine import Machine
from causeway_agent.engine.public_rules import RuleKeeper
from causeway_agent.engine.reconcile import Pace, Reconciler
from causeway_agent.engine.records import Records
from causeway_agent.engine.refusals import Refusals
from causeway_agent.engine.revocations import Revocations
from causeway_agent.engine.rules_journal import RulesJournal
from causeway_agent.engine.shares import Shares
from causeway_agent.engine.state import InForce, State
from causeway_agent.engine.updates import Updates
from causeway_agent.engine.watch import Watch
from causeway_agent.errors import BackendError, Bug, CompileError
from causeway_agent.plan.compile import compiler, revocation, trunks
from causeway_agent.plan.explain import bridged as explain_bridged
from causeway_agent.plan.explain import explanation
from causeway_agent.plan.explain import services as explain_services
from causeway_agent.plan.explain.packet import Explanation, Packet
from causeway_agent.plan.model.objects import Claim
from causeway_agent.plan.model.target import Facts, Target
from causeway_agent.plan.steer import coverage
from causeway_wire.change import Change, ChangeState
from causeway_wire.desired import Desired, Management, Nic, Vlan
from causeway_wire.observed import ApplianceState, CounterReport, Health, Observed
from causeway_wire.problem import Problem, ProblemType, combine, problem
from causeway_wire.types import ChangeId

DRAIN_SECONDS = 10.0
"""How long an ending agent lets a change finish."""

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class Engine:
    """Owns the state. Made, booted and ended by `running`."""

    def __init__(
        self,
        *,
        machine: Machine,
        journal: Journal,
        rules: RulesJournal,
        base: Callable[[Facts], Target],
        management: Management,
        nics: tuple[Nic, ...],
        vlans: tuple[Vlan, ...] = (),
        pace: Pace,
    ) -> None:
        self.state = State()
        self.watch = Watch(machine.neighbours, clock=machine.clock, state=self.state)
        self.loads = Loads(machine.loads, state=self.state)
        self.shares = Shares(machine.connections, clock=machine.clock, state=self.state)
        self.machine = machine = dataclasses.replace(machine, neighbours=self.watch)
        self.records = Records(())
        self._journal = journal
        self._rules_journal = rules
        self._base = base
        self._first_management = management
        self._first_nics, self._first_vlans = nics, vlans
        self._pace = pace
        self._started = machine.clock.now()
        self.revocations = Revocations(lambda: self.management, machine.clock)
        self.refusals = Refusals(machine.clock)
        self.updates = Updates(machine.slots, health=self.health, in_flight=lambda: self.changes.in_flight)
        self._changes: ChangeRunner | None = None
        self._reconciler: Reconciler | None = None
        self._rules: RuleKeeper | None = None

    @property
    def changes(self) -> ChangeRunner:
        """The change runner, once booted."""
        if self._changes is None:
            raise Bug("the engine has not booted")
        return self._changes

    @property
    def reconciler(self) -> Reconciler:
        """The reconciler, once booted."""
        if self._reconciler is None:
            raise Bug("the engine has not booted")
        return self._reconciler

    @property
    def rules(self) -> RuleKeeper:
        """The keeper of the public rules, once booted."""
        if self._rules is None:
            raise Bug("the engine has not booted")
        return self._rules

    @property
    def management(self) -> Management:
        """Where the agent listens now: as the document says, or before the first one as first boot said."""
        enforced = self.state.enforced
        return enforced.document.management if enforced is not None else self._first_management

    async def boot(self) -> None:
        """Read the journal and look once; whatever is found, the engine serves afterwards."""
        recovered = await asyncio.to_thread(self._journal.recover)
        pointer = self._journal.pointer
        state = self.state
        state.damage["journal"] = recovered.damage
        for sentence in recovered.damage:
            _log.error(events.JOURNAL_DAMAGED, reason=sentence)
        await self._mend_journal()
        state.epoch = pointer.epoch
        if recovered.document is not None:
            state.in_force = InForce.of(recovered.document)
        if pointer.attempted is not None:
            state.attempted = (pointer.attempted.generation, pointer.attempted.checksum)
            if state.in_force is not None and pointer.attempted == pointer.current:
                # A newer agent may write the same document in other words; only its meaning counts.
                state.attempted = (pointer.attempted.generation, state.in_force.digest)
        self.records = Records(recovered.changes)
        await self._remember_leftovers(recovered.interrupted)
        lock = asyncio.Lock()
        self._rules = RuleKeeper(
            publications=self.machine.publications,
            journal=self._rules_journal,
            clock=self.machine.clock,
            state=state,
            lock=lock,
        )
        await self._rules.recover()
        self._changes = ChangeRunner(
            machine=self.machine,
            journal=self._journal,
            state=state,
            lock=lock,
            records=self.records,
            rules=self._rules,
            base=self._base,
        )
        self._reconciler = Reconciler(
            machine=self.machine,
            state=state,
            lock=lock,
            rules=self._rules,
            base=self._base,
            pace=self._pace,
        )
        self.watch.contested = self._contested
        if await self._reconciler.look():
            _log.info(events.AGENT_READY, generation=state.conforming)
        else:
            if recovered.interrupted is not None:
                await self._reconciler.close()
            self._reconciler.wake()
        await self._conclude_interrupted()

    async def run(self) -> None:
        """Changes and reconciliation until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.changes.run())
            tasks.create_task(self.reconciler.run())
            tasks.create_task(self.watch.run())
            tasks.create_task(rounds.keep(self.machine.clock, self.shares, self.loads))
            tasks.create_task(self._wake_after_changes())

    async def observed(self) -> Observed:
        """The observed document."""
        state, latest = self.state, self.records.latest()
        nics = await self.machine.kernel.nics()
        document = state.enforced.document if state.enforced is not None else None
        named = (document.nics, document.vlans) if document else (self._first_nics, self._first_vlans)
        return Observed(
            appliance=self.machine.constants.appliance,
            state=self.appliance_state(),
            observed_generation=state.conforming,
            epoch=state.epoch,
            role=role_name(state.enforced) if state.enforced is not None else None,
            failover=failover_mode(document) if document is not None else IDLE,
            change=latest.id if latest is not None else None,
            nics=tuple(
                msgspec.structs.replace(nic, name=trunks.name(nic.device, nic.mac, *named)) for nic in nics
            ),
            tunnels=self.machine.processes.tunnels(),
            drift=state.drift,
            problem=self.problem(),
            coverage=coverage.coverage(
                document, report.held(nics), rules=len(self.rules), revision=self.rules.revision
            ),
            counters=await self.counters(),
            duplicates=(*state.duplicates, *state.contested),
            neighbours=state.tables,
            connections=state.connections,
            slowed=state.slowed,
            foreign=state.foreign,
            revoked=(*self.revocations.report(), *revocation.at_tunnels(document)),
            refused=self.refusals.report(),
            started=self._started,
        )

    def appliance_state(self) -> ApplianceState:
        """Where the appliance stands now."""
        in_flight = self.changes.in_flight
        if in_flight is not None and in_flight.state is not ChangeState.AWAITING:
            return ApplianceState.APPLYING
        if self.problem() is not None:
            return ApplianceState.DEGRADED
        if in_flight is not None:
            return ApplianceState.APPLYING
        return ApplianceState.UNCONFIGURED if self.state.in_force is None else ApplianceState.READY

    def problem(self) -> Problem | None:
        """Why the appliance is degraded: what could not be repaired, else what is wrong with its tunnels."""
        if self.state.trouble is not None:
            return self.state.trouble
        impaired = report.impairments(self.machine.processes.tunnels())
        return combine(impaired) if impaired else None

    def health(self) -> Health:
        """Whether the appliance conforms to its document, or without one to the closed target."""
        if self.state.settled:
            return Health(healthy=True)
        why = self.state.problem.detail if self.state.problem is not None else "not looked yet"
        return Health(healthy=False, reason=why)

    async def counters(self) -> tuple[CounterReport, ...]:
        """Named counters of the packet filter; none while it cannot be asked."""
        return await report.counters(self.machine.firewall)

    async def explain(self, packet: Packet, *, entry: str | None = None) -> Explanation:
        """The path of a packet, entering where it belongs or on the device named; raises Bug before the first
        look.
        """
        target = self.state.target
        if target is None:
            raise Bug("nothing has been looked at yet")
        seen = await self.machine.observe(target)
        enforced = self.state.enforced
        document = enforced.document if enforced is not None else None
        return explanation.explain(
            packet,
            seen,
            tunnels=self.machine.processes.tunnels(),
            services=explain_services.services(self.rules.table, document),
            bridged=explain_bridged.networks(document),
            entry=entry,
        )

    async def _mend_journal(self) -> None:
        try:
            await asyncio.to_thread(self._journal.mend)
        except BackendError as error:
            self.state.damage["disk"] = (str(error),)
            _log.error(events.JOURNAL_DAMAGED, reason=str(error))

    def _contested(self, claim: Claim) -> None:
        """Another machine has an address of ours, or no longer. A change that awaits its confirmation is
        taken back when a claim of its own was answered late.
        """
        if claim in self.state.released:
            self.changes.refuse_contested()
        self.reconciler.wake()

    async def _remember_leftovers(self, interrupted: Desired | None) -> None:
        if interrupted is None:
            return
        try:
            target = compiler.compile_document(interrupted, await self.machine.facts())
        except (CompileError, BackendError, TimeoutError):
            return  # what cannot be named cannot have been applied by name
        self.state.leftovers = (target,)

    async def _conclude_interrupted(self) -> None:
        """Give changes that a restart cut their final state."""
        current = self._journal.pointer.current
        for change in self.records.all():
            if change.final:
                continue
            done = current is not None and current.change == change.id
            why = problem(ProblemType.APPLY_FAILED, "cut by a restart; the document before it is in force")
            undone = ChangeState.FAILED if change.deadline is None else ChangeState.ROLLED_BACK
            final = msgspec.structs.replace(
                change,
                state=ChangeState.DONE if done else undone,
                problem=None if done else why,
                finished=self.machine.clock.now(),
            )
            _log.warning(events.CHANGE_INTERRUPTED, change=change.id, in_force=done)
            if change.deadline is not None and self.state.settled:
                await self._disarm(change.id)
            await self._conclude(final)

    async def _disarm(self, change: ChangeId) -> None:
        try:
            await self.machine.dead_man.disarm(change)
        except BackendError as error:
            _log.warning(events.DEAD_MAN_FAILED, change=change, reason=str(error))

    async def _conclude(self, change: Change) -> None:
        self.records.update(change)
        try:
            await asyncio.to_thread(self._journal.conclude, change)
        except BackendError as error:
            _log.error(events.JOURNAL_DAMAGED, reason=str(error))

    async def _wake_after_changes(self) -> None:
        while True:
            await self.changes.finished.wait()
            self.reconciler.wake()


@contextlib.asynccontextmanager
async def running(engine: Engine) -> AsyncIterator[Engine]:
    """Boot, run the tasks, and at the end let a change finish. What was applied stays in the kernel."""
    await engine.boot()
    async with asyncio.TaskGroup() as tasks:
        work = tasks.create_task(engine.run())
        try:
            yield engine
            await engine.changes.drain(DRAIN_SECONDS)
        finally:
            work.cancel()
