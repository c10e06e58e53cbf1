"""The table of public rules: what is refused and where, and that a change touches what it changes."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from causeway_agent.errors import CompileError
from causeway_agent.plan.filter import public_checks, public_elements, public_rules
from causeway_agent.plan.filter.public_rules import MAX_ELEMENTS, MAX_SOURCE_ELEMENTS, MAX_TARGETS, Table
from causeway_agent.plan.model.checks import Findings
from causeway_wire.problem import ProblemType
from causeway_wire.public_rules import Protocol, PublicRule
from tests import documents
from tests.rules import NEIGHBOUR4, OTHER4, PUBLIC4, PUBLIC6, VM4, VM6, ground, held, patch, rule, table

Place = tuple[ProblemType, str]


def refused(*rules: PublicRule) -> list[Place]:
    """Kind and pointer of every problem of this table."""
    with pytest.raises(CompileError) as caught:
        held(*rules)
    kinds = {kind.urn: kind for kind in ProblemType}
    return [(kinds[each.type], str(each.pointer)) for each in caught.value.problems]


def test_any_port_may_lead_to_ssh_but_port_22_is_never_public() -> None:
    assert len(held(rule("ssh", 2222, to=22))) == 1
    for each in (
        rule(port=22, to=2222),
        rule(port=20, last=25),
        rule(port=22, protocol=Protocol.UDP),
        rule(port=22, public=PUBLIC6, internal=VM6),
        rule(port=22, sources=("203.0.113.0/24",)),
    ):
        assert refused(each) == [(ProblemType.RESERVED_PORT, "/rules/0/public_port")]


@pytest.mark.parametrize("port", [8443, 22, 1195, 1197], ids=["agent", "ssh", "vpn", "another vpn"])
def test_the_appliances_own_ports_are_refused_where_it_has_them(port: int) -> None:
    desired = documents.provider(public=(*documents.PUBLIC, "10.9.0.2"))
    on = ground(desired)
    own = public_elements.entry(rule(port=port, public="10.9.0.2"))
    findings = Findings()
    assert not public_checks.check(own, on, "", findings)
    assert [each.type for each in findings.problems] == [ProblemType.RESERVED_PORT.urn]
    if port != 22:
        assert public_checks.check(public_elements.entry(rule(port=port)), on, "", findings)


@pytest.mark.parametrize(
    ("wrong", "kind", "member"),
    [
        (rule(public="198.51.100.77"), ProblemType.OUTSIDE_ALLOCATION, "public_address"),
        (rule(internal="192.168.7.9"), ProblemType.OUTSIDE_NETWORK, "internal_address"),
        (rule(internal="192.168.0.1"), ProblemType.DUPLICATE, "internal_address"),
        (rule(internal="192.168.0.5"), ProblemType.DUPLICATE, "internal_address"),
        (rule(internal=VM6), ProblemType.INVALID, "internal_address"),
        (rule(sources=("2001:db8:1::/48",)), ProblemType.INVALID, "sources/0"),
        (rule(port=100, last=99), ProblemType.INVALID, "public_port_end"),
        (rule(port=100, last=200, to=65500), ProblemType.INVALID, "internal_port"),
    ],
    ids=["public", "inside", "gateway", "appliance", "family", "source family", "backward", "past the end"],
)
def test_each_mistake_is_named_at_its_member(wrong: PublicRule, kind: ProblemType, member: str) -> None:
    assert refused(rule("good", 80), wrong) == [(kind, f"/rules/1/{member}")]
    with pytest.raises(CompileError) as caught:
        held(rule("good", 80)).change(patch(rule("fine", 81), wrong), ground())
    assert [each.pointer for each in caught.value.problems] == [f"/put/1/{member}"]


def test_addresses_for_rehearsals_may_be_published_and_translate_nothing_that_leaves() -> None:
    on = ground(documents.provider(public=documents.PUBLIC))
    test = public_elements.entry(rule(public=documents.TEST[0]))
    findings = Findings()
    assert public_checks.check(test, on, "", findings), findings.problems
    found = held(rule("tried", public=documents.TEST[0]))
    assert found.elements(on.allocation)["source4"] == {}


@pytest.mark.parametrize(
    "second",
    [
        rule("second", 443, internal=NEIGHBOUR4),
        rule("second", 400, last=500),
        rule("second", 443, sources=("203.0.113.0/24",)),
    ],
    ids=["same", "range", "sources"],
)
def test_a_public_port_belongs_to_one_rule_and_the_other_is_named(second: PublicRule) -> None:
    assert refused(rule("first"), second) == [(ProblemType.DUPLICATE, "/rules/1/public_port")]
    with pytest.raises(CompileError, match="rule first's"):
        held(rule("first"), second)
    with pytest.raises(CompileError, match="rule first's"):
        held(rule("first")).change(patch(second), ground())


def test_ports_of_another_protocol_or_address_are_other_ports() -> None:
    assert len(held(rule("a"), rule("b", protocol=Protocol.UDP), rule("c", public=OTHER4))) == 3


def test_names_are_unique_and_what_is_removed_exists() -> None:
    assert refused(rule("a", 1), rule("a", 2)) == [(ProblemType.DUPLICATE, "/rules/1/id")]
    found = held(rule("a", 1))
    with pytest.raises(CompileError) as caught:
        found.change(patch(rule("b", 3), rule("b", 4), remove=("a", "x", "a")), ground())
    pointers = [each.pointer for each in caught.value.problems]
    assert pointers == ["/remove/1", "/remove/2", "/put/1/id"]
    assert set(found.entries) == {"a"}


def test_one_answer_names_no_more_than_a_hundred_mistakes() -> None:
    assert len(refused(*(rule(f"r{n}", n + 1, internal="10.0.0.1") for n in range(300)))) == 100


def test_the_published_limits_are_enforced_before_memory_is_spent() -> None:
    whole = [rule(f"r{n}", 23, last=65535, protocol=p) for n, p in enumerate(Protocol)]
    assert refused(*whole, rule("more", 23, last=65535, public=OTHER4)) == [(ProblemType.INVALID, "/rules/2")]
    assert MAX_ELEMENTS >= 2 * (65535 - 22)
    sources = tuple(f"203.0.{n}.0/24" for n in range(64))
    many = rule("many", 1000, last=1000 + MAX_SOURCE_ELEMENTS // 64, sources=sources)
    assert refused(many) == [(ProblemType.INVALID, "/rules/0")]


def test_rules_lead_to_as_many_addresses_as_the_set_of_sources_holds() -> None:
    inside = [f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in range(MAX_TARGETS + 1)]
    many = [rule(f"r{n}", n % 60000 + 1000, internal=at) for n, at in enumerate(inside)]
    found = Table()
    fits, _ = found.whole(table(*many[:-1]), None)
    assert len(fits) == MAX_TARGETS
    with pytest.raises(CompileError) as caught:
        found.whole(table(*many), None)
    pointers = [each.pointer for each in caught.value.problems]
    assert pointers == [f"/rules/{MAX_TARGETS}/internal_address"]
    again = rule("again", 500, internal=inside[0])
    fits, _ = found.whole(table(*many[:-1], again), None)
    assert len(fits) == MAX_TARGETS + 1


def test_a_refused_change_leaves_the_table_as_it_was() -> None:
    found = held(rule("a", 1), rule("b", 2))
    before = found.elements(ground().allocation)
    with pytest.raises(CompileError):
        found.change(patch(rule("c", 3), rule("d", 2), remove=("a",)), ground())
    assert (found.revision, set(found.entries)) == (1, {"a", "b"})
    assert found.elements(ground().allocation) == before


def test_removed_before_put_a_port_may_change_hands_in_one_change() -> None:
    found = held(rule("a", 1))
    found.change(patch(rule("b", 1, internal=NEIGHBOUR4), remove=("a",)), ground())
    assert set(found.entries) == {"b"}


def test_a_repeat_is_known_by_revision_and_content() -> None:
    found = held(rule("a", 1))
    assert found.holds(table(rule("a", 1)))
    assert not found.holds(table(rule("a", 2)))
    assert not found.holds(table(rule("a", 1), revision=2))
    change = patch(rule("b", 2), remove=("a",))
    assert not found.in_place(change)
    found.change(change, ground())
    assert found.in_place(change)
    assert not found.in_place(patch(rule("b", 3), remove=("a",)))


def test_what_a_vm_sends_leaves_with_the_lowest_public_address_that_publishes_it() -> None:
    found = held(rule("high", 1, public=OTHER4), rule("six", 1, public=PUBLIC6, internal=VM6))
    allocation = ground().allocation
    address = public_elements.entry(rule())
    assert (
        found.elements(allocation)["source4"][address.internal]
        == public_elements.entry(rule(public=OTHER4)).public
    )
    found.change(patch(rule("low", 2, public=PUBLIC4)), ground())
    assert found.elements(allocation)["source4"][address.internal] == address.public
    assert len(found.elements(allocation)["source6"]) == 1
    found.change(patch(remove=("low", "high"), base=2), ground())
    assert found.elements(allocation)["source4"] == {}


def test_a_document_that_a_rule_would_not_fit_is_refused_by_its_name() -> None:
    found = held(rule("web"), rule("mail", 25, public=OTHER4))
    found.check(ground())
    smaller = documents.provider(public=(PUBLIC4,))
    with pytest.raises(CompileError, match="public rule mail would not fit") as caught:
        found.check(ground(smaller))
    assert [each.type for each in caught.value.problems] == [ProblemType.OUTSIDE_ALLOCATION.urn]
    with pytest.raises(CompileError, match="public rule web would not fit"):
        found.check(public_checks.ground(documents.tenant()))


RULES = st.builds(
    lambda name, port, width, public, internal, protocol, sources: rule(
        name,
        port,
        last=None if width == 0 else port + width,
        public=public,
        internal=internal,
        protocol=protocol,
        sources=sources,
    ),
    st.sampled_from("abcdef"),
    st.integers(30, 40),
    st.integers(0, 3),
    st.sampled_from((PUBLIC4, OTHER4)),
    st.sampled_from((VM4, NEIGHBOUR4)),
    st.sampled_from(Protocol),
    st.sampled_from(((), (), ("203.0.113.0/24", "203.0.113.128/25"), ("192.0.2.7/32", "10.0.0.0/8"))),
)
CHANGES = st.lists(st.tuples(st.lists(RULES, max_size=3), st.sets(st.sampled_from("abcdef"))), max_size=8)


@given(CHANGES)
def test_the_work_of_every_change_leads_to_the_elements_of_its_table(
    changes: list[tuple[list[PublicRule], set[str]]],
) -> None:
    found, allocation = held(rule("a", 50)), ground().allocation
    held_elements = found.elements(allocation)
    for put, remove in changes:
        change = patch(*put, remove=tuple(remove), base=found.revision)
        sources = found.sources(allocation, found.touched(change))
        try:
            delta = found.change(change, ground())
        except CompileError:
            assert found.elements(allocation) == held_elements
            continue
        work = public_rules.work(found, delta, allocation, sources)
        for name, gone in work.delete.items():
            for key, data in gone.items():
                assert held_elements[name].pop(key) == data
        for name, come in work.add.items():
            assert not held_elements[name].keys() & come.keys()
            held_elements[name].update(come)
        assert held_elements == found.elements(allocation)
        again = Table().whole(table(*(e.rule for e in found.entries.values())), ground())[0]
        assert again.elements(allocation) == held_elements
        if work.cuts:
            assert delta.before
        found.undo(delta)
        assert found.revision == delta.revision
        found.change(change, ground())


def test_flows_are_cut_where_their_rule_went_or_leads_elsewhere_and_nowhere_else() -> None:
    found = held(
        rule("gone", 1),
        rule("moved", 2),
        rule("narrow", 3),
        rule("same", 4),
        rule("wide", 5, sources=("10.0.0.0/8",)),
    )
    same = msgspec.structs.replace(rule("same", 4), description="only words")
    change = patch(
        rule("moved", 2, internal=NEIGHBOUR4),
        rule("narrow", 3, sources=("203.0.113.0/24",)),
        same,
        rule("wide", 5),
        remove=("gone",),
    )
    delta = found.change(change, ground())
    cuts = public_elements.cuts(delta.before.values(), found.owner)
    ports = {int.from_bytes(key[-4:-2], "big"): kept for key, kept in cuts.items()}
    assert set(ports) == {1, 2, 3}
    assert ports[1] is None
    inside, outside = bytes((203, 0, 113, 9)), bytes((192, 0, 2, 9))
    narrow = ports[3]
    assert narrow is not None
    assert public_elements.permits(narrow, inside, narrow.target)
    assert not public_elements.permits(narrow, outside, narrow.target)
    moved = ports[2]
    assert moved is not None
    assert not public_elements.permits(moved, inside, narrow.target)
