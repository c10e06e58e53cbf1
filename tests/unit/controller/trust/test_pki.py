"""Certificates: one purpose each, names from the issuer, keys readable by nobody else."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from causeway_controller.errors import RequestRefused, StoreError
from causeway_controller.trust import pki
from causeway_wire.routes import Permission

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
AUTHORITY = pki.make_controller_authority(name="controllers", now=NOW)
URIS = x509.UniformResourceIdentifier


def request(
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | None = None,
) -> str:
    """A request that claims names nobody granted."""
    used = key or pki.make_key()
    claimed = x509.SubjectAlternativeName([x509.DNSName("claimed.example"), URIS("urn:causeway:claimed")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "claimed")])
    )
    builder = builder.add_extension(claimed, critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    algorithm = None if isinstance(used, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    signed = builder.sign(used, algorithm)
    return signed.public_bytes(serialization.Encoding.PEM).decode()


def load(pem: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem.encode())


def usages(certificate: x509.Certificate) -> list[x509.ObjectIdentifier]:
    return list(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)


def names(certificate: x509.Certificate) -> x509.SubjectAlternativeName:
    return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value


def common_name(name: x509.Name) -> str:
    return str(name.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def test_an_agent_gets_a_server_certificate_with_its_identity_and_nothing_it_claimed() -> None:
    issued = load(
        pki.issue_agent(
            AUTHORITY,
            pki.read_request(request()),
            appliance="a1",
            address=ip_address("10.0.0.1"),
            now=NOW,
        )
    )
    issued.verify_directly_issued_by(AUTHORITY.certificate)
    assert usages(issued) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert list(names(issued)) == [URIS("urn:causeway:appliance:a1"), x509.IPAddress(ip_address("10.0.0.1"))]
    assert common_name(issued.subject) == "a1"
    assert not issued.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_a_controller_gets_a_client_certificate_with_its_permissions() -> None:
    issued = load(
        pki.issue_controller(
            AUTHORITY,
            pki.make_key().public_key(),
            name="c1",
            permissions=(Permission.OBSERVE, Permission.APPLY),
            now=NOW,
        )
    )
    assert usages(issued) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert names(issued).get_values_for_type(URIS) == [
        "urn:causeway:controller:c1",
        "urn:causeway:permission:observe",
        "urn:causeway:permission:apply",
    ]


@pytest.mark.parametrize("usage", pki.Usage)
def test_a_tunnel_end_gets_the_usages_that_openvpn_asks_for(usage: pki.Usage) -> None:
    authority = pki.make_vpn_authority("acme", now=NOW)
    issued = load(
        pki.issue_vpn(authority, pki.read_request(request()), common_name="end.acme", usage=usage, now=NOW)
    )
    assert usages(issued) == [usage.value]
    assert issued.extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature
    assert common_name(issued.subject) == "end.acme"
    assert common_name(issued.issuer) == "acme vpn ca"


def test_authorities_of_tenants_with_long_names_stay_apart() -> None:
    one, other = (pki.make_vpn_authority("t" * 62 + last, now=NOW) for last in "ab")
    assert one.certificate.subject != other.certificate.subject
    assert len(common_name(one.certificate.subject)) == 64


def test_an_authority_signs_end_entities_only() -> None:
    extensions = AUTHORITY.certificate.extensions
    constraints = extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert constraints.value == x509.BasicConstraints(ca=True, path_length=0)
    usage = extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.key_cert_sign
    assert not usage.digital_signature


def test_the_gateways_authority_vouches_for_its_own_name_only() -> None:
    authority = pki.make_gateway_authority("gateway.example.net", now=NOW)
    store = Store([authority.certificate])

    def accepted(name: str) -> None:
        leaf = load(pki.issue_gateway(authority, pki.read_request(request()), dns_name=name, now=NOW))
        verifier = PolicyBuilder().store(store).time(NOW).build_server_verifier(x509.DNSName(name))
        verifier.verify(leaf, [])

    accepted("gateway.example.net")
    with pytest.raises(VerificationError):
        accepted("other.example.net")


@pytest.mark.parametrize(
    "key",
    [
        rsa.generate_private_key(65537, 2048),
        ec.generate_private_key(ec.SECP384R1()),
        ed25519.Ed25519PrivateKey.generate(),
    ],
    ids=["rsa", "p384", "ed25519"],
)
def test_other_keys_are_not_signed(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey,
) -> None:
    with pytest.raises(RequestRefused, match="P-256"):
        pki.read_request(request(key))


def test_a_request_not_signed_by_its_key_is_refused() -> None:
    der = bytearray(x509.load_pem_x509_csr(request().encode()).public_bytes(serialization.Encoding.DER))
    der[der.index(b"claimed.example")] ^= 0x01
    forged = x509.load_der_x509_csr(bytes(der)).public_bytes(serialization.Encoding.PEM).decode()
    with pytest.raises(RequestRefused, match="not signed by the key"):
        pki.read_request(forged)


@pytest.mark.parametrize("text", ["", "nonsense", "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n"])
def test_text_that_is_no_request_is_refused(text: str) -> None:
    with pytest.raises(RequestRefused):
        pki.read_request(text)


def test_validity_tolerates_late_clocks_and_never_outlives_the_authority() -> None:
    late = NOW + pki.AUTHORITY_LIFETIME - timedelta(days=1)
    issued = AUTHORITY.issue(pki.make_key().public_key(), common_name="x", usage=pki.Usage.SERVER, now=late)
    assert issued.not_valid_before_utc == late - timedelta(hours=1)
    assert issued.not_valid_after_utc == AUTHORITY.certificate.not_valid_after_utc


def test_serial_numbers_differ() -> None:
    key = pki.make_key().public_key()
    serials = {
        AUTHORITY.issue(key, common_name="x", usage=pki.Usage.SERVER, now=NOW).serial_number
        for _ in range(50)
    }
    assert len(serials) == 50


def test_a_saved_authority_comes_back_and_its_key_is_private(tmp_path: Path) -> None:
    AUTHORITY.save(tmp_path / "ca")
    loaded = pki.load_authority(tmp_path / "ca")
    assert loaded.certificate == AUTHORITY.certificate
    assert pki.spki(loaded.key.public_key()) == pki.spki(AUTHORITY.key.public_key())
    assert stat.S_IMODE((tmp_path / "ca" / "ca.key").stat().st_mode) == 0o600
    assert {file.name for file in (tmp_path / "ca").iterdir()} == {"ca.key", "ca.pem"}


def test_a_key_of_another_authority_is_noticed(tmp_path: Path) -> None:
    AUTHORITY.save(tmp_path)
    (tmp_path / "ca.key").write_bytes(pki.private_pem(pki.make_key()))
    with pytest.raises(StoreError, match="does not belong"):
        pki.load_authority(tmp_path)


def test_a_missing_authority_is_a_store_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot load"):
        pki.load_authority(tmp_path)


def test_a_serial_number_is_written_as_documents_want_it() -> None:
    authority = pki.make_vpn_authority("acme", now=NOW)
    made = pki.pem(
        authority.issue(pki.make_key().public_key(), common_name="a", usage=pki.Usage.CLIENT, now=NOW)
    )
    number = x509.load_pem_x509_certificate(made.encode()).serial_number
    assert int(pki.serial(made), 16) == number
    assert pki.serial(made) == pki.serial(made).lower().lstrip("0")
