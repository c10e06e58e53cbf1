"""Handlers of updates: the file that comes, and the appliance that takes it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from causeway_controller.api.exchange import Answer, Ask, Handler, malformed
from causeway_controller.api.ports import UpdateService
from causeway_controller.contract import update_routes
from causeway_controller.inventory.health import NOBODY
from causeway_controller.store.audit import Act, Audit
from causeway_wire.types import Name, TenantId

_CHUNK: Final = 256 * 1024
_BUILD: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateHandlers:
    """Has the update service do it."""

    service: UpdateService
    audit: Audit
    now: Callable[[], datetime]

    def handlers(self) -> Mapping[str, Handler]:
        """By the names of their routes."""
        return {
            update_routes.STORE_UPDATE.name: self.store,
            update_routes.UPDATE_APPLIANCE.name: self.update,
            update_routes.UPDATE_GATEWAY.name: self.update_gateway,
        }

    async def store(self, ask: Ask) -> Answer:
        """Keep the file."""
        stored = await self.service.store(ask.http.content.iter_chunked(_CHUNK))
        await self._write(ask, "update.store", f"version {stored.version}", stored.build)
        return Answer(document=stored)

    async def update(self, ask: Ask) -> Answer:
        """Begin, or tell how far it is."""
        tenant, host = ask.places["tenant"], ask.places["host"]
        ask.caller.see(tenant)
        return await self._update(ask, tenant, host, f"{tenant} on {host}")

    async def update_gateway(self, ask: Ask) -> Answer:
        """As `update`, of a gateway, which is nobody's, in its own place."""
        name = ask.places["gateway"]
        return await self._update(ask, NOBODY, name, f"gateway {name}")

    async def _update(self, ask: Ask, tenant: TenantId, host: Name, subject: str) -> Answer:
        build = ask.query.get("build", "")
        if _BUILD.fullmatch(build) is None:
            raise malformed("the parameter build is what storing the file answered: 64 hexadecimal digits")
        await self._write(ask, "appliance.update", subject, build)
        progress = await self.service.update(
            tenant,
            host,
            build=build,
            allow_older=ask.flag("allow_older"),
            interrupt=ask.flag("interrupt"),
        )
        return Answer(document=progress)

    async def _write(self, ask: Ask, action: str, subject: str, detail: str) -> None:
        act = Act(at=self.now(), actor=ask.caller.name, action=action, subject=subject, detail=detail)
        await asyncio.to_thread(self.audit.append, act)
