"""Keys and certificates in a process of their own that ends after one task.

`python -m causeway_agent.csr_worker` reads one JSON task from standard input and writes one JSON result to
standard output. The agent stays small this way: the cryptography library is loaded only here. A mistake in
the input is a result too: {"invalid": sentence, "pointer": member}.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from causeway_agent.backends.host.storage import DirectoryStorage
from causeway_agent.errors import StorageError

APPLIANCE_URN = "urn:causeway:appliance:"
SELF_SIGNED_DAYS = 3650
"""The first certificate lasts until enrolment, whenever that is; nobody believes it without the proof."""

_USES = {
    "agent": ExtendedKeyUsageOID.SERVER_AUTH,
    "vpn-server": ExtendedKeyUsageOID.SERVER_AUTH,
    "vpn-client": ExtendedKeyUsageOID.CLIENT_AUTH,
    "gateway": ExtendedKeyUsageOID.SERVER_AUTH,
}


class InvalidCertificateError(Exception):
    """The certificate does not fit; carries the pointer of the member."""

    def __init__(self, detail: str, pointer: str) -> None:
        super().__init__(detail)
        self.pointer = pointer


def request(task: dict[str, Any]) -> dict[str, Any]:
    """A signing request for the key at `path`, which is made when missing, and its public key."""
    key = _key(Path(task["path"]))
    builder = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(_name(task["common_name"]))
        .add_extension(x509.ExtendedKeyUsage([_USES[task["purpose"]]]), critical=False)
        .add_extension(_alternative_names(task["appliance"]), critical=False)
    )
    signed = builder.sign(key, hashes.SHA256())
    return {
        "csr": signed.public_bytes(serialization.Encoding.PEM).decode(),
        "public_key": base64.b64encode(_public(key.public_key())).decode(),
    }


def self_signed(task: dict[str, Any]) -> dict[str, Any]:
    """A certificate to be served before enrolment."""
    key = _key(Path(task["path"]))
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(_name(task["appliance"]))
        .issuer_name(_name(task["appliance"]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # The clock of a machine that was just deployed may be behind.
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=SELF_SIGNED_DAYS))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(_alternative_names(task["appliance"]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return {"certificate": certificate.public_bytes(serialization.Encoding.PEM).decode()}


def check(task: dict[str, Any]) -> dict[str, Any]:
    """The one of `paths` whose key the certificate is for; raises InvalidCertificateError."""
    chain = _certificates(task["certificate"], "/certificate")
    authorities = _certificates(task["controller_ca"], "/controller_ca")
    leaf = chain[0]
    public = _public(leaf.public_key())
    fitting = [p for p in task["paths"] if _public(_key(Path(p)).public_key()) == public]
    if not fitting:
        raise InvalidCertificateError(
            "the certificate is for a key that is not on this appliance", "/certificate"
        )
    _check_leaf(leaf, task["appliance"])
    _check_chain(chain, authorities)
    return {"path": fitting[0]}


def _check_leaf(leaf: x509.Certificate, appliance: str) -> None:
    pointer = "/certificate"
    try:
        uses = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound as error:
        raise InvalidCertificateError(f"the certificate lacks {error.oid._name}", pointer) from error  # noqa: SLF001
    if list(uses) != [ExtendedKeyUsageOID.SERVER_AUTH]:
        raise InvalidCertificateError("the certificate must be for server authentication only", pointer)
    if APPLIANCE_URN + appliance not in names.get_values_for_type(x509.UniformResourceIdentifier):
        detail = f"the certificate must carry the URI name {APPLIANCE_URN}{appliance}"
        raise InvalidCertificateError(detail, pointer)
    now = dt.datetime.now(dt.UTC)
    if leaf.not_valid_after_utc <= now:
        raise InvalidCertificateError(f"the certificate ended at {leaf.not_valid_after_utc}", pointer)


def _check_chain(chain: list[x509.Certificate], authorities: list[x509.Certificate]) -> None:
    """Each certificate is issued by the next, and the last by one of the authorities."""
    current = chain[0]
    for issuer in chain[1:]:
        if issuer in authorities:
            break
        _check_issued(current, [issuer])
        current = issuer
    _check_issued(current, authorities)


def _check_issued(certificate: x509.Certificate, issuers: list[x509.Certificate]) -> None:
    for issuer in issuers:
        try:
            certificate.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature):
            continue
        return
    raise InvalidCertificateError("the certificate does not chain to controller_ca", "/certificate")


def _certificates(pem: str, pointer: str) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem.encode())
    except ValueError as error:
        raise InvalidCertificateError(f"not a PEM certificate: {error}", pointer) from error


def _key(path: Path) -> ec.EllipticCurvePrivateKey:
    """The key in this file; made when there is none."""
    if path.exists():
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError(f"{path} holds no EC key")
        return key
    key = ec.generate_private_key(ec.SECP256R1())
    data = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    DirectoryStorage(path.parent).write(path.name, data)
    return key


def _public(key: Any) -> bytes:
    encoded: bytes = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return encoded


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _alternative_names(appliance: str) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([x509.UniformResourceIdentifier(APPLIANCE_URN + appliance)])


TASKS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "request": request,
    "self-signed": self_signed,
    "check": check,
}


def main() -> None:
    """One task from standard input to standard output."""
    task = json.load(sys.stdin)
    try:
        result = TASKS[task["task"]](task)
    except InvalidCertificateError as error:
        result = {"invalid": str(error), "pointer": error.pointer}
    except StorageError as error:
        result = {"disk": error.doing, "reason": error.reason}
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    main()
