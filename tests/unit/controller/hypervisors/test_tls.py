"""Who is let in by a pin, by a thumbprint and by authorities: each connection is looked at."""

from __future__ import annotations

import hashlib
import socket
import ssl
from collections.abc import Callable, Iterator

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from causeway_controller.hypervisors import tls
from tests.tls_listener import Server

pytestmark = pytest.mark.timeout(30)


@pytest.fixture
def issued() -> trustme.LeafCert:
    return trustme.CA().issue_cert("vcenter.example")


@pytest.fixture
def server(issued: trustme.LeafCert) -> Iterator[Server]:
    one = Server(issued)
    yield one
    one.close()


def der(issued: trustme.LeafCert) -> bytes:
    return ssl.PEM_cert_to_DER_cert(issued.cert_chain_pems[0].bytes().decode())


def pin(issued: trustme.LeafCert) -> str:
    key = x509.load_der_x509_certificate(der(issued)).public_key()
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def say(server: Server, context: ssl.SSLContext) -> None:
    with (
        socket.create_connection(("127.0.0.1", server.port), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as secured,
    ):
        secured.sendall(b"password")


def test_the_pinned_key_is_let_in_whatever_its_certificate_says(
    server: Server, issued: trustme.LeafCert
) -> None:
    context = tls.by_key(pin(issued))
    for _ in range(2):
        say(server, context)
    server.socket.settimeout(0.1)
    assert set(server.heard) <= {b"password"}


@pytest.mark.parametrize("digest", [hashlib.sha1, hashlib.sha256])
def test_the_certificate_that_vcenter_names_is_let_in(
    server: Server, issued: trustme.LeafCert, digest: Callable[[bytes], hashlib._Hash]
) -> None:
    digits = digest(der(issued)).hexdigest().upper()
    say(server, tls.by_thumbprint(":".join(digits[n : n + 2] for n in range(0, len(digits), 2))))


@pytest.mark.parametrize(
    "context", [tls.by_key("0" * 64), tls.by_thumbprint("00" * 20), tls.by_authorities()]
)
def test_nobody_else_is_told_anything(server: Server, context: ssl.SSLContext) -> None:
    for _ in range(2):
        with pytest.raises(ssl.SSLCertVerificationError):
            say(server, context)
    assert b"password" not in server.heard


def test_what_is_no_thumbprint_is_refused() -> None:
    with pytest.raises(ValueError, match="is no thumbprint"):
        tls.by_thumbprint("00:11")


@pytest.mark.parametrize("made_with", [None, 5])
def test_a_connection_has_a_deadline_and_its_answers_a_longer_one(
    server: Server, issued: trustme.LeafCert, made_with: float | None
) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as plain:
        plain.settimeout(made_with)
        with tls.by_key(pin(issued)).wrap_socket(plain) as secured:
            assert secured.gettimeout() == tls.ANSWER_SECONDS > tls.SECONDS
