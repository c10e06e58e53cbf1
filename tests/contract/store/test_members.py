"""Tenants' controllers in either database: invited, let in, found, put out; and the keys that they know."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from msgspec import UNSET

from causeway_controller.api.ports import Peering
from causeway_controller.store.database import Database
from causeway_controller.store.inventories import Inventories
from causeway_controller.store.ledger import Ledger
from causeway_controller.trust import pki
from causeway_wire.problem import ProblemError, ProblemType
from tests.joining import invited, peering, unlocked
from tests.provider_inventory import seed_example

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def provider(database: Database) -> Peering:
    Inventories(database, now=lambda: AT).replace(seed_example(), expected=0, actor="test")
    return peering(database, unlocked(database, now=lambda: AT), now=lambda: AT)


def request(key: ec.EllipticCurvePrivateKey) -> x509.CertificateSigningRequest:
    return pki.read_request(pki.make_request(key))


def test_a_member_is_let_in_found_and_put_out(provider: Peering) -> None:
    key, other = pki.make_key(), pki.make_key()
    secret = invited(provider).secret
    joined = provider.members.join(secret, request(key), source="192.0.2.1")
    assert provider.members.join(secret, request(key), source="192.0.2.1") == joined
    with pytest.raises(ProblemError) as caught:
        provider.members.join(secret, request(other), source="192.0.2.2")
    assert caught.value.problem.type == ProblemType.INVITATION_USED.urn
    assert [one.tenant for one in provider.invitations.alarmed()] == ["acme"]
    shown = ssl.PEM_cert_to_DER_cert(joined.certificate)
    found = provider.members.find(shown)
    assert found is not None
    assert found.tenant == "acme"
    provider.members.told("acme", knows=provider.keys.pins().current)
    assert [one.tenant for one in provider.members.list(next_key=None)] == ["acme"]
    provider.members.end("acme", action="member.expel", actor="test")
    assert provider.members.find(shown) is None
    assert provider.members.list(next_key=None) == ()


def test_a_member_whose_certificate_was_revoked_is_told_as_such(
    provider: Peering, database: Database
) -> None:
    joined = provider.members.join(invited(provider).secret, request(pki.make_key()), source="192.0.2.1")
    (well,) = provider.members.list(next_key=None)
    ledger = Ledger(database, now=lambda: AT)
    ledger.revoke(pki.serial(joined.certificate), actor="test", reason="a laptop was stolen")
    (refused,) = provider.members.list(next_key=None)
    assert (well.revoked, refused.revoked) == (UNSET, AT)


def test_the_key_is_exchanged_once_members_know_the_next_one(provider: Peering) -> None:
    before = provider.keys.pins()
    assert provider.keys.switch(actor="test", force=False) == before, "there is no next one"
    announced = provider.keys.announce(actor="test")
    assert announced.current == before.current
    assert provider.keys.announce(actor="test") == announced
    first = provider.keys.key().reveal()
    after = provider.keys.switch(actor="test", force=False)
    assert (after.current, after.next) == (announced.next, None)
    assert provider.keys.key().reveal() != first
