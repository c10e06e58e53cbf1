"""TLS connections for tests, to servers that may refuse them."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator


@contextlib.contextmanager
def connected(
    context: ssl.SSLContext,
    address: tuple[str, int],
    *,
    source: str = "",
    name: str | None = None,
    timeout: float = 3,
) -> Iterator[ssl.SSLSocket]:
    """Connect and shake hands, and close whatever comes of it.

    The socket is wrapped before it connects: `wrap_socket` leaves one open that a server resets while it
    is wrapped (CPython issue 108310's repair raises before its own `close`), and the interpreter then
    warns in some later test.
    """
    with contextlib.closing(context.wrap_socket(socket.socket(), server_hostname=name)) as tls:
        tls.settimeout(timeout)
        tls.bind((source, 0))
        tls.connect(address)
        yield tls
