"""A server that shakes hands, and keeps what it is told afterwards."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading

import trustme


class Server:
    """Shakes hands at a port of loopback until it is closed; what it then reads is kept."""

    def __init__(self, issued: trustme.LeafCert) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        issued.configure_cert(self.context)
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.heard: list[bytes] = []
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.socket.accept()
                with connection, contextlib.suppress(OSError):
                    connection.settimeout(5)
                    with self.context.wrap_socket(connection, server_side=True) as secured:
                        self.heard.append(secured.recv(100))

    def close(self) -> None:
        """Let nobody in any more."""
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join(5)
