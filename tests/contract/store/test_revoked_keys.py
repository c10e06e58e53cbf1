"""A key is what is revoked: with all its certificates, at once or not at all; it gets no other one ever."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from causeway_controller.errors import RequestRefused
from causeway_controller.inventory import certificates
from causeway_controller.inventory.certificates import Subject
from causeway_controller.store import authorities, ledger
from causeway_controller.store.audit import Audit
from causeway_controller.store.authorities import Authorities
from causeway_controller.store.database import Database
from causeway_controller.store.ledger import Ledger
from causeway_controller.trust import pki
from tests.joining import unlocked

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
VPN = authorities.vpn("acme")
SERVER = certificates.of_server("acme", "t1", "acme-lan-provider")
RENAMED = certificates.of_server("acme", "t2", "acme-lan-provider")
KEY = "vpn-server-1195"

REVOKER = """
import sys, time
from datetime import UTC, datetime
from causeway_controller.store import audit
from causeway_controller.store.database import connect
from causeway_controller.store.ledger import Ledger
append, left = audit.append, ["first", "second"].index(sys.argv[3])
def halfway(*arguments):
    global left
    append(*arguments)
    if left == 0:
        print("halfway", flush=True)
        time.sleep(600)
    left -= 1
audit.append = halfway
now = lambda: datetime(2026, 3, 1, 12, tzinfo=UTC)
Ledger(connect(sys.argv[1]), now=now).revoke(sys.argv[2], actor="bert", reason="gone")
"""


class Provider:
    """A store with the authority of a tenant's tunnels."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.kept = Authorities(database, unlocked(database, now=self.time), now=self.time)
        self.kept.establish(VPN, actor="anna")
        self.ledger = Ledger(database, now=self.time)

    def time(self) -> datetime:
        return START

    def signed(self, subject: Subject, key: ec.EllipticCurvePublicKey) -> str:
        """The serial number of a certificate for the key."""
        issuer = self.kept.issuer(VPN, subject, actor="anna", key=KEY)
        made = issuer.issue(key, common_name=subject.name, usage=pki.Usage.SERVER, now=START)
        return f"{made.serial_number:x}"


@pytest.fixture
def provider(database: Database) -> Provider:
    return Provider(database)


def test_a_revoked_key_gets_no_certificate_any_more_whatever_its_tunnel_is_called(provider: Provider) -> None:
    key, another = pki.make_key().public_key(), pki.make_key().public_key()
    first, second, third = (provider.signed(one, key) for one in (SERVER, SERVER, RENAMED))
    other = provider.signed(SERVER, another)
    assert provider.ledger.key_name(SERVER, base=KEY) == KEY
    assert [one.serial for one in provider.ledger.of_same_key(second)] == [first, second, third]
    revoked = provider.ledger.revoke(second, actor="bert", reason="the disk is gone")
    assert [(one.serial, one.key) for one in revoked] == [(one, KEY) for one in (first, second, third)]
    assert provider.ledger.revoke(first, actor="bert", reason="again") == ()
    for subject in (SERVER, RENAMED):
        with pytest.raises(RequestRefused, match="the key was revoked"):
            provider.signed(subject, key)
        assert provider.ledger.key_name(subject, base=KEY) == f"{KEY}-3"
    assert provider.ledger.get(other).revoked is None
    assert [one.serial for one in provider.ledger.history("acme")] == [first, second, third, other]


def test_what_is_signed_while_its_key_is_revoked_is_revoked_too(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = pki.make_key().public_key()
    first, halfway, record = provider.signed(SERVER, key), threading.Event(), ledger.record

    def slowly(*arguments: Any, **members: Any) -> None:
        halfway.set()
        time.sleep(1)
        record(*arguments, **members)

    monkeypatch.setattr(ledger, "record", slowly)
    with ThreadPoolExecutor() as pool:
        signing = pool.submit(provider.signed, SERVER, key)
        assert halfway.wait(30)
        provider.ledger.revoke(first, actor="bert", reason="the disk is gone")
        assert provider.ledger.get(signing.result()).revoked is not None


def test_who_is_killed_while_revoking_leaves_all_of_a_key_or_none(provider: Provider, url: str) -> None:
    key = pki.make_key().public_key()
    serials = [provider.signed(SERVER, key) for _ in range(2)]
    for when in ("first", "second"):
        command = [sys.executable, "-c", REVOKER, url, serials[1], when]
        revoker = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert revoker.stdout is not None
        assert revoker.stdout.readline() == "halfway\n"
        revoker.send_signal(signal.SIGKILL)
        revoker.communicate()
        assert provider.ledger.revocations() == ()
        acts = {one.act.action for one in Audit(provider.database).records()}
        assert "certificate.revoke" not in acts
    assert len(provider.ledger.revoke(serials[1], actor="bert", reason="gone")) == 2
    assert {one.serial for one in provider.ledger.revocations()} == set(serials)
