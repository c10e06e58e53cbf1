"""Identity: keys are born on the appliance, only requests and certificates travel.

Enrolment: the seed gave the appliance a single-use token and the controller's authority. The first request
proves both ends: mutual TLS proves the controller, an HMAC with the token over nonce and public key proves
the appliance whose certificate is still self-signed.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta

from causeway_wire.desired import Document
from causeway_wire.observed import Report
from causeway_wire.types import KeyName, Name, Pem

AGENT_KEY = "agent"
"""Name of the key behind the agent's own TLS server certificate."""

PROOF_CONTEXT = b"causeway enrolment v1"
"""Domain separation of the enrolment proof: HMAC-SHA256(token, context || 0 || nonce || 0 || SPKI DER)."""


def is_agent_key(name: KeyName) -> bool:
    """Whether the key may stand behind the agent's own certificate; a second one serves key rotation."""
    return name == AGENT_KEY or name.startswith(f"{AGENT_KEY}-")


class Purpose(StrEnum):
    """What a key is for; a certificate has one purpose (RFC 5280, 4.2.1.12)."""

    AGENT = "agent"
    VPN_SERVER = "vpn-server"
    VPN_CLIENT = "vpn-client"
    GATEWAY = "gateway"


class CsrRequest(Document, frozen=True, kw_only=True):
    """Ask for a certificate signing request; the key is made when the name is new."""

    key: KeyName
    purpose: Purpose
    common_name: Name
    nonce: Annotated[str, Meta(min_length=22, max_length=128)]
    """Fresh base64url text, at least 128 bits."""


class Csr(Report, frozen=True, kw_only=True):
    """A PKCS #10 request (RFC 2986) and, while the enrolment token is unused, the proof."""

    csr: Pem
    proof: str | None = None
    """Hex HMAC-SHA256; null once enrolled."""


class Certificate(Document, frozen=True, kw_only=True):
    """The agent's new TLS server certificate and the authority that signed it."""

    certificate: Pem
    controller_ca: Pem
    """Authorities whose client certificates are accepted from now on; several during a rotation."""
