"""The largest gateway that the schema allows fits into a body."""

from __future__ import annotations

from msgspec.structs import replace

from causeway_agent.api import application
from causeway_wire import codec
from causeway_wire.desired import Desired, GatewayRole, GatewayTenant
from causeway_wire.types import Secret
from tests import documents

TENANTS, TUNNELS = 2048, 4096


def test_as_many_tenants_and_tunnels_as_a_document_may_have_fit_into_a_body() -> None:
    """With authorities and keys as large as the controller makes them."""
    pem = "-----BEGIN CERTIFICATE-----\n" + ("A" * 64 + "\n") * 11 + "-----END CERTIFICATE-----\n"
    key = Secret("-----BEGIN OpenVPN tls-crypt-v2 server key-----\n" + "A" * 176)
    tenants = tuple(GatewayTenant(id=f"tenant-{n}.example", tls_crypt=key, ca=pem) for n in range(TENANTS))
    tunnels = tuple(
        documents.gateway_tunnel(n % 2, tenant=f"tenant-{n // 2}.example") for n in range(TUNNELS)
    )
    document = documents.gateway()
    role = document.role
    assert isinstance(role, GatewayRole)
    whole = replace(document, role=replace(role, tenants=tenants, tunnels=tunnels))
    text = codec.encode(whole)
    assert len(text) <= application.BODY_BYTES
    assert codec.decode(text, Desired) == whole
