"""Enrolment: only the machine that holds the token, on its own connection, gets a certificate."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from causeway_controller.errors import EnrolmentRefused, RequestRefused
from causeway_controller.fleet import client, enrolment, tls
from causeway_controller.trust import pki
from causeway_controller.trust.identity import ControllerIdentity
from causeway_wire.identity import Purpose
from causeway_wire.routes import Permission
from causeway_wire.types import Secret
from tests.fakes.agent_server import ADDRESS, AgentServer

NOW = datetime.now(UTC)
ME = "acme-provider"
TOKEN = Secret("single use")
AUTHORITY = pki.make_controller_authority(name="controllers", now=NOW)


@pytest.fixture
def identity(tmp_path: Path) -> ControllerIdentity:
    key = pki.make_key()
    certificate = pki.issue_controller(
        AUTHORITY, key.public_key(), name="c1", permissions=(Permission.APPLY,), now=NOW
    )
    (tmp_path / "client.pem").write_text(certificate)
    (tmp_path / "client.key").write_bytes(pki.private_pem(key))
    return ControllerIdentity(
        certificate=tmp_path / "client.pem", key=tmp_path / "client.key", authority=AUTHORITY.pem
    )


@pytest_asyncio.fixture
async def agent(tmp_path: Path) -> AsyncIterator[AgentServer]:
    server = AgentServer(appliance=ME, directory=tmp_path, controller_ca=AUTHORITY.pem, token=TOKEN)
    async with server.serving():
        yield server


async def enrol(agent: AgentServer, identity: ControllerIdentity, token: Secret = TOKEN) -> str:
    return await enrolment.enrol(
        appliance=ME,
        address=ip_address(ADDRESS),
        port=agent.port,
        token=token,
        identity=identity,
        authority=AUTHORITY,
        now=NOW,
    )


def paths(agent: AgentServer) -> list[str]:
    return [path for _, path in agent.requests]


async def test_the_holder_of_the_token_is_enrolled(agent: AgentServer, identity: ControllerIdentity) -> None:
    certificate = x509.load_pem_x509_certificate((await enrol(agent, identity)).encode())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [pki.APPLIANCE_URN + ME]
    assert names.get_values_for_type(x509.IPAddress) == [ip_address(ADDRESS)]
    assert paths(agent) == ["/v1/identity/csr", "/v1/identity/certificate", "/v1"]


async def test_a_wrong_token_is_refused(agent: AgentServer, identity: ControllerIdentity) -> None:
    with pytest.raises(EnrolmentRefused, match="does not match the token"):
        await enrol(agent, identity, Secret("another"))
    assert paths(agent) == ["/v1/identity/csr"]


async def test_a_used_token_raises_an_alarm(agent: AgentServer, identity: ControllerIdentity) -> None:
    await enrol(agent, identity)
    with pytest.raises(EnrolmentRefused, match="used before"):
        await enrol(agent, identity)


async def test_a_machine_in_between_is_refused(agent: AgentServer, identity: ControllerIdentity) -> None:
    agent.request_key = pki.make_key()
    with pytest.raises(EnrolmentRefused, match="another key"):
        await enrol(agent, identity)
    assert paths(agent) == ["/v1/identity/csr"]


def test_a_pin_refuses_a_second_machine() -> None:
    pin = tls.PeerPin()
    one, other = (
        AUTHORITY.issue(
            pki.make_key().public_key(), common_name="x", usage=pki.Usage.SERVER, now=NOW
        ).public_bytes(serialization.Encoding.DER)
        for _ in range(2)
    )
    pin.check(one)
    pin.check(one)
    with pytest.raises(ssl.SSLCertVerificationError, match="another machine"):
        pin.check(other)


async def test_keys_of_an_enrolled_appliance_get_their_certificates(
    agent: AgentServer, identity: ControllerIdentity
) -> None:
    await enrol(agent, identity)
    vpn = pki.make_vpn_authority("acme", now=NOW)
    gateway = pki.make_gateway_authority("gateway.example.net", now=NOW)
    opened = client.open_agent(appliance=ME, address=ip_address(ADDRESS), port=agent.port, identity=identity)
    wanted = [
        (Purpose.VPN_SERVER, "server.acme", vpn, ExtendedKeyUsageOID.SERVER_AUTH),
        (Purpose.VPN_CLIENT, "client.acme", vpn, ExtendedKeyUsageOID.CLIENT_AUTH),
        (Purpose.GATEWAY, "gateway.example.net", gateway, ExtendedKeyUsageOID.SERVER_AUTH),
    ]
    async with opened as one:
        for purpose, name, authority, usage in wanted:
            text = await enrolment.request_certificate(
                one, key=purpose.value, purpose=purpose, common_name=name, authority=authority, now=NOW
            )
            certificate = x509.load_pem_x509_certificate(text.encode())
            certificate.verify_directly_issued_by(authority.certificate)
            assert certificate.public_key() == agent.key(purpose.value).public_key()
            usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
            assert list(usages) == [usage]


async def test_a_renewed_certificate_meets_new_connections(
    agent: AgentServer, identity: ControllerIdentity
) -> None:
    first = await enrol(agent, identity)
    later = NOW + timedelta(minutes=1)
    opened = client.open_agent(appliance=ME, address=ip_address(ADDRESS), port=agent.port, identity=identity)
    async with opened as one:
        second = await enrolment.renew(
            one,
            key="agent-2",
            address=ip_address(ADDRESS),
            trust=identity.authority,
            authority=AUTHORITY,
            now=later,
        )
        assert second != first
        await one.live()
    async with client.open_agent(
        appliance=ME, address=ip_address(ADDRESS), port=agent.port, identity=identity
    ) as again:
        await again.live()


async def test_a_key_of_another_kind_is_not_signed(agent: AgentServer, identity: ControllerIdentity) -> None:
    agent.request_key = ec.generate_private_key(ec.SECP384R1())
    with pytest.raises(RequestRefused, match="P-256"):
        await enrol(agent, identity)
