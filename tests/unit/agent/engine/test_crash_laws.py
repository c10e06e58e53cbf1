"""Laws of the engine over random documents, decisions, crashes, torn writes, reboots and meddling."""

from __future__ import annotations

import contextlib
from unittest import mock

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from causeway_agent.engine import confirmation
from causeway_agent.engine.admission import Preconditions
from causeway_agent.engine.journal import Journal
from causeway_agent.engine.service import Engine
from causeway_agent.plan.model.objects import Link, Sysctl
from causeway_wire.change import Change, ChangeState
from causeway_wire.desired import Desired
from causeway_wire.problem import ProblemError
from tests import documents
from tests.crashing import FOREIGN, OPENERS, Cut, World

LATER = 1e12
"""A connection accepted after everything."""
CONFIRM = 100

PROVIDERS = st.one_of(documents.PROVIDERS, documents.TRUNKED, documents.PROVIDERS.map(documents.bridged))
TENANTS = st.one_of(documents.TENANTS, documents.TENANTS.map(documents.bridged))
CUTS = st.builds(Cut, at=st.integers(1, 60), before=st.booleans(), torn=st.booleans())
MAYBE = st.one_of(st.none(), CUTS)


async def submit(engine: Engine, document: Desired, *, confirm: int | None) -> Change | None:
    """Send the document; None when it is refused."""
    first = engine.state.in_force is None
    try:
        change, _ = await engine.changes.submit(
            document,
            requested_by="tests",
            preconditions=Preconditions(if_none_match=("*",)) if first else Preconditions(if_match=("*",)),
            confirm=confirm,
            escalate=True,
        )
    except ProblemError:
        return None
    # The record of what is in force may be the one that was torn: what is told of it then is final at once.
    return change if change.final else await engine.records.wait(change.id, seconds=10)


class Appliance(RuleBasedStateMachine):
    """An appliance, what its controller knows about it, and all that can befall it."""

    def __init__(self) -> None:
        super().__init__()
        self.naps = mock.patch.object(confirmation, "LONGEST_SLEEP", 0.005)
        self.naps.start()
        self.world = World()
        self.generation = 0
        self.torn = False
        self.in_force: Desired | None = None
        self.tentative: Desired | None = None
        self.awaiting: Change | None = None
        self.taken_back: Desired | None = None
        """Accepted before, and not in force."""

    def teardown(self) -> None:
        self.world.close()
        self.naps.stop()

    @initialize(kind=st.sampled_from([PROVIDERS, TENANTS]))
    def an_appliance_boots(self, kind: st.SearchStrategy[Desired]) -> None:
        self.kind = kind
        self.world.allow(None)
        assert self.world.start()

    @precondition(lambda self: self.awaiting is None)
    @rule(data=st.data(), confirmed=st.booleans(), cut=MAYBE, reboot=st.booleans(), again=MAYBE)
    def a_document_is_sent(
        self, *, data: st.DataObject, confirmed: bool, cut: Cut | None, reboot: bool, again: Cut | None
    ) -> None:
        self.generation += 1
        new = msgspec.structs.replace(data.draw(self.kind), generation=self.generation)
        confirm = CONFIRM if confirmed else None
        self.world.allow(self.in_force, new)
        change = self.world.do(lambda engine: submit(engine, new, confirm=confirm), self.once_torn(cut))
        if not self.world.running:
            self.come_back(may_be=() if confirmed else (new,), reboot=reboot, again=again)
        elif change is not None and change.state is ChangeState.AWAITING:
            self.awaiting, self.tentative = change, new
        elif change is not None and change.state is ChangeState.DONE:
            self.in_force = new
        elif change is not None:
            self.taken_back = new

    @precondition(lambda self: self.awaiting is not None)
    @rule(cut=MAYBE, reboot=st.booleans(), again=MAYBE)
    def it_is_confirmed(self, *, cut: Cut | None, reboot: bool, again: Cut | None) -> None:
        assert self.awaiting is not None
        assert self.tentative is not None
        name, tentative = self.awaiting.id, self.tentative
        done = self.world.do(
            lambda engine: engine.changes.decisions.confirm(name, connected=LATER, epoch=1),
            self.once_torn(cut),
        )
        self.awaiting = self.tentative = None
        if not self.world.running:
            self.come_back(may_be=(tentative,), reboot=reboot, again=again)
            return
        assert done is not None
        assert done.state is ChangeState.DONE
        self.in_force = tentative

    @precondition(lambda self: self.awaiting is not None)
    @rule(late=st.booleans(), cut=MAYBE, reboot=st.booleans(), again=MAYBE)
    def it_is_cancelled_or_too_late(
        self, *, late: bool, cut: Cut | None, reboot: bool, again: Cut | None
    ) -> None:
        assert self.awaiting is not None
        name = self.awaiting.id

        async def end(engine: Engine) -> Change | None:
            if late:
                self.world.bench.clock.advance(10 * CONFIRM)
                return await engine.records.wait(name, seconds=10, final=True)
            return await engine.changes.decisions.cancel(name, epoch=1)

        ended = self.world.do(end, self.once_torn(cut))
        self.taken_back = self.tentative
        self.awaiting = self.tentative = None
        if not self.world.running:
            self.come_back(may_be=(), reboot=reboot, again=again)
            return
        assert ended is not None
        assert ended.state is ChangeState.ROLLED_BACK

    @precondition(lambda self: self.awaiting is not None)
    @rule(cut=MAYBE)
    def its_deadline_is_extended(self, cut: Cut | None) -> None:
        assert self.awaiting is not None
        name = self.awaiting.id
        extended = self.world.do(
            lambda engine: engine.changes.decisions.extend(name, seconds=CONFIRM, epoch=1),
            self.once_torn(cut),
        )
        if not self.world.running:
            self.come_back(may_be=(), reboot=False, again=None)
            return
        assert extended is not None
        self.awaiting = extended

    @rule(orderly=st.booleans(), reboot=st.booleans(), again=MAYBE)
    def the_agent_ends(self, *, orderly: bool, reboot: bool, again: Cut | None) -> None:
        if orderly:
            self.world.stop()
        else:
            self.world.kill()
        self.come_back(may_be=(), reboot=reboot, again=again)

    @rule(data=st.data())
    def somebody_meddles(self, data: st.DataObject) -> None:
        bench = self.world.bench
        ours = sorted((o for o in bench.kernel.objects.values() if o != FOREIGN), key=repr)
        bench.kernel.meddle(data.draw(st.sampled_from(ours)))
        if data.draw(st.booleans()):
            bench.firewall.policy = None
        if data.draw(st.booleans()):
            bench.processes.crash()
        self.world.forget()

        async def nothing(_: Engine) -> None:
            """Only what the agent does by itself."""

        self.world.do(nothing)

    @precondition(lambda self: self.in_force is not None and self.awaiting is None)
    @rule()
    def the_same_document_is_sent_again(self) -> None:
        document = self.in_force
        assert document is not None
        found = self.world.do(lambda engine: submit(engine, document, confirm=None))
        assert found is not None
        assert found.state is ChangeState.DONE
        assert self.world.power.count == 0

    @precondition(lambda self: self.taken_back is not None and self.awaiting is None)
    @rule(confirmed=st.booleans())
    def a_copy_of_what_was_taken_back_comes_late(self, *, confirmed: bool) -> None:
        late = self.taken_back
        assert late is not None
        self.world.allow(self.in_force)
        confirm = CONFIRM if confirmed else None
        assert self.world.do(lambda engine: submit(engine, late, confirm=confirm)) is None

    @invariant()
    def the_machine_is_what_the_document_means(self) -> None:
        if self.world.running:
            assert self.world.holds(self.tentative or self.in_force) == []

    @invariant()
    def management_was_never_lost(self) -> None:
        assert self.world.lost == []

    @invariant()
    def nothing_was_allowed_that_no_document_allows(self) -> None:
        assert self.world.excess == []

    @invariant()
    def the_journal_can_be_read(self) -> None:
        recovered = Journal(self.world.storage).recover()
        assert recovered.document == self.in_force
        assert self.torn or recovered.damage == ()

    def once_torn(self, cut: Cut | None) -> Cut | None:
        """Disks that lie do so once: nothing survives all its copies being spoilt."""
        if cut is None or (self.torn and cut.torn):
            return None if cut is None else Cut(cut.at, cut.before, torn=False)
        self.torn = self.torn or cut.torn
        return cut

    def come_back(self, *, may_be: tuple[Desired, ...], reboot: bool, again: Cut | None) -> None:
        """Start the agent again, perhaps twice; it is at the document before or at one of these."""
        if reboot:
            self.world.reboot()
        if not self.world.start(self.once_torn(again)):
            assert self.world.start()
        state = self.world.engine.state
        found = state.in_force.document if state.in_force is not None else None
        assert found in (self.in_force, *may_be)
        self.taken_back = self.tentative or self.taken_back
        self.in_force, self.tentative, self.awaiting = found, None, None
        assert all(change.final for change in self.world.engine.records.all())

        async def nothing(_: Engine) -> None:
            """Wait until it rests."""

        self.world.do(nothing)
        assert self.torn or self.world.bench.dead_man.armed == {}


@pytest.mark.timeout(120)
def test_a_crash_after_any_prefix_recovers_to_previous_or_target() -> None:
    law = settings(
        deadline=None, max_examples=60, stateful_step_count=15, suppress_health_check=list(HealthCheck)
    )
    run_state_machine_as_test(Appliance, settings=law)


LAW = settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
PAIRS = st.one_of(st.tuples(PROVIDERS, PROVIDERS), st.tuples(TENANTS, TENANTS))


@pytest.mark.timeout(60)
@LAW
@given(pair=PAIRS)
def test_rollback_after_apply_restores_observed(pair: tuple[Desired, Desired]) -> None:
    old, new = pair[0], msgspec.structs.replace(pair[1], generation=2)
    with contextlib.closing(World()) as world:
        world.allow(None, old, new)
        assert world.start()
        world.do(lambda engine: submit(engine, old, confirm=None))
        before = observed(world)
        change = world.do(lambda engine: submit(engine, new, confirm=CONFIRM))
        if change is not None:
            name = change.id
            world.do(lambda engine: engine.changes.decisions.cancel(name, epoch=1))
        assert observed(world) == before


def observed(world: World) -> object:
    """The machine; of settings only what lets packets through or answers for others."""
    here = world.bench.kernel.objects.values()
    objects = {o for o in here if not isinstance(o, Link | Sysctl)}
    open_ = {o for o in here if isinstance(o, Sysctl) and o.key.endswith(OPENERS) and o.value != "0"}
    return objects, open_, world.bench.firewall.policy, world.bench.processes.running()


@pytest.mark.timeout(60)
@LAW
@given(document=st.one_of(PROVIDERS, TENANTS), confirmed=st.booleans())
def test_same_generation_is_free(*, document: Desired, confirmed: bool) -> None:
    with contextlib.closing(World()) as world:
        world.allow(None, document)
        assert world.start()
        first = world.do(lambda engine: submit(engine, document, confirm=CONFIRM if confirmed else None))
        again = world.do(lambda engine: repeat(engine, document))
        assert (again, world.power.count) == (first, 0)


async def repeat(engine: Engine, document: Desired) -> Change:
    """Send it once more, as a controller does that lost the answer: without knowing what is in force."""
    change, accepted = await engine.changes.submit(
        document, requested_by="tests", preconditions=Preconditions()
    )
    assert not accepted
    return change
