"""Certificates: one authority per purpose, one purpose per certificate, no name taken from a request.

Authorities: the controllers' own (agents' server certificates, controllers' client certificates), one VPN
authority per tenant, one for the cloud gateways' TLS, and one of tenants' controllers, the members. All keys
are EC P-256; private keys of agents never come here, only signing requests (RFC 2986) whose signature and
curve are checked and whose names are ignored.
"""

from __future__ import annotations

import enum
import hashlib
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from causeway_controller import files, system_words
from causeway_controller.errors import RequestRefused, StoreError
from causeway_wire.routes import Permission
from causeway_wire.types import ApplianceId, IPAddress, Name, Pem, Secret, SerialNumber, TenantId

APPLIANCE_URN = "urn:causeway:appliance:"
CONTROLLER_URN = "urn:causeway:controller:"
PERMISSION_URN = "urn:causeway:permission:"
MEMBER_URN = "urn:causeway:member:"

BACKDATING = timedelta(hours=1)
"""Clocks of freshly booted appliances are late or early by minutes."""
AUTHORITY_LIFETIME = timedelta(days=3650)
LEAF_LIFETIME = timedelta(days=397)

_MAX_COMMON_NAME = 64
"""RFC 5280, A.1: ub-common-name."""
_EVERY_IPV4 = ipaddress.IPv4Network("0.0.0.0/0")
_EVERY_IPV6 = ipaddress.IPv6Network("::/0")


class Usage(enum.Enum):
    """What a certificate is for (RFC 5280, 4.2.1.12)."""

    SERVER = ExtendedKeyUsageOID.SERVER_AUTH
    CLIENT = ExtendedKeyUsageOID.CLIENT_AUTH


class Issuer(Protocol):
    """What signs: an authority, or one whose ledger has the certificate before anybody else has."""

    def issue(
        self,
        public_key: ec.EllipticCurvePublicKey,
        *,
        common_name: str,
        usage: Usage,
        now: datetime,
        names: Iterable[x509.GeneralName] = (),
    ) -> x509.Certificate:
        """Sign an end-entity certificate."""


@dataclass(frozen=True, slots=True)
class Authority:
    """A self-signed certificate authority that signs end entities only (path length 0)."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> Pem:
        """Its certificate, PEM."""
        return pem(self.certificate)

    def issue(
        self,
        public_key: ec.EllipticCurvePublicKey,
        *,
        common_name: str,
        usage: Usage,
        now: datetime,
        names: Iterable[x509.GeneralName] = (),
        lifetime: timedelta = LEAF_LIFETIME,
    ) -> x509.Certificate:
        """Sign an end-entity certificate; never valid longer than the authority itself."""
        until = min(now + lifetime, self.certificate.not_valid_after_utc)
        builder = _builder(_name(common_name), public_key, self, now=now, until=until)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_key_usage(signs_certificates=False), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage.value]), critical=False)
        alternatives = list(names)
        if alternatives:
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def save(self, directory: Path) -> None:
        """Write `ca.pem` and `ca.key` (mode 0600)."""
        files.write(directory / "ca.key", private_pem(self.key), mode=files.PRIVATE)
        files.write(directory / "ca.pem", self.pem.encode("ascii"), mode=files.PUBLIC)


def make_key() -> ec.EllipticCurvePrivateKey:
    """A new EC P-256 key."""
    return ec.generate_private_key(ec.SECP256R1())


def make_controller_authority(*, name: str, now: datetime) -> Authority:
    """The authority of agents' server certificates and controllers' client certificates."""
    return _make_authority(_name(name), (Usage.SERVER, Usage.CLIENT), now=now)


def make_member_authority(*, name: str, now: datetime) -> Authority:
    """The authority of tenants' controllers; it vouches for clients only."""
    return _make_authority(_name(f"members of {name}"), (Usage.CLIENT,), now=now)


def make_vpn_authority(tenant: TenantId, *, now: datetime) -> Authority:
    """A tenant's VPN authority; its organisation is the tenant, so a shortened common name stays unique."""
    suffix = " vpn ca"
    subject = [
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, tenant),
        x509.NameAttribute(NameOID.COMMON_NAME, tenant[: _MAX_COMMON_NAME - len(suffix)] + suffix),
    ]
    return _make_authority(x509.Name(subject), (Usage.SERVER, Usage.CLIENT), now=now)


def make_gateway_authority(dns_name: Name, *, now: datetime) -> Authority:
    """The gateways' TLS authority. Name constraints let it vouch for this DNS name and for no IP address."""
    constraints = x509.NameConstraints(
        permitted_subtrees=[x509.DNSName(dns_name)],
        excluded_subtrees=[
            x509.IPAddress(_EVERY_IPV4),
            x509.IPAddress(_EVERY_IPV6),
        ],
    )
    return _make_authority(_name("cloud gateway ca"), (Usage.SERVER,), now=now, constraints=constraints)


def issue_agent(
    issuer: Issuer,
    request: x509.CertificateSigningRequest,
    *,
    appliance: ApplianceId,
    address: IPAddress,
    now: datetime,
) -> Pem:
    """An agent's TLS server certificate for its identity and management address."""
    names = [x509.UniformResourceIdentifier(APPLIANCE_URN + appliance), x509.IPAddress(address)]
    certificate = issuer.issue(
        requested_key(request), common_name=appliance, usage=Usage.SERVER, names=names, now=now
    )
    return pem(certificate)


def issue_controller(
    issuer: Issuer,
    public_key: ec.EllipticCurvePublicKey,
    *,
    name: Name,
    permissions: Iterable[Permission],
    now: datetime,
) -> Pem:
    """A controller's TLS client certificate with what it may do on agents."""
    names = [x509.UniformResourceIdentifier(CONTROLLER_URN + name)]
    names += [x509.UniformResourceIdentifier(PERMISSION_URN + permission) for permission in permissions]
    return pem(issuer.issue(public_key, common_name=name, usage=Usage.CLIENT, names=names, now=now))


def issue_member(
    issuer: Issuer, request: x509.CertificateSigningRequest, *, tenant: TenantId, now: datetime
) -> Pem:
    """The TLS client certificate of a tenant's controller, which it shows to the provider's."""
    names = [x509.UniformResourceIdentifier(MEMBER_URN + tenant)]
    certificate = issuer.issue(
        requested_key(request), common_name=tenant, usage=Usage.CLIENT, names=names, now=now
    )
    return pem(certificate)


def issue_vpn(
    issuer: Issuer,
    request: x509.CertificateSigningRequest,
    *,
    common_name: Name,
    usage: Usage,
    now: datetime,
) -> Pem:
    """One tunnel end's certificate, as `--remote-cert-tls` and `--verify-x509-name` check it."""
    return pem(issuer.issue(requested_key(request), common_name=common_name, usage=usage, now=now))


def issue_gateway(
    issuer: Issuer, request: x509.CertificateSigningRequest, *, dns_name: Name, now: datetime
) -> Pem:
    """A cloud gateway's TLS server certificate."""
    names = [x509.DNSName(dns_name)]
    certificate = issuer.issue(
        requested_key(request), common_name=dns_name, usage=Usage.SERVER, names=names, now=now
    )
    return pem(certificate)


def read_request(text: Pem) -> x509.CertificateSigningRequest:
    """A signing request whose sender holds the private key, on our curve; raises RequestRefused."""
    try:
        request = x509.load_pem_x509_csr(text.encode("ascii"))
        genuine = request.is_signature_valid
    except (ValueError, UnsupportedAlgorithm, InvalidSignature) as error:
        raise RequestRefused(f"not a signing request we can read: {error}") from error
    if not genuine:
        raise RequestRefused("the signing request is not signed by the key it asks a certificate for")
    requested_key(request)
    return request


def requested_key(request: x509.CertificateSigningRequest) -> ec.EllipticCurvePublicKey:
    """The key a certificate is asked for; raises RequestRefused unless it is EC P-256."""
    key = request.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise RequestRefused("only EC P-256 keys are signed")
    return key


def spki(key: CertificatePublicKeyTypes) -> bytes:
    """SubjectPublicKeyInfo, DER (RFC 5280, 4.1): what pins and enrolment proofs are about."""
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def fingerprint(key: CertificatePublicKeyTypes) -> str:
    """What a public key is pinned by: SHA-256 of its SubjectPublicKeyInfo (RFC 7469, 2.4), in hexadecimal."""
    return hashlib.sha256(spki(key)).hexdigest()


def shown(certificate: bytes) -> str:
    """The fingerprint of the key in a certificate (DER), of any kind; empty for what is none."""
    try:
        return fingerprint(x509.load_der_x509_certificate(certificate).public_key())
    except ValueError:
        return ""


def certified(certificate: Pem) -> str:
    """The fingerprint of the key in a certificate. Raises ValueError for what is none with such a key."""
    key = x509.load_pem_x509_certificate(certificate.encode("ascii")).public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise ValueError("the certificate has no elliptic-curve key")  # noqa: TRY004 - of a text, no argument
    return fingerprint(key)


def make_request(key: ec.EllipticCurvePrivateKey) -> Pem:
    """A signing request (RFC 2986) for this key, without a name: who signs it knows for whom it is."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode("ascii")


def read_key(text: Secret) -> ec.EllipticCurvePrivateKey:
    """A private key as `private_pem` wrote it. Raises ValueError."""
    key = serialization.load_pem_private_key(text.reveal().encode("ascii"), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("the key is of another kind than Causeway makes")  # noqa: TRY004 - of a text
    return key


def serial(certificate: Pem) -> SerialNumber:
    """The certificate's serial number, as documents write it to revoke it."""
    return f"{x509.load_pem_x509_certificate(certificate.encode('ascii')).serial_number:x}"


def validity(certificate: Pem) -> tuple[datetime, datetime]:
    """Return when a certificate begins and ends. Raises ValueError for what is none."""
    read = x509.load_pem_x509_certificate(certificate.encode())
    return read.not_valid_before_utc, read.not_valid_after_utc


def load_authority(directory: Path) -> Authority:
    """The authority that `Authority.save` wrote; raises StoreError."""
    try:
        certificate, key = (directory / "ca.pem").read_bytes(), (directory / "ca.key").read_bytes()
        return read_authority(certificate.decode("ascii"), Secret(key.decode("ascii")))
    except (OSError, ValueError) as error:
        raise StoreError(f"cannot load the authority in {directory}: {system_words.why(error)}") from error


def read_authority(certificate: Pem, key: Secret) -> Authority:
    """The authority with this certificate and private key.

    Raises ValueError when they cannot be read, StoreError when they are no pair.
    """
    loaded = x509.load_pem_x509_certificate(certificate.encode("ascii"))
    private = serialization.load_pem_private_key(key.reveal().encode("ascii"), password=None)
    if not isinstance(private, ec.EllipticCurvePrivateKey) or private.public_key() != loaded.public_key():
        raise StoreError(f"the key does not belong to the authority {loaded.subject.rfc4514_string()}")
    return Authority(loaded, private)


def pem(certificate: x509.Certificate) -> Pem:
    """A certificate as PEM text."""
    return certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")


def private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """A private key as unencrypted PKCS #8 PEM, for a file of mode 0600."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _make_authority(
    subject: x509.Name,
    usages: Iterable[Usage],
    *,
    now: datetime,
    constraints: x509.NameConstraints | None = None,
) -> Authority:
    key = make_key()
    builder = _builder(subject, key.public_key(), None, now=now, until=now + AUTHORITY_LIFETIME)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_key_usage(signs_certificates=True), critical=True)
    # OpenSSL and Go let an authority's extended key usage limit what it signs, though RFC 5280 does not ask.
    usage = x509.ExtendedKeyUsage([usage.value for usage in usages])
    builder = builder.add_extension(usage, critical=False)
    if constraints is not None:
        builder = builder.add_extension(constraints, critical=True)
    return Authority(builder.sign(key, hashes.SHA256()), key)


def _builder(
    subject: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    issuer: Authority | None,
    *,
    now: datetime,
    until: datetime,
) -> x509.CertificateBuilder:
    """What every certificate has: random serial (RFC 5280, 4.1.2.2), validity, key identifiers."""
    signer = public_key if issuer is None else issuer.key.public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.certificate.subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATING)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer), critical=False)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
