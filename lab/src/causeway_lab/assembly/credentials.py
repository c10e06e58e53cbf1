"""The lab's authorities and what they sign: per controller, per tenant's VPN, and for the gateways."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime

from causeway_controller.failover import documents, tunnel_ends
from causeway_controller.fleet import enrolment
from causeway_controller.fleet.client import AgentClient
from causeway_controller.inventory.tenancy import (
    GatewayCredentials,
    Network,
    Site,
    Tenant,
    TenantCredentials,
    TunnelCredentials,
)
from causeway_controller.trust import pki, tls_crypt
from causeway_lab.world.topology import GATEWAY_NAME, Topology
from causeway_wire.identity import Purpose
from causeway_wire.types import ApplianceId, Secret


def now() -> datetime:
    """The current time, for certificates."""
    return datetime.now(tz=UTC)


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
            key=tunnel_ends.server_key(network),
            purpose=Purpose.VPN_SERVER,
            common_name=server_name,
            authority=authority,
            now=now(),
        ),
        enrolment.request_certificate(
            agents[tenant.appliances[network.id].id],
            key=tunnel_ends.CLIENT_KEY,
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
