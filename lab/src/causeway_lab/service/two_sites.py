"""Both controllers with the lab's hypervisor behind them: each deploys its own appliances at its own host."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Self

from causeway_lab.assembly import two_sites
from causeway_lab.assembly.inventory import SECOND_HOST
from causeway_lab.assembly.lab import Lab
from causeway_lab.assembly.replicas import Replicas
from causeway_lab.assembly.two_sites import EDGE
from causeway_lab.service.host_server import HostServer
from causeway_lab.service.two_controllers import TwoControllers
from causeway_wire import codec
from causeway_wire.types import TenantId


class TwoSites:
    """Both controllers. Use as an async context manager; what they deployed is gone with it."""

    def __init__(self, lab: Lab, tenant: TenantId, place: Path) -> None:
        """`place`: an empty directory for both stores."""
        self._lab = lab
        self._tenant = tenant
        self._place = place
        self._stack = AsyncExitStack()
        self._replicas = Replicas(lab.machines)
        self.controllers = TwoControllers(tenant, place)
        self.provider = self.controllers.provider
        self.tenant = self.controllers.tenant
        self.successor = self.controllers.successor
        self.own_host = ""
        """Where the hypervisor of the tenant's site listens."""

    async def __aenter__(self) -> Self:
        """Set both up, with what they are told of their own sites. Raises LabError."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._removed)
            await self.controllers.begin(stack)
            told = two_sites.provider(self._lab.topology, await self._host(stack, "provider"), self._tenant)
            await self.controllers.apply(self.provider, codec.encode(told))
            self.own_host = await self._host(stack, "tenant")
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def propose(self) -> dict[str, Any]:
        """Have appliances proposed, and enter them with what only this site knows; the proposal."""
        return await self.controllers.propose(lambda one: two_sites.completed(one, self.own_host))

    async def _host(self, stack: AsyncExitStack, site: str) -> str:
        server = HostServer(self._lab.hypervisor, self._replicas, self._place / site / "host")
        return (await stack.enter_async_context(server)).url

    async def _removed(self) -> None:
        tenant = self._lab.tenant(self._tenant)
        ends = (f"{self._tenant}-{network}-tenant" for network in tenant.networks)
        for machine in (EDGE, f"{self._tenant}-{SECOND_HOST}", *ends):
            await self._lab.hypervisor.destroy(machine)
        for vm in tenant.vms:
            await self._replicas.power(f"{self._tenant}/{vm}", on=False, grace=0)
        self.controllers.removed()
