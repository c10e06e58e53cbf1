"""The keeper: one table here, on the disk and in the filter, whatever fails in between."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address

import pytest

from causeway_agent.engine import rules_journal, service
from causeway_agent.engine.admission import Preconditions
from causeway_agent.engine.service import Engine
from causeway_agent.plan.filter import public_elements
from causeway_wire import codec
from causeway_wire.desired import Desired
from causeway_wire.problem import Problem, ProblemError, ProblemType
from causeway_wire.public_rules import PublicRule, PublicRules, PublicRulesPatch, PublicRulesReport
from tests import agents, rules
from tests.agents import Bench
from tests.fakes.fuse import Crash
from tests.fakes.publications import Flow

PUBLIC = ("198.51.100.10", "198.51.100.11")
VM = "192.168.7.20"
FIRST = Preconditions(if_none_match=("*",))
ANY = Preconditions(if_match=("*",))


def rule(name: str, port: int, *, to: int | None = None, sources: tuple[str, ...] = ()) -> PublicRule:
    return rules.rule(name, port, to=to, public=PUBLIC[0], internal=VM, sources=sources)


WHOLE = rules.table(rule("web", 443), rule("mail", 25))


async def apply(engine: Engine, document: Desired, preconditions: Preconditions = FIRST) -> None:
    change, _ = await engine.changes.submit(document, requested_by="tests", preconditions=preconditions)
    final = await engine.records.wait(change.id, seconds=5)
    assert final is not None
    assert final.problem is None, final.problem


@asynccontextmanager
async def running(bench: Bench, *, configured: bool = True) -> AsyncIterator[Engine]:
    async with service.running(bench.engine()) as engine:
        if configured and engine.state.in_force is None:
            await apply(engine, agents.provider(public=PUBLIC))
        yield engine


async def put(engine: Engine, document: PublicRules) -> PublicRulesReport:
    return await engine.rules.put(document, codec.encode(document))


async def refused(engine: Engine, document: PublicRules | PublicRulesPatch) -> Problem:
    sent = put(engine, document) if isinstance(document, PublicRules) else engine.rules.patch(document)
    with pytest.raises(ProblemError) as caught:
        await sent
    return caught.value.problem


def flow(port: int, *, source: str = "203.0.113.9", to: int | None = None) -> Flow:
    each = public_elements.entry(rule("x", port, to=to))
    return Flow(each.key, ip_address(source).packed, public_elements.targets(each)[0])


def same_everywhere(bench: Bench, engine: Engine) -> None:
    """The filter holds the table, and so would an agent that starts now."""
    table = engine.rules.table
    allocation = frozenset(ip_address(each).packed for each in PUBLIC)
    assert bench.publications.sets == table.elements(allocation)
    again, damage = rules_journal.restore(rules_journal.RulesJournal(bench.storage).recover())
    assert damage == ()
    assert (again.revision, again.entries) == (table.revision, table.entries)


async def test_a_table_is_put_changed_and_told() -> None:
    bench = Bench()
    async with running(bench) as engine:
        report = await put(engine, WHOLE)
        assert (report.revision, report.rules, report.added) == (1, 2, 2)
        same_everywhere(bench, engine)
        change = rules.patch(rule("web", 8443), rule("dns", 53), remove=("mail",))
        report = await engine.rules.patch(change)
        assert (report.added, report.changed, report.removed, report.rules) == (1, 1, 1, 2)
        same_everywhere(bench, engine)
        found = await engine.rules.document()
        assert (found.revision, {each.id for each in found.rules}) == (2, {"web", "dns"})


async def test_repeats_are_free_and_stale_ones_refused() -> None:
    bench = Bench()
    async with running(bench) as engine:
        await put(engine, WHOLE)
        effects = bench.fuse.count
        assert (await put(engine, WHOLE)).added == 0
        change = rules.patch(rule("dns", 53))
        await engine.rules.patch(change)
        applied = bench.fuse.count
        assert applied > effects
        assert (await engine.rules.patch(change)).added == 0
        assert bench.fuse.count == applied
        for stale in (
            rules.table(revision=2),
            rules.table(revision=1),
            rules.patch(base=1, revision=3),
            rules.patch(rule("dns", 54), base=2, revision=2),
            rules.patch(base=3),
        ):
            found = await refused(engine, stale)
            assert found.type == ProblemType.STALE_REVISION.urn
            assert found.revision == 2


async def test_an_older_workflow_is_refused_and_a_newer_one_fences_documents_too() -> None:
    bench = Bench()
    async with running(bench) as engine:
        await put(engine, rules.table(rule("web", 443), epoch=7))
        assert (await refused(engine, rules.patch(epoch=6))).type == ProblemType.STALE_EPOCH.urn
        with pytest.raises(ProblemError) as caught:
            await apply(engine, agents.provider(2, epoch=6, public=PUBLIC), ANY)
        assert caught.value.problem.type == ProblemType.STALE_EPOCH.urn
    async with running(bench) as engine:
        assert engine.state.epoch == 7


async def test_rules_need_a_document_and_a_provider() -> None:
    async with running(Bench(), configured=False) as engine:
        assert (await refused(engine, WHOLE)).type == ProblemType.NOT_CONFIGURED.urn
        await apply(engine, agents.tenant())
        assert (await refused(engine, WHOLE)).type == ProblemType.WRONG_ROLE.urn


async def test_a_document_that_would_strand_a_rule_is_refused_by_its_name() -> None:
    async with running(Bench()) as engine:
        await put(engine, WHOLE)
        with pytest.raises(ProblemError, match="public rule web would not fit"):
            await apply(engine, agents.provider(2, public=PUBLIC[1:]), ANY)
        await apply(engine, agents.provider(2, public=PUBLIC[:1]), ANY)


async def test_counters_and_elements_survive_a_restart_untouched() -> None:
    bench = Bench()
    async with running(bench) as engine:
        await put(engine, WHOLE)
    key = flow(443).key
    bench.publications.count("published4", key, 5, 300)
    bench.fuse.mend()
    async with running(bench) as engine:
        assert "change the public rules" not in bench.fuse.log
        assert (await engine.rules.counters(("web",))).counters[0].packets == 5
        assert {each.id: each.bytes for each in (await engine.rules.counters(())).counters} == {
            "web": 300,
            "mail": 0,
        }
        with pytest.raises(ProblemError, match="no rule x"):
            await engine.rules.counters(("x",))
        same_everywhere(bench, engine)


async def test_an_empty_filter_after_a_reboot_is_filled_again() -> None:
    bench = Bench()
    async with running(bench) as engine:
        await put(engine, WHOLE)
    bench.publications.sets = public_elements.nothing()
    async with running(bench) as engine:
        same_everywhere(bench, engine)
        assert engine.state.drift.repairs == 0


async def test_what_somebody_else_did_to_the_filter_is_repaired_and_told() -> None:
    bench = Bench()
    async with running(bench) as engine:
        await put(engine, WHOLE)
        seen = bench.publications.observed
        bench.publications.sets["public4"].clear()
        looked = engine.reconciler.looked.wait()
        engine.reconciler.wake()
        await looked
        assert bench.publications.observed == seen, "no reason to read everything"
        looked = engine.reconciler.looked.wait()
        bench.kernel.feed.emit("link,filter")
        await looked
        same_everywhere(bench, engine)
        assert engine.state.drift.repairs == 1


async def test_a_change_meets_what_somebody_else_did_and_succeeds() -> None:
    bench = Bench()
    async with running(bench) as engine:
        await put(engine, WHOLE)
        bench.publications.sets["published4"].clear()
        await engine.rules.patch(rules.patch(remove=("web",)))
        same_everywhere(bench, engine)


async def test_flows_end_with_their_rule_and_no_others() -> None:
    bench = Bench()
    async with running(bench) as engine:
        await put(engine, rules.table(rule("web", 443), rule("mail", 25), rule("alt", 81)))
        for port in (443, 25, 81):
            bench.publications.count("published4", flow(port).key, 3, 180)
        bench.publications.flows = {flow(443), flow(25), flow(81, source="192.0.2.1"), flow(81)}
        report = await engine.rules.patch(
            rules.patch(rule("alt", 81, sources=("203.0.113.0/24",)), remove=("web",))
        )
        assert report.cut_flows == 2
        assert bench.publications.flows == {flow(25), flow(81)}
        report = await engine.rules.patch(rules.patch(rule("mail", 25, to=26), base=2))
        assert (report.cut_flows, bench.publications.flows) == (1, {flow(81)})


async def test_flows_are_not_looked_for_where_no_packet_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    async with running(bench) as engine:
        await put(engine, WHOLE)

        async def never(_: object) -> int:
            raise AssertionError

        monkeypatch.setattr(bench.publications, "cut", never)
        await engine.rules.patch(rules.patch(rule("web", 443, to=80), remove=("mail",)))


@pytest.mark.parametrize("whole", [True, False])
async def test_what_cannot_be_written_is_taken_back(*, whole: bool) -> None:
    bench = Bench()
    async with running(bench) as engine:
        await put(engine, WHOLE)
        bench.storage.full = True
        change = rules.table(rule("new", 1), revision=2) if whole else rules.patch(remove=("web",))
        assert (await refused(engine, change)).type == ProblemType.STORAGE.urn
        assert engine.rules.revision == 1
        bench.storage.full = False
        same_everywhere(bench, engine)
        await engine.rules.patch(rules.patch(rule("dns", 53)))
        same_everywhere(bench, engine)


async def test_what_the_kernel_refuses_is_not_written() -> None:
    bench = Bench()
    async with running(bench) as engine:
        await put(engine, WHOLE)
        bench.publications.refuse = True
        assert (await refused(engine, rules.patch(remove=("web",)))).type == ProblemType.APPLY_FAILED.urn
        assert (await refused(engine, rules.table(revision=2))).type == ProblemType.APPLY_FAILED.urn
        bench.publications.refuse = False
        same_everywhere(bench, engine)


async def test_a_long_log_becomes_a_table_at_the_next_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules_journal, "LONGEST_LOG", 10)
    bench = Bench()
    async with running(bench) as engine:
        await put(engine, WHOLE)
        await engine.rules.patch(rules.patch(rule("dns", 53)))
        looked = engine.reconciler.looked.wait()
        engine.reconciler.wake()
        await looked
        assert bench.storage.files[rules_journal.LOG].count(b"\n") == 1
        same_everywhere(bench, engine)


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("at", range(1, 9))
@pytest.mark.parametrize("whole", [True, False])
async def test_a_crash_at_any_effect_leaves_the_old_or_the_new_table(
    *, whole: bool, at: int, before: bool
) -> None:
    bench = Bench()
    new = rules.table(rule("new", 443), revision=2)
    change = rules.patch(rule("new", 443), remove=("web", "mail"))
    async with running(bench) as engine:
        await put(engine, WHOLE)
    engine = bench.engine()
    await engine.boot()
    bench.fuse.mend()
    bench.fuse.at, bench.fuse.before = at, before
    answered = False
    with contextlib.suppress(Crash):
        await (put(engine, new) if whole else engine.rules.patch(change))
        answered = True
    bench.fuse.mend()
    async with running(bench) as engine:
        names = set(engine.rules.table.entries)
        assert names in ({"new"}, {"web", "mail"})
        assert not answered or names == {"new"}
        same_everywhere(bench, engine)
