"""Authorities and their ledger: what is signed was written down, and replacing one breaks nothing."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from sqlalchemy import text

from causeway_controller.errors import SealBroken, StoreError
from causeway_controller.inventory import certificates
from causeway_controller.inventory.certificates import Subject
from causeway_controller.inventory.rotation import Add, Distribute, Install, Reissue, Retire, Steady
from causeway_controller.inventory.tenancy import Holder, Revocation
from causeway_controller.store import authorities, vault
from causeway_controller.store.audit import Audit
from causeway_controller.store.authorities import Authorities, AuthorityName
from causeway_controller.store.credentials import Credentials
from causeway_controller.store.database import Database
from causeway_controller.store.ledger import Ledger
from causeway_controller.trust import master_key, pki, tls_crypt
from causeway_controller.trust.master_key import MasterKeys
from causeway_controller.trust.sealing import SaltedKey, Vault
from causeway_wire import limits

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
VPN = authorities.vpn("acme")
GATEWAYS = authorities.gateways("gateway.example.net")
MANAGEMENT = authorities.management("example")
SERVER = certificates.of_server("acme", "t1", "acme-lan-provider")
CLIENT = certificates.of_client("acme", "t1", "acme-lan-tenant")
GATEWAY = certificates.of_gateway("gw1", "gateway.example.net")
AGENT = certificates.of_agent("acme-esx1")

ISSUER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from causeway_controller.inventory import certificates
from causeway_controller.store import authorities, vault
from causeway_controller.store.database import connect
from causeway_controller.trust import master_key, pki
now = lambda: datetime(2026, 3, 1, 12, tzinfo=UTC)
database = connect(sys.argv[1])
sealing = vault.unlock(database, master_key.read(master_key.KeyFile(Path(sys.argv[2]))), now=now, actor="x")
subject = certificates.of_client("acme", "t1", "acme-lan-tenant")
vpn = authorities.vpn("acme")
issuer = authorities.Authorities(database, sealing, now=now).issuer(vpn, subject, actor="x")
key = pki.make_key().public_key()
while True:
    made = issuer.issue(key, common_name=subject.name, usage=pki.Usage.CLIENT, now=now())
    print(pki.serial(pki.pem(made)), flush=True)
"""


@dataclass
class Clock:
    now: datetime = START

    def __call__(self) -> datetime:
        return self.now


@dataclass(frozen=True)
class Provider:
    """The store of a provider whose authorities were established."""

    database: Database
    sealing: Vault
    clock: Clock

    @property
    def authorities(self) -> Authorities:
        return Authorities(self.database, self.sealing, now=self.clock)

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.database, now=self.clock)

    @property
    def credentials(self) -> Credentials:
        return Credentials(self.database, self.sealing, now=self.clock)

    def issue(self, name: AuthorityName, subject: Subject, usage: pki.Usage) -> str:
        issuer = self.authorities.issuer(name, subject, actor="anna")
        request = a_request()
        match name:
            case _ if name == GATEWAYS:
                return pki.issue_gateway(issuer, request, dns_name=subject.name, now=self.clock())
            case _ if name == MANAGEMENT:
                address = ip_address("10.0.0.1")
                return pki.issue_agent(
                    issuer, request, appliance=subject.name, address=address, now=self.clock()
                )
            case _:
                return pki.issue_vpn(issuer, request, common_name=subject.name, usage=usage, now=self.clock())

    def client(self) -> str:
        return self.issue(VPN, CLIENT, pki.Usage.CLIENT)

    def server(self) -> str:
        return self.issue(VPN, SERVER, pki.Usage.SERVER)

    def installed(self, *certificates_: str) -> None:
        for each in certificates_:
            self.ledger.installed(pki.serial(each), actor="anna")


def a_request() -> x509.CertificateSigningRequest:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "claimed")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    made = builder.sign(pki.make_key(), hashes.SHA256())
    return pki.read_request(made.public_bytes(serialization.Encoding.PEM).decode())


@pytest.fixture
def keys() -> MasterKeys:
    return master_key.make()


@pytest.fixture
def provider(database: Database, keys: MasterKeys) -> Provider:
    clock = Clock()
    made = Provider(database, vault.unlock(database, keys, now=clock, actor="anna"), clock)
    for name in (VPN, GATEWAYS, MANAGEMENT):
        made.authorities.establish(name, actor="anna")
    return made


def openssl_takes(directory: Path, bundle: str, certificate: str, purpose: str, at: datetime = START) -> bool:
    """Whether OpenSSL verifies the certificate for the purpose at the moment, knowing the bundle."""
    (directory / "ca.pem").write_text(bundle)
    (directory / "leaf.pem").write_text(certificate)
    moment = ["-attime", str(int(at.timestamp())), "-purpose", purpose]
    command = ["openssl", "verify", "-x509_strict", *moment, "-CAfile", "ca.pem", "leaf.pem"]
    return not subprocess.run(command, cwd=directory, capture_output=True, check=False).returncode


@pytest.mark.parametrize(
    ("name", "subject", "usage"),
    [
        (VPN, SERVER, pki.Usage.SERVER),
        (VPN, CLIENT, pki.Usage.CLIENT),
        (GATEWAYS, GATEWAY, pki.Usage.SERVER),
        (MANAGEMENT, AGENT, pki.Usage.SERVER),
    ],
    ids=["server", "client", "gateway", "agent"],
)
def test_what_is_issued_verifies_and_is_in_the_ledger(
    provider: Provider, tmp_path: Path, name: AuthorityName, subject: Subject, usage: pki.Usage
) -> None:
    made = provider.issue(name, subject, usage)
    bundle = provider.authorities.bundle(name)
    purpose, other = ("sslserver", "sslclient") if usage is pki.Usage.SERVER else ("sslclient", "sslserver")
    assert openssl_takes(tmp_path, bundle, made, purpose)
    assert not openssl_takes(tmp_path, bundle, made, other)
    for foreign in {VPN, GATEWAYS, MANAGEMENT} - {name}:
        assert not openssl_takes(tmp_path, provider.authorities.bundle(foreign), made, purpose)
    found = provider.ledger.get(pki.serial(made))
    assert (found.subject, found.generation, found.number) == (subject, 1, 1)
    loaded = x509.load_pem_x509_certificate(made.encode())
    assert (found.not_before, found.not_after) == (loaded.not_valid_before_utc, loaded.not_valid_after_utc)


def test_establishing_again_changes_nothing(provider: Provider) -> None:
    before = provider.authorities.bundle(VPN)
    provider.authorities.establish(VPN, actor="bert")
    assert provider.authorities.bundle(VPN) == before


def test_private_keys_are_sealed(provider: Provider) -> None:
    with provider.database.read() as connection:
        tables = ("authority", "secret", "audit", "certificate")
        rows = [list(connection.execute(text(f"SELECT * FROM {table}"))) for table in tables]  # noqa: S608 - our own
    assert "PRIVATE" not in repr(rows)
    assert "CERTIFICATE" in repr(rows)


def test_a_certificate_is_signed_for_its_subject_only(provider: Provider) -> None:
    issuer = provider.authorities.issuer(VPN, CLIENT, actor="anna")
    with pytest.raises(ValueError, match="cannot name other"):
        pki.issue_vpn(issuer, a_request(), common_name="other", usage=pki.Usage.CLIENT, now=START)
    assert provider.ledger.history("acme") == ()


def test_who_has_no_authority_or_one_that_ended_gets_nothing(provider: Provider) -> None:
    stranger = authorities.vpn("globex")
    with pytest.raises(StoreError, match=r"vpn/globex.*establish it first"):
        provider.issue(stranger, CLIENT, pki.Usage.CLIENT)
    with pytest.raises(StoreError, match="vpn/globex"):
        provider.authorities.bundle(stranger)
    provider.clock.now = START + pki.AUTHORITY_LIFETIME
    with pytest.raises(StoreError, match=r"ended at .*add a generation"):
        provider.client()
    assert provider.ledger.history("acme") == ()


def test_another_master_key_signs_nothing(provider: Provider) -> None:
    salt = b"s" * 32
    foreign = Vault({1: SaltedKey(master_key.make().octets(1), salt)})
    issuer = Authorities(provider.database, foreign, now=provider.clock).issuer(VPN, CLIENT, actor="x")
    with pytest.raises(SealBroken, match="authority/vpn/acme/1"):
        pki.issue_vpn(issuer, a_request(), common_name=CLIENT.name, usage=pki.Usage.CLIENT, now=START)
    assert provider.ledger.history("acme") == ()


def test_revocation_is_written_once_and_reaches_the_documents(provider: Provider) -> None:
    serial = pki.serial(provider.client())
    provider.ledger.revoke(serial, actor="bert", reason="the laptop is gone")
    provider.ledger.revoke(serial, actor="carl", reason="again")
    assert provider.ledger.revocations() == (
        Revocation(serial=serial, holder=Holder.CLIENT, tenant="acme", tunnel="t1", name=CLIENT.name),
    )
    acts = [each.act for each in Audit(provider.database).records()]
    told = [(act.actor, act.subject, act.detail) for act in acts if act.action == "certificate.revoke"]
    assert told == [("bert", f"{serial} of client/acme/t1", "the laptop is gone")]
    provider.clock.now = START + timedelta(days=398)
    assert provider.ledger.revocations() == ()
    with pytest.raises(StoreError, match="no certificate ff is in the ledger"):
        provider.ledger.revoke("ff", actor="bert", reason="x")


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM certificate",
        "UPDATE certificate SET name = 'x'",
        "DELETE FROM certificate_event",
        "UPDATE certificate_event SET reason = 'x'",
    ],
)
def test_the_database_itself_keeps_what_is_in_the_ledger(provider: Provider, statement: str) -> None:
    provider.ledger.revoke(pki.serial(provider.client()), actor="bert", reason="gone")
    with pytest.raises(StoreError, match="append-only"), provider.database.write() as connection:
        connection.execute(text(statement))


def test_renewal_is_due_for_the_newest_of_each_subject(provider: Provider) -> None:
    provider.client()
    provider.server()
    provider.clock.now = START + timedelta(days=200)
    renewed = pki.serial(provider.client())
    assert provider.ledger.due() == ()
    provider.clock.now = START + timedelta(days=270)
    assert [each.subject for each in provider.ledger.due()] == [SERVER]
    provider.clock.now = START + timedelta(days=500)
    assert [each.serial for each in provider.ledger.due()][1] == renewed


def test_credentials_are_what_counts_now(provider: Provider) -> None:
    credentials = provider.credentials
    assert credentials.of_tenant("acme") is None
    server_key = credentials.server_key("acme")
    client_key = credentials.client_key("acme", "t1")
    assert (credentials.server_key("acme"), credentials.client_key("acme", "t1")) == (server_key, client_key)
    assert tls_crypt.read_claim(server_key, client_key) == tls_crypt.Claim(tenant="acme", tunnel="t1")
    server, first = provider.server(), provider.client()
    second = provider.client()
    assert first != second
    found = credentials.of_tenant("acme")
    assert found is not None
    tunnel = found.tunnels["t1"]
    assert (found.ca, found.tls_crypt) == (provider.authorities.bundle(VPN), server_key)
    assert (tunnel.server_certificate, tunnel.client_certificate) == (server, second)
    assert (tunnel.server_name, tunnel.client_name, tunnel.client_tls_crypt) == (
        SERVER.name,
        CLIENT.name,
        client_key,
    )
    provider.ledger.revoke(pki.serial(second), actor="bert", reason="gone")
    without = credentials.of_tenant("acme")
    assert without is not None
    assert without.tunnels["t1"] == replace(tunnel, client_certificate=""), "the far end goes on without it"
    assert credentials.of_tenant("globex") is None


def test_gateways_have_their_authority_and_certificates(provider: Provider) -> None:
    made = provider.issue(GATEWAYS, GATEWAY, pki.Usage.SERVER)
    found = provider.credentials.of_gateways("gateway.example.net")
    assert found is not None
    assert (found.ca, found.certificates) == (provider.authorities.bundle(GATEWAYS), {"gw1": made})
    assert provider.credentials.of_gateways("other.example.net") is None


def test_an_authority_is_replaced_with_every_certificate_trusted_at_every_moment(
    provider: Provider, tmp_path: Path
) -> None:
    mine = provider.authorities

    def trusted(*certificates_: str) -> bool:
        return all(
            openssl_takes(tmp_path, mine.bundle(VPN), each, purpose)
            for each, purpose in zip(certificates_, ("sslserver", "sslclient"), strict=True)
        )

    old = (provider.server(), provider.client())
    provider.installed(*old)
    assert isinstance(mine.phase(VPN), Steady)
    assert (mine.add(VPN, actor="anna"), mine.add(VPN, actor="anna")) == (2, 2)
    assert mine.phase(VPN) == Distribute(2)
    assert trusted(*old)
    assert provider.ledger.get(pki.serial(provider.client())).generation == 1
    provider.installed(provider.client())
    with pytest.raises(StoreError, match="cannot be retired: next is distribute"):
        mine.retire(VPN, 1, actor="anna")
    mine.trusted(VPN, 2, actor="anna")
    mine.trusted(VPN, 2, actor="anna")
    with pytest.raises(StoreError, match="still being replaced"):
        mine.add(VPN, actor="anna")
    reissue = mine.phase(VPN)
    assert isinstance(reissue, Reissue)
    assert {each.subject for each in reissue.certificates} == {SERVER, CLIENT}
    new = (provider.server(), provider.client())
    assert trusted(*old)
    assert trusted(*new)
    install = mine.phase(VPN)
    assert isinstance(install, Install)
    assert {each.serial for each in install.certificates} == {pki.serial(each) for each in new}
    provider.installed(new[0])
    with pytest.raises(StoreError, match="next is install"):
        mine.retire(VPN, 1, actor="anna")
    provider.installed(new[1])
    assert mine.phase(VPN) == Retire(1)
    mine.retire(VPN, 1, actor="anna")
    mine.retire(VPN, 1, actor="anna")
    assert isinstance(mine.phase(VPN), Steady)
    assert trusted(*new)
    assert not trusted(*old)
    assert vault.in_use(provider.database) == {1: 3}
    assert [each.retired is None for each in mine.generations(VPN)] == [False, True]


def test_two_generations_fit_into_a_document(provider: Provider) -> None:
    longest = authorities.vpn("t" * 63)
    provider.authorities.establish(longest, actor="anna")
    provider.authorities.add(longest, actor="anna")
    bundle = provider.authorities.bundle(longest)
    assert bundle.count("BEGIN CERTIFICATE") == 2
    assert len(bundle) <= limits.AUTHORITY


def test_an_old_authority_asks_to_be_replaced(provider: Provider) -> None:
    provider.clock.now = START + pki.AUTHORITY_LIFETIME * 0.7
    assert provider.authorities.phase(VPN) == Add()


def test_what_is_signed_was_written_down_whenever_its_signer_dies(
    url: str, provider: Provider, keys: MasterKeys, tmp_path: Path
) -> None:
    path = tmp_path / "master.key"
    path.write_text(keys.text().reveal())
    path.chmod(0o600)
    for enough in (1, 7):
        issuer = subprocess.Popen(
            [sys.executable, "-c", ISSUER, url, str(path)], stdout=subprocess.PIPE, text=True
        )
        assert issuer.stdout is not None
        seen = [issuer.stdout.readline() for _ in range(enough)]
        issuer.send_signal(signal.SIGKILL)
        seen += issuer.communicate()[0].splitlines(keepends=True)
        given = {line.strip() for line in seen if line.endswith("\n")}
        assert enough <= len(given)
        assert given <= {each.serial for each in provider.ledger.history("acme")}
    records = provider.ledger.history("acme")
    assert [each.number for each in records] == list(range(1, len(records) + 1))
