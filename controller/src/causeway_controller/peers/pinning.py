"""TLS toward a provider's controller, which is known by its public key and by nothing else.

Names, addresses, authorities and dates of its certificate say nothing: whoever can have a certificate made
for a name is not the provider, and a clock that is wrong locks nobody out. The key is compared inside the
handshake: before the comparison neither a request nor our own certificate has left.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable

from causeway_controller.trust import handshake, pki, tls_files
from causeway_wire.types import Pem, Secret


def context(pins: Iterable[str], *, certificate: Pem | None, key: Secret) -> ssl.SSLContext:
    """A context that shakes hands with a holder of one of these keys only, and shows our certificate if any.

    Raises ValueError when certificate and key are no pair. The handshake raises ssl.SSLCertVerificationError.
    """
    known = frozenset(pins)
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = ssl.TLSVersion.TLSv1_3
    if certificate is not None:
        tls_files.load(made, certificate, key)
    otherwise = "another key is shown than the one that is known"
    handshake.only(made, lambda shown: pki.shown(shown) in known, otherwise=otherwise)
    return made
