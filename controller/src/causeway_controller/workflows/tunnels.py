"""Certificates of both ends of tunnels. The keys are born on the appliances and stay there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from causeway_controller.contract import tenant_routes
from causeway_controller.contract.tunnels import AskTunnel, TunnelEnd
from causeway_controller.failover import documents
from causeway_controller.fleet import enrolment
from causeway_controller.fleet.client import AgentClient
from causeway_controller.inventory import certificates
from causeway_controller.inventory.production import Place
from causeway_controller.inventory.tenancy import Tenant
from causeway_controller.store import authorities
from causeway_controller.store.links import Links
from causeway_controller.store.told import Told
from causeway_controller.store.tunnels import end_names
from causeway_controller.workflows.certifying import Certifying
from causeway_controller.workflows.providers import client_of
from causeway_wire.identity import Purpose


class ServerCertificates:
    """Has the servers of tunnels certified, at a provider."""

    def __init__(self, certifying: Certifying) -> None:
        self._certifying = certifying

    async def ensure(self, agent: AgentClient, tenant: Tenant) -> None:
        """Have each tunnel's server on this appliance certified that is not, or whose time is nearly over.

        Raises AgentUnreachable, RequestRefused, StoreError.
        """
        for network in tenant.networks.values():
            if network.port == 0:
                continue
            _, name = end_names(tenant.id, network.id)
            await self._certifying.ensure(
                agent,
                certificates.of_server(tenant.id, network.tunnel, name),
                authority=authorities.vpn(tenant.id),
                key=documents.server_key(network),
                purpose=Purpose.VPN_SERVER,
                common_name=name,
            )


class ClientCertificates:
    """Has the clients of tunnels certified by their providers, at a tenant's controller."""

    def __init__(self, *, links: Links, told: Told, now: Callable[[], datetime]) -> None:
        self._links = links
        self._told = told
        self._now = now

    async def ensure(self, agent: AgentClient, place: Place) -> None:
        """Have the tunnel of the appliance's network certified for the key that is born on it.

        Raises AgentUnreachable, RequestRefused, ProblemError, PeerUnreachable, StoreError.
        """
        provider, network = place.production.id, place.network.id
        request = await enrolment.signing_request(
            agent, key=documents.CLIENT_KEY, purpose=Purpose.VPN_CLIENT, common_name=place.id
        )
        link = await asyncio.to_thread(self._links.get, provider)
        async with client_of(link) as client:
            reply = await client.ask(
                tenant_routes.TUNNEL, {"network": network}, body=AskTunnel(request=request)
            )
        await asyncio.to_thread(self._told.keep_end, provider, reply.read(TunnelEnd))
