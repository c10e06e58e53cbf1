"""An authority is replaced in phases: nobody is ever asked to trust a certificate of one he does not know."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from causeway_controller.inventory import certificates, rotation
from causeway_controller.inventory.certificates import Issued
from causeway_controller.inventory.rotation import (
    Add,
    Distribute,
    Generation,
    Install,
    Reissue,
    Retire,
    Steady,
)
from tests.certificates import NOW, issued

LIFE = timedelta(days=3000)
LAST = 4
A, B = certificates.of_client("acme", "t1", "a"), certificates.of_server("acme", "t1", "b")


def generation(number: int, *, trusted: bool = True, retired: bool = False) -> Generation:
    return Generation(
        number=number,
        not_before=NOW,
        not_after=NOW + LIFE,
        trusted=NOW if trusted else None,
        retired=NOW if retired else None,
    )


FIRST, SECOND = generation(1), generation(2)
UNKNOWN = generation(2, trusted=False)


def phase(*generations: Generation, records: tuple[Issued, ...] = ()) -> rotation.Phase:
    return rotation.next_phase(generations, records, now=NOW)


def test_an_authority_rests_until_two_thirds_of_its_life_are_over() -> None:
    until = NOW + LIFE * 2 / 3
    assert phase(FIRST) == Steady(until)
    assert rotation.next_phase([FIRST], [], now=until) == Add()
    assert phase() == phase(generation(1, retired=True)) == Add()


def test_a_new_generation_signs_only_when_all_trust_it() -> None:
    assert phase(FIRST, UNKNOWN) == Distribute(2)
    assert rotation.signing([FIRST, UNKNOWN]) == FIRST
    assert rotation.signing([FIRST, SECOND]) == SECOND
    assert rotation.signing([SECOND, generation(3, retired=True)]) == SECOND
    assert rotation.signing([UNKNOWN]) is None


def test_every_subject_gets_a_certificate_of_the_new_generation() -> None:
    old, other = issued(1, A, installed=True), issued(2, B, installed=True)
    new = issued(3, A, generation=2)
    assert phase(FIRST, SECOND, records=(old, other)) == Reissue((old, other))
    assert phase(FIRST, SECOND, records=(old, other, new)) == Reissue((other,))


def test_the_old_generation_stays_until_the_new_certificates_are_installed() -> None:
    old, new = issued(1, A, installed=True), issued(2, A, generation=2)
    assert phase(FIRST, SECOND, records=(old, new)) == Install((new,))
    seen = replace(new, installed=NOW)
    assert phase(FIRST, SECOND, records=(old, seen)) == Retire(1)
    assert isinstance(phase(generation(1, retired=True), SECOND, records=(old, seen)), Steady)


def test_what_is_revoked_or_has_ended_holds_nothing_up() -> None:
    stolen, ended = issued(1, A, installed=True, revoked=True), issued(2, B, installed=True, days=-1)
    assert phase(FIRST, SECOND, records=(stolen, ended)) == Retire(1)


def test_a_new_certificate_that_was_revoked_leaves_the_old_one_to_be_replaced() -> None:
    old, new = issued(1, A, installed=True), issued(2, A, generation=2, revoked=True)
    assert phase(FIRST, SECOND, records=(old, new)) == Reissue((old,))


STEPS = st.lists(st.tuples(st.sampled_from([A, B]), st.sampled_from(["issue", "installed", "revoked", "go"])))


class Provider:
    """An authority and its ledger, in which whatever a phase asks for is done at once."""

    def __init__(self) -> None:
        self.generations = [FIRST]
        self.records: list[Issued] = []

    @property
    def trusted(self) -> set[int]:
        return {each.number for each in self.generations if each.retired is None}

    def issue(self, subject: certificates.Subject) -> None:
        signer = rotation.signing(self.generations)
        assert signer is not None
        self.records.append(issued(len(self.records) + 1, subject, generation=signer.number))

    def tell(self, each: Issued, event: str) -> None:
        told = replace(each, installed=NOW) if event == "installed" else replace(each, revoked=NOW)
        self.records[each.number - 1] = told

    def follow(self) -> None:
        match rotation.next_phase(self.generations, self.records, now=NOW):
            case Steady() | Add():
                if len(self.generations) < LAST:
                    self.generations.append(generation(len(self.generations) + 1, trusted=False))
            case Distribute(number):
                self.generations[number - 1] = replace(self.generations[number - 1], trusted=NOW)
            case Reissue(found):
                for each in found:
                    self.issue(each.subject)
            case Install(found):
                for each in found:
                    self.tell(each, "installed")
            case Retire(number):
                self.generations[number - 1] = replace(self.generations[number - 1], retired=NOW)

    def do(self, subject: certificates.Subject, act: str) -> None:
        last = next((each for each in reversed(self.records) if each.subject == subject), None)
        if act == "issue":
            self.issue(subject)
        elif act == "go":
            self.follow()
        elif last is not None:
            self.tell(last, act)


@given(STEPS)
def test_whoever_follows_the_phases_never_shows_what_is_not_trusted(
    steps: list[tuple[certificates.Subject, str]],
) -> None:
    """Between the phases bearers get certificates, take them into use and lose them, in any order."""
    provider = Provider()
    for subject, act in steps:
        provider.do(subject, act)
        shown = certificates.shown(provider.records, now=NOW)
        assert {each.generation for each in shown} <= provider.trusted
        assert 1 <= len(provider.trusted) <= 2
    for _ in range(40):
        provider.follow()
    assert provider.trusted == {LAST}
