"""Enrolment: a freshly booted appliance gets its certificate, and later certificates for its other keys.

First contact meets a self-signed certificate, so TLS proves nothing about the appliance. What does is the
single-use token that its first-boot envelope carried: an HMAC over our nonce and the public key of the
signing request. That key must be the one the connection itself is made with, so nobody can sit in between.

Who signs may first have to write it down: that is done in a thread.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from causeway_controller.errors import EnrolmentRefused
from causeway_controller.fleet import client, connection, tls
from causeway_controller.trust import pki
from causeway_controller.trust.identity import ControllerIdentity
from causeway_wire.identity import AGENT_KEY, PROOF_CONTEXT, Certificate, CsrRequest, Purpose
from causeway_wire.types import ApplianceId, IPAddress, KeyName, Name, Pem, Secret

NONCE_OCTETS = 32
TOKEN_OCTETS = 24


def make_token() -> Secret:
    """Return a single-use enrolment token."""
    return Secret(secrets.token_urlsafe(TOKEN_OCTETS))


async def enrol(
    *,
    appliance: ApplianceId,
    address: IPAddress,
    port: int,
    token: Secret,
    identity: ControllerIdentity,
    authority: pki.Issuer,
    now: datetime,
    socket_factory: connection.SocketFactory | None = None,
    patience: float = 1.0,
) -> Pem:
    """Give the appliance its first certificate and reach it with that certificate; returns it.

    Raises EnrolmentRefused when the peer cannot prove the token, RequestRefused when its request cannot be
    signed, AgentUnreachable when it is silent or does not take the certificate into use.
    """
    pin = tls.PeerPin()
    first = client.AgentClient(
        appliance=appliance,
        address=address,
        port=port,
        context=tls.first_contact_context(identity, pin),
        socket_factory=socket_factory,
        patience=patience,
    )
    async with first:
        request = await _proven_request(first, pin, token)
        certificate = await asyncio.to_thread(
            pki.issue_agent, authority, request, appliance=appliance, address=address, now=now
        )
        await first.put_certificate(Certificate(certificate=certificate, controller_ca=identity.authority))
    second = client.open_agent(
        appliance=appliance,
        address=address,
        port=port,
        identity=identity,
        socket_factory=socket_factory,
        patience=patience,
    )
    async with second:
        await second.versions()
    return certificate


async def renew(
    agent: client.AgentClient,
    *,
    key: KeyName,
    address: IPAddress,
    trust: Pem,
    authority: pki.Issuer,
    now: datetime,
) -> Pem:
    """Replace an enrolled agent's certificate; the running connections live on.

    `key`: of what name, made on the appliance when it is new. `trust`: whose controllers it accepts from now
    on.
    """
    request = await _request(agent, key=key, purpose=Purpose.AGENT, common_name=agent.appliance)
    certificate = await asyncio.to_thread(
        pki.issue_agent, authority, request, appliance=agent.appliance, address=address, now=now
    )
    await agent.put_certificate(Certificate(certificate=certificate, controller_ca=trust))
    return certificate


async def request_certificate(
    agent: client.AgentClient,
    *,
    key: KeyName,
    purpose: Purpose,
    common_name: Name,
    authority: pki.Issuer,
    now: datetime,
) -> Pem:
    """A certificate for a key born on an enrolled appliance, for its VPN or gateway documents.

    `common_name` is the DNS name for a gateway. The caller chooses the authority that fits the purpose.
    """
    asked = await signing_request(agent, key=key, purpose=purpose, common_name=common_name)
    return await sign(asked, purpose=purpose, common_name=common_name, authority=authority, now=now)


async def sign(
    asked: Pem, *, purpose: Purpose, common_name: Name, authority: pki.Issuer, now: datetime
) -> Pem:
    """As `request_certificate`, for a signing request that the appliance has made. Raises RequestRefused."""
    if purpose is Purpose.AGENT:
        raise ValueError("an agent's own certificate comes from `enrol` and `renew`")
    request = pki.read_request(asked)
    if purpose is Purpose.GATEWAY:
        return await asyncio.to_thread(pki.issue_gateway, authority, request, dns_name=common_name, now=now)
    usage = pki.Usage.SERVER if purpose is Purpose.VPN_SERVER else pki.Usage.CLIENT
    return await asyncio.to_thread(
        pki.issue_vpn, authority, request, common_name=common_name, usage=usage, now=now
    )


async def signing_request(
    agent: client.AgentClient, *, key: KeyName, purpose: Purpose, common_name: Name
) -> Pem:
    """A request (PKCS #10) for a key born on an enrolled appliance, to be signed by somebody else."""
    request = await _request(agent, key=key, purpose=purpose, common_name=common_name)
    return request.public_bytes(serialization.Encoding.PEM).decode("ascii")


def proof(token: Secret, nonce: str, spki: bytes) -> str:
    """What the holder of the token answers for its public key (see `causeway_wire.identity`)."""
    message = b"\0".join((PROOF_CONTEXT, nonce.encode("ascii"), spki))
    return hmac.new(token.reveal().encode("utf-8"), message, hashlib.sha256).hexdigest()


async def _proven_request(
    agent: client.AgentClient, pin: tls.PeerPin, token: Secret
) -> x509.CertificateSigningRequest:
    nonce = secrets.token_urlsafe(NONCE_OCTETS)
    answer = await agent.csr(
        CsrRequest(key=AGENT_KEY, purpose=Purpose.AGENT, common_name=agent.appliance, nonce=nonce)
    )
    request = pki.read_request(answer.csr)
    spki = pki.spki(pki.requested_key(request))
    if answer.proof is None:
        raise EnrolmentRefused(agent.appliance, "the token was used before")
    if not hmac.compare_digest(answer.proof.encode(), proof(token, nonce, spki).encode()):
        raise EnrolmentRefused(agent.appliance, "the proof does not match the token")
    if spki != pin.spki:
        raise EnrolmentRefused(agent.appliance, "the connection is made with another key than the request")
    return request


async def _request(
    agent: client.AgentClient, *, key: KeyName, purpose: Purpose, common_name: Name
) -> x509.CertificateSigningRequest:
    nonce = secrets.token_urlsafe(NONCE_OCTETS)
    answer = await agent.csr(CsrRequest(key=key, purpose=purpose, common_name=common_name, nonce=nonce))
    return pki.read_request(answer.csr)
