"""Handlers of the providers that a tenant's controller joined."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from msgspec import UNSET

from causeway_controller.api.exchange import Answer, Ask, Handler
from causeway_controller.api.ports import ProviderService
from causeway_controller.contract import joining, member_routes, routes
from causeway_controller.contract.joining import AcceptInvitation, Invitation, Providers
from causeway_controller.contract.status import Trouble
from causeway_controller.errors import PeerUnknown, PeerUnreachable
from causeway_controller.store.links import Links
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.types import Name


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderHandlers:
    """Reads the store, and has the service ask."""

    service: ProviderService
    links: Links

    def handlers(self) -> Mapping[str, Handler]:
        """By the names of their routes."""
        return {
            member_routes.JOIN_PROVIDER.name: self.join,
            member_routes.PROVIDERS.name: self.list,
            member_routes.PROVIDER.name: self.get,
            member_routes.RESCAN_PROVIDER.name: self.rescan,
            member_routes.PROVIDER_RESOURCES.name: self.resources,
            member_routes.LEAVE_PROVIDER.name: self.leave,
        }

    async def join(self, ask: Ask) -> Answer:
        """Accept an invitation."""
        asked = ask.document(AcceptInvitation)
        invitation = joining.read(asked.invitation.reveal())
        name = _name(invitation) if asked.name is UNSET else asked.name
        async with _told():
            await self.service.join(invitation, name, actor=ask.caller.name)
        return await self._told(name, status=201)

    async def list(self, ask: Ask) -> Answer:  # noqa: ARG002 - handlers are alike
        """All providers."""
        return Answer(document=Providers(providers=await asyncio.to_thread(self.links.reports)))

    async def get(self, ask: Ask) -> Answer:
        """One provider."""
        return await self._told(ask.places["provider"])

    async def rescan(self, ask: Ask) -> Answer:
        """Ask the provider now."""
        async with _told():
            await self.service.rescan(ask.places["provider"])
        return await self._told(ask.places["provider"])

    async def resources(self, ask: Ask) -> Answer:
        """All that is one's own at the provider."""
        async with _told():
            return Answer(document=await self.service.resources(ask.places["provider"]))

    async def leave(self, ask: Ask) -> Answer:
        """Leave the provider, and tell how it stood before."""
        name, force = ask.places["provider"], ask.flag("force")
        before = await self._told(name)
        async with _told():
            await self.service.leave(name, actor=ask.caller.name, force=force)
        return before

    async def troubles(self) -> tuple[Trouble, ...]:
        """Providers that do not answer, or do not know this controller."""
        found = await asyncio.to_thread(self.links.reports)
        return tuple(
            Trouble(subject=f"provider {each.name}", detail=each.trouble)
            for each in found
            if each.trouble is not UNSET
        )

    async def _told(self, name: Name, *, status: int = 200) -> Answer:
        report = await asyncio.to_thread(self.links.report, name)
        where = {routes.LOCATION: f"/v1/providers/{name}"} if status != 200 else {}  # noqa: PLR2004
        return Answer(status=status, document=report, headers=where)


@asynccontextmanager
async def _told() -> AsyncIterator[None]:
    """What a provider's controller did not answer, as problems."""
    try:
        yield
    except PeerUnknown as error:
        raise ProblemError(problem(ProblemType.WRONG_PEER, str(error))) from error
    except PeerUnreachable as error:
        detail = f"{error}; what was begun stays, and the same may be asked again"
        raise ProblemError(problem(ProblemType.UNAVAILABLE, detail)) from error


def _name(invitation: Invitation) -> Name:
    """The host in the URL, as a name."""
    host = urlsplit(invitation.url).hostname or ""
    return re.sub(r"[^a-z0-9.-]", "-", host).strip(".-")[:63].strip(".-") or "provider"
