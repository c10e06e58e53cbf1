"""The handler of tunnels' certificates, which tenants' controllers have signed for their appliances."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from causeway_controller.api import signing
from causeway_controller.api.exchange import Answer, Ask, Handler
from causeway_controller.contract import tenant_routes
from causeway_controller.contract.tunnels import AskTunnel, TunnelEnd
from causeway_controller.store.inventories import Inventories
from causeway_controller.store.tunnels import Tunnels


@dataclass(frozen=True, slots=True, kw_only=True)
class TunnelHandlers:
    """Has the store sign, for networks of the caller's tenant only."""

    tunnels: Tunnels
    inventories: Inventories

    def handlers(self) -> Mapping[str, Handler]:
        """By the name of the route."""
        return {tenant_routes.TUNNEL.name: self.sign}

    async def sign(self, ask: Ask) -> Answer:
        """Give the end of a tunnel for a key."""
        asked = ask.document(AskTunnel)
        request = signing.read(asked.request)

        def signed() -> TunnelEnd:
            tenant = ask.caller.tenant or ""
            stored = self.inventories.of_tenant(tenant)
            network = ask.places["network"]
            return self.tunnels.sign(
                stored.inventory, stored.allocation, tenant, network, request, replaces=asked.replaces
            )

        with signing.refusals():
            return Answer(document=await asyncio.to_thread(signed))
