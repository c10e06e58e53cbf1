"""Requests for certificates that tenants' controllers send: read, and what is wrong with them told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cryptography import x509

from causeway_controller.errors import RequestRefused
from causeway_controller.trust import pki
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.types import Pem


def read(text: Pem) -> x509.CertificateSigningRequest:
    """Read a request. Raises ProblemError (`invalid`, at `/request`) for one that is not signed, ever."""
    with refusals():
        return pki.read_request(text)


@contextmanager
def refusals() -> Iterator[None]:
    """Have the sender told what is wrong with the request."""
    try:
        yield
    except RequestRefused as error:
        detail = f"{error}; send a PKCS #10 request for an EC P-256 key of your own, signed by it"
        raise ProblemError(problem(ProblemType.INVALID, detail, pointer="/request")) from error
