"""What providers told this tenant's controller: one's resources, and the ends of tunnels."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from msgspec import structs
from sqlalchemy import select

from causeway_controller.contract.tenant_view import TenantResources
from causeway_controller.contract.tunnels import TunnelEnd
from causeway_controller.store import secrets
from causeway_controller.store.database import Database, upsert
from causeway_controller.store.peer_tables import provider_told, tunnel_end
from causeway_controller.store.secrets import Kind
from causeway_controller.trust.sealing import Vault
from causeway_wire import codec
from causeway_wire.types import Name, NetworkId, Secret


class Told:
    """What was told last, by provider."""

    def __init__(self, database: Database, sealing: Vault, *, now: Callable[[], datetime]) -> None:
        self._database = database
        self._vault = sealing
        self._now = now

    def keep(self, provider: Name, resources: TenantResources) -> None:
        """Keep one's resources. Raises StoreError."""
        values = {"document": codec.encode(resources).decode()}
        with self._database.write() as connection:
            row = upsert(connection, provider_told).values(provider=provider, **values)
            kept = row.on_conflict_do_update(index_elements=[provider_told.c.provider], set_=values)
            connection.execute(kept)

    def all(self) -> dict[Name, TenantResources]:
        """Everybody's resources; nobody's, at a provider's own controller. Raises StoreError."""
        question = select(provider_told.c.provider, provider_told.c.document).order_by(
            provider_told.c.provider
        )
        with self._database.read() as connection:
            found = connection.execute(question).all()
        return {provider: codec.decode(text.encode(), TenantResources) for provider, text in found}

    def resources(self, provider: Name) -> TenantResources | None:
        """One's resources; None before the provider told them. Raises StoreError."""
        question = select(provider_told.c.document).where(provider_told.c.provider == provider)
        with self._database.read() as connection:
            found = connection.execute(question).scalar_one_or_none()
        return None if found is None else codec.decode(found.encode(), TenantResources)

    def keep_end(self, provider: Name, end: TunnelEnd) -> None:
        """Keep what was given for a tunnel; its key in the vault. Raises StoreError."""
        key, network = Secret(end.tls_crypt), end.network
        values = {"document": codec.encode(structs.replace(end, tls_crypt="")).decode()}
        with self._database.write() as connection:
            row = upsert(connection, tunnel_end).values(provider=provider, network=network, **values)
            keys = [tunnel_end.c.provider, tunnel_end.c.network]
            connection.execute(row.on_conflict_do_update(index_elements=keys, set_=values))
            place = _place(provider, network)
            secrets.keep(connection, self._vault, Kind.TUNNEL_END, place, key, at=self._now())

    def end(self, provider: Name, network: NetworkId) -> TunnelEnd | None:
        """What was given for a network's tunnel; None before that. Raises StoreError, SealBroken."""
        this = (tunnel_end.c.provider == provider, tunnel_end.c.network == network)
        with self._database.read() as connection:
            found = connection.execute(select(tunnel_end.c.document).where(*this)).scalar_one_or_none()
            key = secrets.find(connection, self._vault, Kind.TUNNEL_END, _place(provider, network))
        if found is None or key is None:
            return None
        return structs.replace(codec.decode(found.encode(), TunnelEnd), tls_crypt=key.reveal())


def _place(provider: Name, network: NetworkId) -> str:
    return f"{provider}/{network}"
