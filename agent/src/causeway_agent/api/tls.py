"""The TLS of the API: version 1.3 only, both sides with certificates."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from causeway_agent.api import peers
from causeway_agent.engine import events, ports
from causeway_wire.types import SerialNumber

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


Refuses = Callable[[SerialNumber], bool]
"""Whether a certificate is refused although its authority signed it."""
Failed = Callable[[int, str], None]
"""Told why a certificate could not be verified, in OpenSSL's number and words."""


class Handshake(ssl.SSLObject):
    """Says in the log why a handshake failed: under TLS 1.3 the client only sees the connection end.

    `accepted` is when the server took the connection, before the first octet of its handshake was read, in
    seconds of the monotonic clock: a confirmation must come over one that is younger than its change.
    """

    accepted: float
    refuses: Refuses
    failed: Failed

    def do_handshake(self) -> None:
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            if isinstance(error, ssl.SSLCertVerificationError):
                self.failed(error.verify_code, error.verify_message)
            _log.warning(events.TLS_REFUSED, reason=error.reason or str(error))
            raise
        serial = peers.serial(self.getpeercert() or {})
        if self.refuses(serial):
            _log.warning(events.TLS_REFUSED, reason="CERTIFICATE_REVOKED", serial=serial)
            raise ssl.SSLError(ssl.SSL_ERROR_SSL, f"certificate {serial} is revoked")


def context(credentials: ports.Credentials, directory: Path) -> ssl.SSLContext:
    """A server context; the certificate passes through a file in this directory, as the TLS library wants.

    Raises ssl.SSLError when certificate, key or authorities do not fit, OSError when a file is missing.
    """
    certificate = directory / "agent.pem"
    certificate.write_text(credentials.certificate, encoding="ascii")
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_3
    made.verify_mode = ssl.CERT_REQUIRED
    made.load_verify_locations(cadata=credentials.controller_ca)
    made.load_cert_chain(certificate, credentials.key)
    # A resumed session would carry the judgement of an authority that may be gone by then.
    made.num_tickets = 0
    made.sslobject_class = Handshake
    return made


class RotatingContext(ssl.SSLContext):
    """A server context whose new connections are made by the context it was told last.

    A second server on the same socket would not do: asyncio drops what the first one accepted but had not
    begun to serve when it was closed.
    """

    current: ssl.SSLContext | None = None
    refuses: Refuses
    failed: Failed

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,  # noqa: FBT001, FBT002
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        if self.current is None:
            raise ssl.SSLError("no credentials yet")
        made = self.current.wrap_bio(incoming, outgoing, server_side, server_hostname, session)
        if isinstance(made, Handshake):
            made.accepted, made.refuses, made.failed = time.monotonic(), self.refuses, self.failed
        return made
