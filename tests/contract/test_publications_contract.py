"""One suite for every keeper of elements: the fake, and the real kernel (in a sandbox)."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from causeway_agent.backends.filter.publications import NftPublications
from causeway_agent.engine import ports
from causeway_agent.errors import BackendError
from causeway_agent.plan.filter import public_elements, ruleset
from causeway_agent.plan.filter.public_elements import Elements
from causeway_agent.plan.model.policy import Policy
from causeway_lab import sandbox
from causeway_wire.public_rules import Protocol, PublicRule
from tests.fakes.firewall import FakeFirewall
from tests.fakes.publications import FakePublications
from tests.rules import NEIGHBOUR4, OTHER4, PUBLIC6, VM6, held, rule

RULES = (
    rule("web", 443, to=8443),
    rule("range", 5000, last=5009, to=6000, protocol=Protocol.UDP),
    rule("six", 443, public=PUBLIC6, internal=VM6),
    rule("some", 8080, sources=("203.0.113.0/24", "192.0.2.7/32")),
    rule("band", 7000, last=7003, public=OTHER4, internal=NEIGHBOUR4, sources=("10.0.0.0/8",)),
    rule("some six", 8080, public=PUBLIC6, internal=VM6, sources=("2001:db8:77::/48",)),
)
ALLOCATION = frozenset(each.public_address.packed for each in RULES)


class Held:
    """Publications, and a way to load the first policy."""

    def __init__(self, publications: ports.Publications, load: Callable[[], object]) -> None:
        self.publications, self.load = publications, load


def nft(text: str) -> None:
    subprocess.run(("nft", "-f", "-"), input=text, text=True, check=True)


@pytest_asyncio.fixture(params=["fake", pytest.param("real", marks=pytest.mark.kernel)])
async def kept(request: pytest.FixtureRequest) -> AsyncIterator[Held]:
    if request.param == "fake":
        firewall = FakeFirewall()
        yield Held(FakePublications(firewall), lambda: setattr(firewall, "policy", Policy()))
        return
    assert sandbox.inside()
    async with NftPublications.open() as publications:
        try:
            yield Held(publications, lambda: nft(ruleset.render(Policy())))
        finally:
            nft("flush ruleset")


def elements(*rules: PublicRule) -> Elements:
    return held(*rules).elements(ALLOCATION)


async def test_before_a_policy_there_are_no_sets_and_that_is_said(kept: Held) -> None:
    for call in (
        kept.publications.observe(),
        kept.publications.apply({}, elements(*RULES)),
        kept.publications.counters(None),
    ):
        with pytest.raises(BackendError, match="policy must be loaded first"):
            await call


async def test_what_is_added_is_observed_and_a_policy_load_leaves_it_alone(kept: Held) -> None:
    kept.load()
    assert await kept.publications.observe() == public_elements.nothing()
    await kept.publications.apply({}, elements(*RULES))
    assert await kept.publications.observe() == elements(*RULES)
    kept.load()
    assert await kept.publications.observe() == elements(*RULES)


async def test_every_rule_may_be_changed_in_one_transaction(kept: Held) -> None:
    kept.load()
    await kept.publications.apply({}, elements(*RULES))
    other = (
        rule("web", 443, internal=NEIGHBOUR4),
        rule("some", 8080, to=1, sources=("203.0.113.0/25", "192.0.2.0/24")),
        rule("band", 7001, last=7002, public=OTHER4, internal=NEIGHBOUR4, sources=("10.0.0.0/9",)),
    )
    await kept.publications.apply(*public_elements.difference(elements(*RULES), elements(*other)))
    assert await kept.publications.observe() == elements(*other)


async def test_a_refused_change_changes_nothing(kept: Held) -> None:
    kept.load()
    before = elements(RULES[0])
    await kept.publications.apply({}, before)
    missing = elements(RULES[1])["published4"]
    for delete, add in (
        ({"published4": missing}, elements(RULES[2])),
        ({}, {**elements(RULES[2]), "public4": elements(rule("web", 443, to=1))["public4"]}),
    ):
        with pytest.raises(BackendError):
            await kept.publications.apply(delete, add)
        assert await kept.publications.observe() == before


async def test_adding_what_is_there_already_is_harmless(kept: Held) -> None:
    kept.load()
    await kept.publications.apply({}, elements(*RULES))
    await kept.publications.apply({}, elements(*RULES))
    assert await kept.publications.observe() == elements(*RULES)


async def test_counters_are_there_for_what_was_asked(kept: Held) -> None:
    kept.load()
    await kept.publications.apply({}, elements(*RULES))
    everything = await kept.publications.counters(None)
    assert {name: set(counts) for name, counts in everything.items()} == {
        name: set(keys) for name, keys in elements(*RULES).items() if name.startswith("published")
    }
    for one in RULES:
        name, keys = public_elements.counted_keys(public_elements.entry(one))
        found = await kept.publications.counters({name: keys})
        assert all(found[name][key] == (0, 0) for key in keys)


async def test_without_flows_nothing_is_cut(kept: Held) -> None:
    kept.load()
    assert await kept.publications.cut({}) == 0
    assert await kept.publications.cut({public_elements.entry(one).key: None for one in RULES}) == 0
