"""The lab's authorities and what they sign: per controller, per tenant's VPN, and for the gateways."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from causeway_controller import files, pki, tls_crypt
from causeway_controller.failover import documents
from causeway_controller.failover.inventory import (
    GatewayCredentials,
    Network,
    Site,
    Tenant,
    TenantCredentials,
    TunnelCredentials,
)
from causeway_controller.fleet import enrolment, tls
from causeway_controller.fleet.client import AgentClient
from causeway_controller.lab.topology import GATEWAY_NAME, Topology
from causeway_wire.identity import Purpose
from causeway_wire.routes import Permission
from causeway_wire.types import ApplianceId, Secret

TOKEN_OCTETS = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """A controller: the authority of its agents, and its own client certificate."""

    authority: pki.Authority
    identity: tls.ControllerIdentity


def now() -> datetime:
    """The current time, for certificates."""
    return datetime.now(tz=UTC)


def make_token() -> Secret:
    """A single-use enrolment token."""
    return Secret(secrets.token_urlsafe(TOKEN_OCTETS))


def make_office(name: str, directory: Path) -> Office:
    """A controller with an authority of its own; its key lies below the directory."""
    authority = pki.make_controller_authority(name=f"{name} ca", now=now())
    key = pki.make_key()
    certificate = pki.issue_controller(
        authority, key.public_key(), name=name, permissions=tuple(Permission), now=now()
    )
    place = directory / name
    files.write(place / "controller.key", pki.private_pem(key), mode=files.PRIVATE)
    files.write(place / "controller.pem", certificate.encode("ascii"), mode=files.PUBLIC)
    identity = tls.ControllerIdentity(
        certificate=place / "controller.pem", key=place / "controller.key", authority=authority.pem
    )
    return Office(authority=authority, identity=identity)


async def make_site(topology: Topology, agents: Mapping[ApplianceId, AgentClient]) -> Site:
    """The inventory with certificates for keys born on the enrolled appliances."""
    authority = pki.make_gateway_authority(GATEWAY_NAME, now=now())
    certificates = await asyncio.gather(
        *(
            enrolment.request_certificate(
                agents[gateway.id],
                key=documents.GATEWAY_KEY,
                purpose=Purpose.GATEWAY,
                common_name=gateway.name,
                authority=authority,
                now=now(),
            )
            for gateway in topology.gateways
        )
    )
    tenants = await asyncio.gather(*(_tenant(tenant, agents) for tenant in topology.tenants.values()))
    return Site(
        tenants=topology.tenants,
        gateways=topology.gateways,
        credentials=dict(zip(topology.tenants, tenants, strict=True)),
        gateway_credentials=GatewayCredentials(
            ca=authority.pem,
            certificates=dict(zip((gateway.id for gateway in topology.gateways), certificates, strict=True)),
        ),
    )


async def _tenant(tenant: Tenant, agents: Mapping[ApplianceId, AgentClient]) -> TenantCredentials:
    authority = pki.make_vpn_authority(tenant.id, now=now())
    server_key = tls_crypt.make_server_key()
    tunnels = await asyncio.gather(
        *(_tunnel(tenant, network, authority, server_key, agents) for network in tenant.networks.values())
    )
    return TenantCredentials(
        ca=authority.pem,
        tls_crypt=server_key,
        tunnels={n.tunnel: made for n, made in zip(tenant.networks.values(), tunnels, strict=True)},
    )


async def _tunnel(
    tenant: Tenant,
    network: Network,
    authority: pki.Authority,
    server_key: Secret,
    agents: Mapping[ApplianceId, AgentClient],
) -> TunnelCredentials:
    server_name = f"{tenant.id}-{network.id}-provider"
    client_name = f"{tenant.id}-{network.id}-tenant"
    server, client = await asyncio.gather(
        enrolment.request_certificate(
            agents[tenant.provider.id],
            key=documents.server_key(network),
            purpose=Purpose.VPN_SERVER,
            common_name=server_name,
            authority=authority,
            now=now(),
        ),
        enrolment.request_certificate(
            agents[tenant.appliances[network.id].id],
            key=documents.CLIENT_KEY,
            purpose=Purpose.VPN_CLIENT,
            common_name=client_name,
            authority=authority,
            now=now(),
        ),
    )
    claim = tls_crypt.Claim(tenant=tenant.id, tunnel=network.tunnel)
    return TunnelCredentials(
        server_certificate=server,
        client_certificate=client,
        server_name=server_name,
        client_name=client_name,
        client_tls_crypt=tls_crypt.make_client_key(server_key, claim),
    )
