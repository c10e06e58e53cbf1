"""TLS 1.3 contexts toward agents: who we are, and whom we accept.

An agent is known by the URI in its certificate, not by an address or DNS name: addresses move. The check runs
inside the handshake, so that nothing is ever sent to another machine.
"""

from __future__ import annotations

import ssl
from asyncio import sslproto
from collections.abc import Collection
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from causeway_controller.inventory.health import Shown
from causeway_controller.trust import pki
from causeway_controller.trust.identity import ControllerIdentity
from causeway_wire.types import ApplianceId, SerialNumber

_RECORD: Final = 16 * 1024
"""The most that a record of TLS holds (RFC 8446, 5.1)."""


class PeerPin:
    """The public key of the first peer met; every later one must be the same."""

    def __init__(self) -> None:
        self.spki: bytes | None = None

    def check(self, certificate: bytes | None) -> None:
        """Remember or compare a peer's certificate (DER); raises ssl.SSLCertVerificationError."""
        key = None if certificate is None else x509.load_der_x509_certificate(certificate).public_key()
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise ssl.SSLCertVerificationError("the peer's certificate has no EC key")
        seen = pki.spki(key)
        if self.spki is None:
            self.spki = seen
        elif self.spki != seen:
            raise ssl.SSLCertVerificationError("another machine answers than before")


class Peer:
    """What an appliance showed when it was met last; and what it must not show."""

    def __init__(self) -> None:
        self.shown: Shown | None = None

    def check(self, appliance: ApplianceId, met: ssl.SSLObject, refused: Collection[SerialNumber]) -> None:
        """Remember what was shown. Raises ssl.SSLCertVerificationError unless it is this appliance's."""
        wanted = ("URI", pki.APPLIANCE_URN + appliance)
        certificate: dict[str, Any] = met.getpeercert() or {}
        if wanted not in certificate.get("subjectAltName", ()):
            raise ssl.SSLCertVerificationError(f"the peer's certificate does not name {wanted[1]}")
        shown = _shown(met.getpeercert(binary_form=True) or b"")
        if shown.serial in refused:
            raise ssl.SSLCertVerificationError(f"its certificate {shown.serial} was revoked")
        self.shown = shown


def _shown(certificate: bytes) -> Shown:
    read = x509.load_der_x509_certificate(certificate)
    return Shown(
        serial=f"{read.serial_number:x}", begins=read.not_valid_before_utc, ends=read.not_valid_after_utc
    )


def small_buffers() -> None:
    """Have asyncio read TLS in pieces of a record: thousands of idle connections are kept.

    It has a buffer of 256 KiB for each connection by itself (`asyncio.sslproto.SSLProtocol.max_size`).
    """
    sslproto.SSLProtocol.max_size = _RECORD


def agent_context(
    identity: ControllerIdentity,
    appliance: ApplianceId,
    *,
    peer: Peer | None = None,
    refused: Collection[SerialNumber] = (),
) -> ssl.SSLContext:
    """Verifies the chain, that the certificate names this appliance, and that it is none of those refused."""
    context = _client_context(identity)
    context.load_verify_locations(cadata=identity.authority)
    met = peer or Peer()

    class Appliance(ssl.SSLObject):
        """A connection whose handshake fails when another appliance answers."""

        def do_handshake(self) -> None:
            super().do_handshake()
            met.check(appliance, self, refused)

    context.sslobject_class = Appliance
    return context


def first_contact_context(identity: ControllerIdentity, pin: PeerPin) -> ssl.SSLContext:
    """Verifies no chain (the agent's certificate is still self-signed) but holds on to one public key."""
    context = _client_context(identity)
    context.verify_mode = ssl.CERT_NONE

    class Pinned(ssl.SSLObject):
        """A connection whose handshake fails when the peer's key is not the one seen first."""

        def do_handshake(self) -> None:
            super().do_handshake()
            pin.check(self.getpeercert(binary_form=True))

    context.sslobject_class = Pinned
    return context


def _client_context(identity: ControllerIdentity) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.load_cert_chain(identity.certificate, identity.key)
    return context
