"""A provider's controller and a tenant's own, on hosts of any kind: strangers who meet by an invitation.

That goes over the internet, which the tenant's site reaches through its router's address translation.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

from causeway_lab.assembly.inventory import SECOND_HOST
from causeway_lab.assembly.two_sites import EDGE
from causeway_lab.service.controllers import Controller
from causeway_lab.world import namespaces, numbering
from causeway_lab.world.topology import SP_CONTROLLER, controller_of
from causeway_wire.types import NetworkId, TenantId

PROVIDER: Final = "north"
"""What the tenant calls its provider."""
_PUBLIC: Final = numbering.public(1)
"""The provider's controller's, of the prefixes that lead to its site."""
_PORT: Final = 8445
_CONTROLLER_HOST: Final = 200


class TwoControllers:
    """Both, each a process in its own site with a store of its own."""

    def __init__(self, tenant: TenantId, place: Path, **means: Any) -> None:
        """`place`: an empty directory for both stores; `means`: of `Controller`, as both have them."""
        self._tenant = tenant
        self._place = place
        self._means = means
        for site in ("provider", "tenant"):
            (place / site).mkdir()
        self.provider = Controller("north-1", place / "provider", tenants=f"{_PUBLIC[0]}:{_PORT}", **means)
        self.tenant, self.successor = (self._own(f"{tenant}-{number}") for number in (1, 2))
        """The tenant's controller, and another on the same store, which is not started by itself."""

    async def begin(self, stack: AsyncExitStack) -> None:
        """Set both up and start them; the stack ends them. Raises LabError."""
        namespaces.batch(SP_CONTROLLER, [f"address replace {one} dev eth0" for one in _PUBLIC])
        for one in (self.provider, self.tenant):
            await one.set_up()
        for one in (self.provider, self.tenant, self.successor):
            stack.push_async_callback(one.stop)
        await asyncio.gather(self.provider.start(), self.tenant.start())

    def removed(self) -> None:
        """Take the provider's public addresses away again."""
        namespaces.batch(SP_CONTROLLER, [f"address delete {one} dev eth0" for one in _PUBLIC])

    async def apply(self, controller: Controller, document: bytes) -> None:
        """Put an inventory in force there. Raises LabError."""
        file = self._place / f"{controller.name}.json"
        file.write_bytes(document)
        await controller.ask("apply", "-f", str(file))

    async def join(self) -> str:
        """Invite, and accept the invitation; what the tenant's controller says of its provider."""
        line = self._place / "invitation"
        await self.provider.ask("tenant", "invite", self._tenant, "--output", str(line))
        return await self.tenant.ask("provider", "join", str(line), "--name", PROVIDER)

    async def propose(self, completed: Callable[[dict[str, Any]], dict[str, Any]]) -> dict[str, Any]:
        """Have appliances proposed, and enter them with what only the tenant's site knows; the proposal."""
        proposed: dict[str, Any] = await self.tenant.ask_json("appliance", "proposed", PROVIDER)
        await self.apply(self.tenant, json.dumps(completed(proposed)).encode())
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
        return Controller(name, self._place / "tenant", machine=machine, sources=own, **self._means)
