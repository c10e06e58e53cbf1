"""Who answers is shown and told nothing."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator

import pytest
import trustme

from causeway_controller.hypervisors import meeting
from causeway_controller.hypervisors.base import Cause, HypervisorError
from causeway_controller.trust import pki

pytestmark = pytest.mark.timeout(30)


@pytest.fixture
def issued() -> trustme.LeafCert:
    return trustme.CA(organization_name="Somebody").issue_cert("127.0.0.1")


@pytest.fixture
def server(issued: trustme.LeafCert) -> Iterator[tuple[int, list[bytes]]]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued.configure_cert(context)
    heard: list[bytes] = []
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                with connection, contextlib.suppress(OSError):
                    connection.settimeout(5)
                    with context.wrap_socket(connection, server_side=True) as secured:
                        heard.append(secured.recv(100))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listening.getsockname()[1], heard
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    thread.join(5)


def test_its_key_and_who_vouches_are_shown(server: tuple[int, list[bytes]], issued: trustme.LeafCert) -> None:
    port, heard = server
    found = meeting.meet("https://127.0.0.1/sdk", port)
    der = ssl.PEM_cert_to_DER_cert(issued.cert_chain_pems[0].bytes().decode())
    assert found.pin == pki.shown(der)
    assert "Somebody" in found.issuer
    assert not found.trusted, "no authority of this system knows it"
    assert set(heard) <= {b""}


def test_nobody_there_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(HypervisorError, match="cannot be reached: Connection refused; see") as refused:
        meeting.meet(f"https://127.0.0.1:{port}/sdk", 443)
    assert refused.value.cause is Cause.UNREACHED


def test_who_speaks_no_tls_is_told_from_who_is_not_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def greet() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.sendall(b"SSH-2.0-OpenSSH_9.2p1\r\n")
                connection.recv(1000)

        thread = threading.Thread(target=greet, daemon=True)
        thread.start()
        with pytest.raises(HypervisorError, match="what listens there does not speak TLS"):
            meeting.meet("https://127.0.0.1/sdk", listening.getsockname()[1])
        thread.join(5)
