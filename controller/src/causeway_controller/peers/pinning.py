"""TLS toward a provider's controller, which is known by its public key and by nothing else.

Names, addresses, authorities and dates of its certificate say nothing: whoever can have a certificate made
for a name is not the provider, and a clock that is wrong locks nobody out. The key is compared inside the
handshake: before the comparison neither a request nor our own certificate has left.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from causeway_controller.trust import pki, tls_files
from causeway_wire.types import Pem, Secret


def context(pins: Iterable[str], *, certificate: Pem | None, key: Secret) -> ssl.SSLContext:
    """A context that shakes hands with a holder of one of these keys only, and shows our certificate if any.

    Raises ValueError when certificate and key are no pair. The handshake raises ssl.SSLCertVerificationError.
    """
    known = frozenset(pins)
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = ssl.TLSVersion.TLSv1_3
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    if certificate is not None:
        tls_files.load(made, certificate, key)

    class Pinned(ssl.SSLObject):
        """A connection whose handshake fails when none of the keys is shown.

        What a TLS client sends last (RFC 8446, 4.4: its certificate, and that it has finished) is still in
        memory when the handshake has returned; asyncio sends nothing of it after an error.
        """

        def do_handshake(self) -> None:
            super().do_handshake()
            shown = self.getpeercert(binary_form=True)
            if shown is None or _fingerprint(shown) not in known:
                raise ssl.SSLCertVerificationError("another key is shown than the one that is known")

    made.sslobject_class = Pinned
    return made


def _fingerprint(certificate: bytes) -> str:
    try:
        key = x509.load_der_x509_certificate(certificate).public_key()
    except ValueError:
        return ""
    return pki.fingerprint(key) if isinstance(key, ec.EllipticCurvePublicKey) else ""
