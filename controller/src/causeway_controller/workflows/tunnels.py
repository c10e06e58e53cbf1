"""Certificates of both ends of tunnels. The keys are born on the appliances and stay there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import datetime

from causeway_controller.contract import tenant_routes
from causeway_controller.contract.tunnels import AskTunnel, TunnelEnd
from causeway_controller.failover import tunnel_ends
from causeway_controller.fleet import enrolment
from causeway_controller.fleet.client import AgentClient
from causeway_controller.inventory import certificates
from causeway_controller.inventory.certificates import Subject
from causeway_controller.inventory.production import Place
from causeway_controller.inventory.tenancy import Network, Tenant
from causeway_controller.store import authorities
from causeway_controller.store.links import Links
from causeway_controller.store.told import Told
from causeway_controller.store.tunnels import end_names
from causeway_controller.trust import pki
from causeway_controller.workflows.certifying import Certifying
from causeway_controller.workflows.providers import client_of
from causeway_wire.identity import Purpose
from causeway_wire.types import Name


class ServerCertificates:
    """Has the servers of tunnels certified, at a provider."""

    def __init__(self, certifying: Certifying) -> None:
        self._certifying = certifying

    async def due(self, tenant: Tenant) -> bool:
        """Whether one of them is to be renewed now. Raises StoreError."""
        for _, _, subject in _servers(tenant):
            if await self._certifying.due(subject):
                return True
        return False

    async def ensure(self, agent: AgentClient, tenant: Tenant) -> None:
        """Have each tunnel's server on this appliance certified that is not, or whose time is nearly over.

        Raises AgentUnreachable, RequestRefused, StoreError.
        """
        for network, name, subject in _servers(tenant):
            await self._certifying.ensure(
                agent,
                subject,
                authority=authorities.vpn(tenant.id),
                key=tunnel_ends.server_key(network),
                purpose=Purpose.VPN_SERVER,
                common_name=name,
                compared=True,
            )


def _servers(tenant: Tenant) -> Iterator[tuple[Network, Name, Subject]]:
    """The networks that have a tunnel, with the name of its server, and what the ledger calls that."""
    for network in tenant.networks.values():
        if network.port:
            _, name = end_names(tenant.id, network.id)
            yield (
                network,
                name,
                certificates.of_server(tenant.id, network.tunnel, name, appliance=tenant.server.id),
            )


class ClientCertificates:
    """Has the clients of tunnels certified by their providers, at a tenant's controller."""

    def __init__(self, *, links: Links, told: Told, now: Callable[[], datetime]) -> None:
        self._links = links
        self._told = told
        self._now = now

    async def due(self, place: Place) -> bool:
        """Whether that of the network's tunnel is to be renewed now, the provider has revoked it or has to.

        Raises StoreError, SealBroken.
        """
        end = await asyncio.to_thread(self._told.end, place.production.id, place.network.id)
        if end is None:
            return False
        old = self._now() >= certificates.renew_at(*pki.validity(end.certificate))
        return old or end.revoked or end.thrown_away

    async def ensure(self, agent: AgentClient, place: Place) -> None:
        """Have the tunnel of the appliance's network certified for the key that is born on it: another one
        where the provider has revoked the one before. That revokes one of a machine that was thrown away.

        Raises AgentUnreachable, RequestRefused, ProblemError, PeerUnreachable, StoreError.
        """
        provider, network = place.production.id, place.network.id
        end = await asyncio.to_thread(self._told.end, provider, network)
        key = tunnel_ends.CLIENT_KEY if end is None else end.key
        if end is not None and end.revoked:
            key = f"{tunnel_ends.CLIENT_KEY}-{pki.serial(end.certificate)}"
        request = await enrolment.signing_request(
            agent, key=key, purpose=Purpose.VPN_CLIENT, common_name=place.id
        )
        link = await asyncio.to_thread(self._links.get, provider)
        async with client_of(link) as client:
            reply = await client.ask(
                tenant_routes.TUNNEL,
                {"network": network},
                body=AskTunnel(request=request, replaces=end is not None and end.thrown_away),
            )
        await asyncio.to_thread(self._told.keep_end, provider, reply.read(TunnelEnd), key=key)
