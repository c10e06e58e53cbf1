"""TLS toward hypervisors: by the operating system's authorities, or by a key or certificate that is known.

What is known is compared inside the handshake of every connection, so nothing is sent to anybody else: no
password, no session, no disk.
"""

from __future__ import annotations

import hashlib
import socket
import ssl
from collections.abc import Callable
from typing import Any, Final

from causeway_controller.trust import handshake, pki

SECONDS: Final = 60
"""For a connection and its handshake."""
ANSWER_SECONDS: Final = 300
"""For each piece of an answer: a vCenter that is busy thinks for minutes. Who cannot wait asks for less."""
_DIGESTS: Final = {40: "sha1", 64: "sha256", 128: "sha512"}
"""By the hexadecimal digits of a thumbprint."""
_NO_TLS: Final = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"})
"""What OpenSSL takes the first octets of other protocols for; names of its constants."""


class _Patient(ssl.SSLContext):
    """Connections have a deadline, also those that the binding makes without one, and then another."""

    def wrap_socket(self, sock: socket.socket, *more: Any, **named: Any) -> ssl.SSLSocket:
        if sock.gettimeout() is None:
            sock.settimeout(SECONDS)
        made = super().wrap_socket(sock, *more, **named)
        made.settimeout(ANSWER_SECONDS)
        return made


def by_authorities() -> ssl.SSLContext:
    """Return a context that asks the operating system's authorities, and compares the name."""
    made = _Patient(ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.load_default_certs()
    return made


def by_key(pin: str) -> ssl.SSLContext:
    """Return a context for whoever holds the key with this SHA-256 of its SubjectPublicKeyInfo, in hex."""
    return _known(
        lambda certificate: pki.shown(certificate) == pin, "another key is shown than the pinned one"
    )


def by_thumbprint(thumbprint: str) -> ssl.SSLContext:
    """Return a context for whoever shows the certificate with this digest. Raises ValueError.

    That is how a vCenter names the certificates of its hosts.
    """
    digits = thumbprint.replace(":", "").lower()
    if len(digits) not in _DIGESTS:
        raise ValueError(f"{thumbprint} is no thumbprint of a certificate")

    def shown(certificate: bytes) -> bool:
        return hashlib.new(_DIGESTS[len(digits)], certificate).hexdigest() == digits

    return _known(shown, "another certificate is shown than the one that vCenter names")


def failure(error: BaseException) -> str:
    """Return in words why there is no connection, for who asked for one."""
    if isinstance(error, ssl.SSLCertVerificationError):
        # One that was raised by name has nothing but its words, and shows them as a tuple.
        found = getattr(error, "verify_message", "")
        return f"certificate verify failed: {found}" if found else str(error.args[-1])
    if isinstance(error, ssl.SSLError) and error.reason in _NO_TLS:
        return "what listens there does not speak TLS"
    if isinstance(error, socket.gaierror):
        return f"its name is not found: {error.strerror}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or "the connection was lost"


def _known(known: Callable[[bytes], bool], otherwise: str) -> ssl.SSLContext:
    made = _Patient(ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    handshake.only(made, known, otherwise=otherwise)
    return made
