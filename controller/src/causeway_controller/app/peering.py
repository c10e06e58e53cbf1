"""Both sides of two controllers, put together: members that are served, providers that are asked."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from causeway_controller.api.building import Parts, build_for_tenants
from causeway_controller.api.ports import Peering, Services
from causeway_controller.app import identity, members_tls
from causeway_controller.app.members_tls import MemberTls
from causeway_controller.app.serving import utc_now
from causeway_controller.settings import Settings
from causeway_controller.store import authorities
from causeway_controller.store.authorities import Authorities
from causeway_controller.store.database import Database
from causeway_controller.store.invitations import Invitations
from causeway_controller.store.members import Members
from causeway_controller.store.peer_keys import PeerKeys
from causeway_controller.store.tunnels import Tunnels
from causeway_controller.trust.sealing import Vault
from causeway_controller.workflows.providers import Providers


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """A provider's side: what the API knows of it, and the TLS that its tenants' controllers meet."""

    peering: Peering
    tls: MemberTls


async def establish(
    settings: Settings, database: Database, sealing: Vault, kept: Authorities
) -> Provider | None:
    """What tenants' controllers are known by, made when there is none. Raises StoreError."""
    if settings.tenants is None:
        return None
    authority, keys = authorities.members(identity.PROVIDER), PeerKeys(database, sealing, now=utc_now)
    await asyncio.to_thread(kept.establish, authority, actor=settings.name)
    await asyncio.to_thread(keys.establish, actor=settings.name)
    tls = MemberTls(keys, kept, authority=authority, url=settings.tenants.url, now=utc_now)
    peering = Peering(
        invitations=Invitations(database=database, now=utc_now, random=secrets.token_bytes),
        members=members(database, sealing),
        keys=keys,
        shown=tls,
        tunnels=Tunnels(database, sealing, now=utc_now),
        url=settings.tenants.url,
    )
    return Provider(peering=peering, tls=tls)


def members(database: Database, sealing: Vault) -> Members:
    """Return what a provider knows its members by; it has none where it serves none."""
    return Members(database, sealing, authority=authorities.members(identity.PROVIDER), now=utc_now)


@asynccontextmanager
async def followed(providers: Providers) -> AsyncIterator[None]:
    """Providers are asked how one stands as long as this is open."""
    following = asyncio.create_task(providers.follow())
    try:
        yield
    finally:
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following


@asynccontextmanager
async def for_tenants(
    settings: Settings, database: Database, provider: Provider | None, services: Services
) -> AsyncIterator[None]:
    """Tenants' controllers are served as long as this is open, where the settings say so."""
    if settings.tenants is None or provider is None:
        yield
        return
    parts = Parts(
        database=database,
        services=services,
        now=utc_now,
        clock=time.monotonic,
        random=secrets.token_bytes,
        interval=settings.interval,
        patience=settings.patience,
    )
    application = build_for_tenants(parts, provider.peering)
    async with members_tls.serving(application, provider.tls, settings.tenants, actor=settings.name):
        yield
