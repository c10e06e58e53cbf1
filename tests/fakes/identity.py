"""An identity port that remembers what it was asked."""

from __future__ import annotations

from causeway_wire.identity import Certificate, Csr, CsrRequest


class FakeIdentity:
    """Answers every request with the same text."""

    def __init__(self) -> None:
        self.requests: list[CsrRequest] = []
        self.installed: list[Certificate] = []

    async def request(self, request: CsrRequest) -> Csr:
        """Remember it."""
        self.requests.append(request)
        return Csr(csr="CSR", proof="PROOF")

    async def install(self, certificate: Certificate) -> None:
        """Remember it."""
        self.installed.append(certificate)
