"""Who is met by TLS is known by what it shows, and that is looked at inside the handshake.

So nothing is sent to anybody else: no request, no password, no certificate of ours.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable


def only(context: ssl.SSLContext, known: Callable[[bytes], bool], *, otherwise: str) -> None:
    """Have the context shake hands with those only whose certificate (DER) is known, whatever is in it.

    For sockets and for asyncio. The handshake raises ssl.SSLCertVerificationError, which says `otherwise`.
    """

    def look(shown: bytes | None) -> None:
        if shown is None or not known(shown):
            raise ssl.SSLCertVerificationError(otherwise)

    class KnownObject(ssl.SSLObject):
        """A connection of asyncio.

        What a TLS client sends last (RFC 8446, 4.4: its certificate, and that it has finished) is still in
        memory when the handshake has returned; asyncio sends nothing of it after an error.
        """

        def do_handshake(self) -> None:
            super().do_handshake()
            look(self.getpeercert(binary_form=True))

    class KnownSocket(ssl.SSLSocket):
        """A connection that blocks."""

        def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002 - as it is overridden
            super().do_handshake(block)
            look(self.getpeercert(binary_form=True))

    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.sslobject_class = KnownObject
    context.sslsocket_class = KnownSocket
