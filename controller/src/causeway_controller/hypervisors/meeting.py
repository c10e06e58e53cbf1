"""Who answers at an https:// endpoint that nobody knows yet, for a person to say whether it is right."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from cryptography import x509

from causeway_controller.hypervisors import tls
from causeway_controller.hypervisors.base import Cause, HypervisorError
from causeway_controller.trust import pki

_SECONDS: Final = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stranger:
    """What somebody showed in a handshake. It is believed by nobody yet."""

    pin: str
    """SHA-256 of the public key, in hexadecimal."""
    subject: str
    issuer: str
    ends: datetime
    trusted: bool
    """Whether an authority of the operating system vouches for it under this name."""


def meet(endpoint: str, port: int) -> Stranger:
    """Shake hands once, or twice, and send nothing; blocks. Raises HypervisorError.

    `port`: where the endpoint says none.
    """
    parts = urlsplit(endpoint)
    address = parts.hostname or "", parts.port or port
    blind = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    blind.minimum_version = ssl.TLSVersion.TLSv1_2
    blind.check_hostname = False
    blind.verify_mode = ssl.CERT_NONE
    try:
        shown = _shown(blind, address)
        certificate = x509.load_der_x509_certificate(shown)
    except (OSError, ValueError) as error:
        text = f"{endpoint} cannot be reached: {tls.failure(error)}; see that it and the firewall are right"
        raise HypervisorError(text, cause=Cause.UNREACHED) from error
    return Stranger(
        pin=pki.shown(shown),
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        ends=certificate.not_valid_after_utc,
        trusted=_trusted(address),
    )


def _trusted(address: tuple[str, int]) -> bool:
    try:
        _shown(ssl.create_default_context(), address)
    except OSError:
        return False
    return True


def _shown(context: ssl.SSLContext, address: tuple[str, int]) -> bytes:
    with (
        socket.create_connection(address, timeout=_SECONDS) as plain,
        context.wrap_socket(plain, server_hostname=address[0]) as secured,
    ):
        return secured.getpeercert(binary_form=True) or b""
