"""What is due, what is shown and what is refused, of certificates in a ledger."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from causeway_controller.inventory import certificates
from causeway_controller.inventory.certificates import Issued, Subject
from causeway_controller.inventory.tenancy import Holder, Revocation
from tests.certificates import NOW, issued

DAY = timedelta(days=1)
CLIENT = certificates.of_client("acme", "t1", "acme-lan-tenant")
SERVER = certificates.of_server("acme", "t1", "acme-lan-provider")
AGENT = certificates.of_agent("acme-esx1")
GATEWAY = certificates.of_gateway("gw1", "gateway.example.net")
CONTROLLER = certificates.of_controller("c1")


def test_renewal_is_due_when_two_thirds_of_the_life_are_over() -> None:
    mine = issued(1, CLIENT, days=300)
    assert certificates.due([mine], now=NOW + 200 * DAY - timedelta(seconds=1)) == ()
    assert certificates.due([mine], now=NOW + 200 * DAY) == (mine,)


def test_what_has_ended_is_still_due_and_the_most_urgent_comes_first() -> None:
    late, ended, fresh = issued(1, CLIENT, days=30), issued(2, SERVER, days=10), issued(3, AGENT, days=300)
    assert certificates.due([late, ended, fresh], now=NOW + 25 * DAY) == (ended, late)


def test_a_revoked_certificate_is_not_renewed_by_itself() -> None:
    assert certificates.due([issued(1, CLIENT, days=3, revoked=True)], now=NOW + 3 * DAY) == ()


@given(st.integers(1, 4000), st.integers(0, 5000))
def test_a_certificate_is_due_before_it_ends_and_from_then_on(days: int, age: int) -> None:
    mine, now = issued(1, CLIENT, days=days), NOW + age * DAY
    assert bool(certificates.due([mine], now=now)) == (age * 3 >= days * 2)


@pytest.mark.parametrize(
    ("records", "numbers"),
    [
        ([issued(1, CLIENT)], [1]),
        ([issued(1, CLIENT, installed=True), issued(2, CLIENT)], [1, 2]),
        ([issued(1, CLIENT, installed=True), issued(2, CLIENT, installed=True)], [2]),
        ([issued(1, CLIENT), issued(2, CLIENT, installed=True), issued(3, CLIENT)], [2, 3]),
        ([issued(1, CLIENT, installed=True), issued(2, CLIENT, revoked=True)], [1]),
        ([issued(1, CLIENT, installed=True, revoked=True), issued(2, CLIENT)], [2]),
        ([issued(1, CLIENT, days=-1), issued(2, SERVER)], [2]),
    ],
)
def test_shown_is_the_last_that_was_installed_and_all_after_it(
    records: list[Issued], numbers: list[int]
) -> None:
    found = certificates.shown(reversed(records), now=NOW)
    assert sorted(each.number for each in found) == numbers


def test_documents_refuse_what_is_revoked_until_it_ends() -> None:
    subjects = (CLIENT, SERVER, GATEWAY, CONTROLLER)
    revoked = [issued(number, each, revoked=True) for number, each in enumerate(subjects)]
    ended, good = issued(8, CLIENT, days=-1, revoked=True), issued(9, CLIENT)
    assert certificates.revocations([*revoked, ended, good], now=NOW) == (
        Revocation(serial="a0", holder=Holder.CLIENT, tenant="acme", tunnel="t1", name=CLIENT.name),
        Revocation(serial="a1", holder=Holder.SERVER, tenant="acme", tunnel="t1", name=SERVER.name),
        Revocation(serial="a2", holder=Holder.GATEWAY, name=GATEWAY.name),
        Revocation(serial="a3", holder=Holder.CONTROLLER),
    )


def test_no_document_refuses_an_agent() -> None:
    assert certificates.revocations([issued(1, AGENT, revoked=True)], now=NOW) == ()


def test_a_certificate_takes_the_place_of_one_under_another_name() -> None:
    assert GATEWAY.slot == certificates.of_gateway("gw1", "new.example.net").slot
    assert CLIENT.slot == certificates.of_client("acme", "t1", "new").slot


def test_subjects_of_different_purpose_or_place_never_share_a_slot() -> None:
    others: list[Subject] = [
        certificates.of_client("acme", "t2", "x"),
        certificates.of_client("globex", "t1", "x"),
        certificates.of_gateway("gw2", "gateway.example.net"),
        certificates.of_agent("gw1"),
        certificates.of_controller("gw1"),
    ]
    everybody = [CLIENT, SERVER, AGENT, GATEWAY, CONTROLLER, *others]
    assert len({each.slot for each in everybody}) == len(everybody)


def test_times_are_utc() -> None:
    assert NOW.tzinfo is UTC
    assert certificates.renewal(issued(1, CLIENT, days=3)) == datetime(2026, 3, 3, 12, tzinfo=UTC)
