"""A tenant's controller and its providers: joined, asked again and again how one stands, left.

Every step may be lost on its way there or back, and may be repeated: a key and an invitation's secret are
kept before they are used, and the provider answers the same key in the same way.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from causeway_controller.contract import tenant_routes
from causeway_controller.contract.joining import Certified, Invitation, Join, LinkState, Membership, Renew
from causeway_controller.contract.tenant_view import TenantResources, VersionedResources
from causeway_controller.errors import ControllerError, PeerForeign, PeerUnknown, PeerUnreachable
from causeway_controller.peers import pinning
from causeway_controller.peers.client import ProviderClient
from causeway_controller.peers.kept_clients import Door, KeptClients
from causeway_controller.store.links import Link, Links
from causeway_controller.store.told import Told
from causeway_controller.trust import pki
from causeway_wire.problem import ProblemError, ProblemType
from causeway_wire.types import Name, Pem, Secret

SECONDS: Final = 30.0
"""Between two questions how one stands."""
_WAIT: Final = 25
"""Seconds that a question about one's resources may stay open."""
_PAUSE: Final = 1.0
_REFUSED: Final = frozenset({ProblemType.INVITATION_VOID.urn, ProblemType.INVITATION_USED.urn})

_log = logging.getLogger(__name__)


class Providers:
    """`api.ports.ProviderService`, and what goes on in the background."""

    def __init__(
        self,
        links: Links,
        told: Told,
        *,
        left: Callable[[Name], Awaitable[None]],
        seconds: float = SECONDS,
    ) -> None:
        """`left`: told of each provider that was left, by whichever controller of this site."""
        self._links = links
        self._told = told
        self._left = left
        self._seconds = seconds
        # Of what each provider told last of one's resources.
        self._versions: dict[Name, str] = {}

    async def join(self, invitation: Invitation, name: Name, *, actor: str) -> None:
        """Accept an invitation, and hear what is one's own there. After no answer the same one may be given
        again, or is tried by itself.

        Raises ProblemError, PeerUnreachable, StoreError.
        """
        link = await asyncio.to_thread(self._links.begin, name, invitation, actor=actor)
        try:
            await self._accept(link)
        except ProblemError as error:
            if error.problem.type in _REFUSED:
                await asyncio.to_thread(self._links.remove, name, actor=actor)
            raise
        with suppress(ProblemError, PeerUnreachable):  # it is joined all the same, and asked again by itself
            await self.resources(name)

    async def rescan(self, name: Name) -> None:
        """Ask now how one stands and what is one's own, and renew what is due.

        Raises ProblemError, PeerUnreachable: what is wrong is kept too; StoreError.
        """
        async with KeptClients() as kept:
            await self._stand(name, kept)
            link = await asyncio.to_thread(self._links.get, name)
            async with kept.client(name, door_of(link)) as client:
                await self._hear_resources(name, client)

    async def _stand(self, name: Name, kept: KeptClients) -> None:
        """Ask how one stands, and renew what is due.

        Raises ProblemError, PeerUnreachable: what is wrong is kept too; StoreError.
        """
        link = await asyncio.to_thread(self._links.get, name)
        try:
            if link.state is LinkState.LEAVING:
                return
            if link.state is LinkState.JOINING:
                await self._accept(link)
            else:
                await self._meet(link, kept)
        except (ProblemError, PeerUnreachable) as error:
            out = isinstance(error, ProblemError) and _is_unknown(error)
            await asyncio.to_thread(self._links.failed, name, _words(link, error), out=out)
            raise

    async def leave(self, name: Name, *, actor: str, force: bool) -> None:
        """Have the provider forget this controller, then forget it. Meanwhile nothing begins over it.

        Raises ProblemError, also where a failover relies on it, and PeerUnreachable unless `force`: then the
        provider is to be told by other ways.
        """
        link = await asyncio.to_thread(self._links.get, name)
        before = LinkState.JOINED if link.state is LinkState.LEAVING else link.state
        if not force:
            await asyncio.to_thread(self._links.leaving, name)
        try:
            if link.invitation is not None:
                await self._accept(link)  # it may have been accepted: then there is something to leave
                link, before = await asyncio.to_thread(self._links.get, name), LinkState.JOINED
            async with client_of(link) as client:
                await client.ask(tenant_routes.LEAVE)
        except ProblemError as error:
            if not (force or _is_unknown(error) or error.problem.type in _REFUSED):
                await asyncio.to_thread(self._links.stay, name, before)
                raise
        except PeerUnreachable:
            if not force:
                await asyncio.to_thread(self._links.stay, name, before)
                raise
        how = "by force" if force else ""
        await asyncio.to_thread(self._links.remove, name, actor=actor, detail=how)

    async def resources(self, name: Name) -> TenantResources:
        """All that is one's own at a provider, now. Raises ProblemError, PeerUnreachable, StoreError."""
        async with client_of(await asyncio.to_thread(self._links.get, name)) as client:
            return await self._hear_resources(name, client)

    async def _hear_resources(self, name: Name, client: ProviderClient) -> TenantResources:
        found = (await client.ask(tenant_routes.RESOURCES)).read(VersionedResources).resources
        await asyncio.to_thread(self._told.keep, name, found)
        return found

    async def follow(self) -> None:
        """Ask every provider again and again, until cancelled. What fails is kept, and told by `status`."""
        following: dict[Name, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as tasks:
            while True:
                try:
                    names = set(await asyncio.to_thread(self._links.names))
                except ControllerError as error:
                    _log.warning("providers not read: %s", error)
                    names = set(following)
                for name in names - following.keys():
                    following[name] = tasks.create_task(self._follow(name))
                for name in following.keys() - names:
                    following.pop(name).cancel()
                    self._versions.pop(name, None)
                    await self._left(name)
                await asyncio.sleep(min(self._seconds, 1.0))

    async def _follow(self, name: Name) -> None:
        while True:
            # Many tenants begin at the same moment after the provider was away.
            await asyncio.sleep(self._seconds * random.uniform(0.75, 1.25))  # noqa: S311 - no secret
            try:
                async with KeptClients() as kept:
                    await self._stand(name, kept)
                    while await self._changed(name, kept):
                        pass
            except (ControllerError, ProblemError) as error:
                _log.info("provider not asked", extra={"provider": name, "reason": str(error)})
            except Exception:  # noqa: BLE001 - a defect about one provider must not end the others
                _log.exception("provider not asked", extra={"provider": name})

    async def _changed(self, name: Name, kept: KeptClients) -> bool:
        """Wait until one's resources at the provider differ; False when they did not for a while.

        Raises as `resources`. The first answer comes at once: nothing was told yet.
        """
        await asyncio.sleep(_PAUSE)
        link = await asyncio.to_thread(self._links.get, name)
        before = self._versions.get(name)
        query = {} if before is None else {"after": before, "wait": str(_WAIT)}
        async with kept.client(name, door_of(link)) as client:
            answer = await client.ask(tenant_routes.RESOURCES, query=query, patience=2 * _WAIT)
        found = answer.read(VersionedResources)
        self._versions[name] = found.version
        await asyncio.to_thread(self._told.keep, name, found.resources)
        if self._versions[name] == before:
            return False
        _log.info("resources told", extra={"provider": name, "version": self._versions[name]})
        return True

    async def _accept(self, link: Link) -> None:
        if link.invitation is None:
            raise PeerForeign(f"the invitation of {link.name} is gone from the vault; ask for a new one")
        body = Join(secret=link.invitation.reveal(), request=_request(link.key))
        context = pinning.context(link.pins, certificate=None, key=link.key)
        async with ProviderClient(link.url, context) as client:
            made = (await client.ask(tenant_routes.JOIN, body=body)).read(Certified)
        _check(made, link.key)
        await asyncio.to_thread(
            self._links.joined, link.name, tenant=made.tenant, certificate=made.certificate
        )
        _log.info("joined", extra={"provider": link.name, "tenant": made.tenant})

    async def _meet(self, link: Link, kept: KeptClients) -> None:
        async with kept.client(link.name, door_of(link)) as client:
            told = await self._hear(client, link)
            if told.next_key and told.next_key not in link.pins:
                link = await asyncio.to_thread(self._links.get, link.name)
                await self._hear(client, link)  # now that it is kept, the provider may know so
            if not told.renew:
                return
            await self._renew(client, link)
        link = await asyncio.to_thread(self._links.get, link.name)
        # It shows the new certificate: the one before counts no more.
        async with kept.client(link.name, door_of(link)) as client:
            await self._hear(client, link)

    async def _hear(self, client: ProviderClient, link: Link) -> Membership:
        knows = {"knows": link.pins[1]} if len(link.pins) > 1 else {}
        told = (await client.ask(tenant_routes.MEMBERSHIP, query=knows)).read(Membership)
        pins = (told.key, told.next_key) if told.next_key else (told.key,)
        await asyncio.to_thread(self._links.heard, link.name, pins=pins)
        return told

    async def _renew(self, client: ProviderClient, link: Link) -> None:
        key = await asyncio.to_thread(self._links.next_key, link.name)
        made = (await client.ask(tenant_routes.RENEW, body=Renew(request=_request(key)))).read(Certified)
        _check(made, key)
        await asyncio.to_thread(self._links.renewed, link.name, made.certificate)
        _log.info("certificate renewed", extra={"provider": link.name})


def door_of(link: Link) -> Door:
    """Where this provider is met, and who we are there."""
    return Door(url=link.url, pins=link.pins, certificate=link.certificate, key=link.key)


def client_of(link: Link) -> ProviderClient:
    """What asks this provider, showing who we are there."""
    return door_of(link).client()


def _request(key: Secret) -> Pem:
    return pki.make_request(pki.read_key(key))


def _check(made: Certified, key: Secret) -> None:
    """Raises PeerForeign unless the certificate is for our key."""
    try:
        ours = pki.certified(made.certificate) == pki.fingerprint(pki.read_key(key).public_key())
    except ValueError:
        ours = False
    if not ours:
        raise PeerForeign("the provider's answer holds a certificate that is not for this controller's key")


def _is_unknown(error: ProblemError) -> bool:
    return error.problem.type == ProblemType.UNAUTHENTICATED.urn


def _words(link: Link, error: Exception) -> str:
    if isinstance(error, ProblemError) and _is_unknown(error):
        return (
            f"it does not know this controller as {link.tenant}'s any more; ask the provider for an "
            f"invitation, and `causeway provider join` it as {link.name}"
        )
    if isinstance(error, ProblemError):
        return error.problem.detail
    if isinstance(error, PeerUnknown | PeerForeign):
        return str(error)
    return (
        f"{error}: the line to it, or its controller; it is asked again by itself, and what is failed over "
        "goes on without it. If that lasts ask its staff"
    )
