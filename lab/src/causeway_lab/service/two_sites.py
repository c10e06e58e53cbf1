"""A provider's controller and a tenant's own, each a process in its own site with a store of its own.

They meet as strangers: by an invitation, over the internet, which the tenant's site reaches through its
router's address translation. Each deploys its own appliances at its own host.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final, Self

from causeway_lab.assembly import two_sites
from causeway_lab.assembly.inventory import SECOND_HOST
from causeway_lab.assembly.lab import Lab
from causeway_lab.assembly.replicas import Replicas
from causeway_lab.assembly.two_sites import EDGE
from causeway_lab.service.controllers import Controller
from causeway_lab.service.host_server import HostServer
from causeway_lab.world import namespaces, numbering
from causeway_lab.world.topology import SP_CONTROLLER, controller_of
from causeway_wire import codec
from causeway_wire.types import NetworkId, TenantId

PROVIDER: Final = "north"
"""What the tenant calls its provider."""
_PUBLIC: Final = numbering.public(1)
"""The provider's controller's, of the prefixes that lead to its site."""
_PORT: Final = 8445
_CONTROLLER_HOST: Final = 200


class TwoSites:
    """Both controllers. Use as an async context manager; what they deployed is gone with it."""

    def __init__(self, lab: Lab, tenant: TenantId, place: Path) -> None:
        """`place`: an empty directory for both stores."""
        self._lab = lab
        self._tenant = tenant
        self._place = place
        self._stack = AsyncExitStack()
        self._replicas = Replicas(lab.machines)
        for site in ("provider", "tenant"):
            (place / site).mkdir()
        self.provider = Controller("north-1", place / "provider", tenants=f"{_PUBLIC[0]}:{_PORT}")
        self.tenant, self.successor = (self._own(f"{tenant}-{number}") for number in (1, 2))
        """The tenant's controller, and another on the same store, which is not started by itself."""
        self.own_host = ""
        """Where the hypervisor of the tenant's site listens."""

    async def __aenter__(self) -> Self:
        """Set both up, with what they are told of their own sites. Raises LabError."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._removed)
            namespaces.batch(SP_CONTROLLER, [f"address replace {one} dev eth0" for one in _PUBLIC])
            for one in (self.provider, self.tenant):
                await one.set_up()
            for one in (self.provider, self.tenant, self.successor):
                stack.push_async_callback(one.stop)
            await asyncio.gather(self.provider.start(), self.tenant.start())
            told = two_sites.provider(self._lab.topology, await self._host(stack, "provider"), self._tenant)
            await self._apply(self.provider, codec.encode(told))
            self.own_host = await self._host(stack, "tenant")
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def join(self) -> str:
        """Invite, and accept the invitation; what the tenant's controller says of its provider."""
        line = self._place / "invitation"
        await self.provider.ask("tenant", "invite", self._tenant, "--output", str(line))
        return await self.tenant.ask("provider", "join", str(line), "--name", PROVIDER)

    async def propose(self) -> dict[str, Any]:
        """Have appliances proposed, and enter them with what only this site knows; the proposal."""
        proposed: dict[str, Any] = await self.tenant.ask_json("appliance", "proposed", PROVIDER)
        await self._apply(self.tenant, json.dumps(two_sites.completed(proposed, self.own_host)).encode())
        return proposed

    async def deploy_provider(self) -> None:
        """Deploy the provider's gateway and its appliance of the tenant."""
        await asyncio.gather(
            self.provider.ask("gateway", "deploy", EDGE),
            self.provider.ask("appliance", "deploy", self._tenant, SECOND_HOST),
        )

    async def deploy_tenant(self, network: NetworkId) -> str:
        """Deploy the tenant's appliance of this network; its name."""
        made = await self.tenant.ask_json("appliance", "deploy", self._tenant, network)
        return str(made["appliance"])

    def _own(self, name: str) -> Controller:
        own = numbering.ips(numbering.production(0, _CONTROLLER_HOST))
        machine = controller_of(self._tenant)
        return Controller(name, self._place / "tenant", machine=machine, sources=own)

    async def _host(self, stack: AsyncExitStack, site: str) -> str:
        server = HostServer(self._lab.hypervisor, self._replicas, self._place / site / "host")
        return (await stack.enter_async_context(server)).url

    async def _apply(self, controller: Controller, document: bytes) -> None:
        file = self._place / f"{controller.name}.json"
        file.write_bytes(document)
        await controller.ask("apply", "-f", str(file))

    async def _removed(self) -> None:
        tenant = self._lab.tenant(self._tenant)
        ends = (f"{self._tenant}-{network}-tenant" for network in tenant.networks)
        for machine in (EDGE, f"{self._tenant}-{SECOND_HOST}", *ends):
            await self._lab.hypervisor.destroy(machine)
        for vm in tenant.vms:
            await self._replicas.power(f"{self._tenant}/{vm}", on=False, grace=0)
        namespaces.batch(SP_CONTROLLER, [f"address delete {one} dev eth0" for one in _PUBLIC])
