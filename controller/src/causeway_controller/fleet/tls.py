"""TLS 1.3 contexts toward agents: who we are, and whom we accept.

An agent is known by the URI in its certificate, not by an address or DNS name: addresses move. The check runs
inside the handshake, so that nothing is ever sent to another machine.
"""

from __future__ import annotations

import itertools
import ssl
import weakref
from asyncio import sslproto
from collections.abc import Collection
from typing import Any, Final, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from causeway_controller.inventory.health import Shown
from causeway_controller.trust import pki
from causeway_controller.trust.identity import ControllerIdentity
from causeway_wire.types import ApplianceId, SerialNumber

Context = TypeVar("Context", bound=ssl.SSLContext)

_BUFFER: Final = 4 * 1024
"""Octets. A record of TLS may hold four times as many (RFC 8446, 5.1), and is read in four pieces then."""


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
    """An appliance that is to be met, and what it showed when it was met last."""

    def __init__(self, appliance: ApplianceId) -> None:
        self.appliance = appliance
        self.shown: Shown | None = None
        self.name: Final = str(next(_NUMBERS))
        """What a connection names to `agents_context` whom it expects by. It is sent to nobody."""
        _EXPECTED[self.name] = self

    def check(self, met: ssl.SSLObject, refused: Collection[SerialNumber]) -> None:
        """Remember what was shown. Raises ssl.SSLCertVerificationError unless it is this appliance's."""
        wanted = ("URI", pki.APPLIANCE_URN + self.appliance)
        certificate: dict[str, Any] = met.getpeercert() or {}
        if wanted not in certificate.get("subjectAltName", ()):
            raise ssl.SSLCertVerificationError(f"the peer's certificate does not name {wanted[1]}")
        shown = _shown(met.getpeercert(binary_form=True) or b"")
        if shown.serial in refused:
            raise ssl.SSLCertVerificationError(f"its certificate {shown.serial} was revoked")
        self.shown = shown


_NUMBERS: Final = itertools.count()
_EXPECTED: Final = weakref.WeakValueDictionary[str, Peer]()
"""All that somebody holds, by name."""


def _shown(certificate: bytes) -> Shown:
    read = x509.load_der_x509_certificate(certificate)
    return Shown(
        serial=f"{read.serial_number:x}", begins=read.not_valid_before_utc, ends=read.not_valid_after_utc
    )


def small_buffers() -> None:
    """Have asyncio read TLS in small pieces: thousands of idle connections are kept.

    It has a buffer of 256 KiB for each connection by itself (`asyncio.sslproto.SSLProtocol.max_size`).
    """
    sslproto.SSLProtocol.max_size = _BUFFER


class _Met(ssl.SSLObject):
    """A connection whose handshake fails when another appliance answers than is expected."""

    expected: Peer | None = None
    refused: Collection[SerialNumber] = ()

    def do_handshake(self) -> None:
        super().do_handshake()
        if self.expected is None:
            raise ssl.SSLCertVerificationError("nobody is expected there")
        self.expected.check(self, self.refused)


class _AgentsContext(ssl.SSLContext):
    """One for the connections to all agents: of its own each appliance's would be 28 KiB, met or not."""

    refused: Collection[SerialNumber] = ()

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,  # noqa: FBT001, FBT002 - as it is overridden
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """Begin a connection of asyncio to the `Peer` of this name, which is left out of the handshake."""
        made = super().wrap_bio(incoming, outgoing, server_side, None, session)
        assert isinstance(made, _Met)  # noqa: S101 - its class was set
        made.expected = _EXPECTED.get(str(server_hostname))
        made.refused = self.refused
        return made


def agents_context(identity: ControllerIdentity, *, refused: Collection[SerialNumber] = ()) -> ssl.SSLContext:
    """Verifies the chain, that the certificate names the appliance that is expected, and that it is none of
    those refused. `server_hostname` is a `Peer`'s name; without one nobody is met.
    """
    context = _client_context(identity, _AgentsContext(ssl.PROTOCOL_TLS_CLIENT))
    context.load_verify_locations(cadata=identity.authority)
    context.sslobject_class = _Met
    context.refused = refused
    return context


def first_contact_context(identity: ControllerIdentity, pin: PeerPin) -> ssl.SSLContext:
    """Verifies no chain (the agent's certificate is still self-signed) but holds on to one public key."""
    context = _client_context(identity, ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    context.verify_mode = ssl.CERT_NONE

    class Pinned(ssl.SSLObject):
        """A connection whose handshake fails when the peer's key is not the one seen first."""

        def do_handshake(self) -> None:
            super().do_handshake()
            pin.check(self.getpeercert(binary_form=True))

    context.sslobject_class = Pinned
    return context


def _client_context(identity: ControllerIdentity, context: Context) -> Context:
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.load_cert_chain(identity.certificate, identity.key)
    return context
