"""What providers told this tenant's controller: one's resources, and the ends of tunnels."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from msgspec import structs
from sqlalchemy import select, update
from sqlalchemy.engine import Connection

from causeway_controller.contract.tenant_view import RevokedCertificate, TenantResources
from causeway_controller.contract.tunnels import KeptEnd, TunnelEnd
from causeway_controller.store import audit, secrets
from causeway_controller.store.database import Database, upsert
from causeway_controller.store.peer_tables import provider_told, told_revocation, tunnel_end
from causeway_controller.store.secrets import Kind
from causeway_controller.trust import pki
from causeway_controller.trust.sealing import Vault
from causeway_wire import codec
from causeway_wire.types import ApplianceId, KeyName, Name, NetworkId, Secret


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
            for one in resources.revoked:
                self._revoked(connection, provider, one)

    def all(self) -> dict[Name, TenantResources]:
        """As `everybody`. Raises StoreError."""
        return everybody(self._database)

    def resources(self, provider: Name) -> TenantResources | None:
        """One's resources; None before the provider told them. Raises StoreError."""
        question = select(provider_told.c.document).where(provider_told.c.provider == provider)
        with self._database.read() as connection:
            found = connection.execute(question).scalar_one_or_none()
        return None if found is None else codec.decode(found.encode(), TenantResources)

    def _revoked(self, connection: Connection, provider: Name, one: RevokedCertificate) -> None:
        """Write down, once, that the provider revoked it."""
        at = self._now()
        values = {"provider": provider, "serial": one.serial, "at": at}
        row = upsert(connection, told_revocation).values(values).on_conflict_do_nothing()
        if connection.execute(row.returning(told_revocation.c.serial)).one_or_none() is None:
            return
        subject = f"{one.serial} of {one.bearer}" + (f" of tunnel {one.tunnel}" if one.tunnel else "")
        actor = f"provider {provider}"
        act = audit.Act(at=at, actor=actor, action="certificate.refuse", subject=subject)
        audit.append(connection, act)

    def keep_end(self, provider: Name, end: TunnelEnd, *, key: KeyName) -> None:
        """Keep what was given for a tunnel and a key of this name; its tls-crypt-v2 key in the vault.

        Raises StoreError.
        """
        sealed, network = Secret(end.tls_crypt), end.network
        kept = KeptEnd(**{**structs.asdict(end), "tls_crypt": "", "key": key})
        values = {"document": codec.encode(kept).decode()}
        with self._database.write() as connection:
            row = upsert(connection, tunnel_end).values(provider=provider, network=network, **values)
            keys = [tunnel_end.c.provider, tunnel_end.c.network]
            connection.execute(row.on_conflict_do_update(index_elements=keys, set_=values))
            place = _place(provider, network)
            secrets.keep(connection, self._vault, Kind.TUNNEL_END, place, sealed, at=self._now())

    def discard(self, appliance: ApplianceId, network: NetworkId) -> None:
        """Note that the machine of this name, with the key of the network's tunnel, was thrown away; whatever
        the inventory says of it by now. Raises StoreError.
        """
        question = select(tunnel_end.c.provider, tunnel_end.c.document).where(tunnel_end.c.network == network)
        with self._database.write() as connection:
            for provider, found in connection.execute(question.with_for_update()).all():
                kept = codec.decode(found.encode(), KeptEnd)
                if kept.client_name == appliance:
                    noted = codec.encode(structs.replace(kept, thrown_away=True)).decode()
                    this = (tunnel_end.c.provider == provider, tunnel_end.c.network == network)
                    connection.execute(update(tunnel_end).where(*this).values(document=noted))

    def end(self, provider: Name, network: NetworkId) -> KeptEnd | None:
        """What was given for a network's tunnel; None before that. Raises StoreError, SealBroken."""
        this = (tunnel_end.c.provider == provider, tunnel_end.c.network == network)
        with self._database.read() as connection:
            found = connection.execute(select(tunnel_end.c.document).where(*this)).scalar_one_or_none()
            key = secrets.find(connection, self._vault, Kind.TUNNEL_END, _place(provider, network))
            of_provider = told_revocation.c.provider == provider
            refused = connection.execute(select(told_revocation.c.serial).where(of_provider)).scalars().all()
        if found is None or key is None:
            return None
        kept = codec.decode(found.encode(), KeptEnd)
        revoked = pki.serial(kept.certificate) in refused
        return structs.replace(kept, tls_crypt=key.reveal(), revoked=revoked)


def everybody(database: Database) -> dict[Name, TenantResources]:
    """What each provider told; nobody's, at a provider's own controller. Raises StoreError."""
    question = select(provider_told.c.provider, provider_told.c.document).order_by(provider_told.c.provider)
    with database.read() as connection:
        found = connection.execute(question).all()
    return {provider: codec.decode(text.encode(), TenantResources) for provider, text in found}


def thrown_away(database: Database) -> tuple[tuple[Name, KeptEnd], ...]:
    """Return the ends, by provider, whose machines were thrown away and whose keys the provider has not
    revoked; without their tls-crypt-v2 keys. Raises StoreError.
    """
    with database.read() as connection:
        rows = connection.execute(select(tunnel_end.c.provider, tunnel_end.c.document)).all()
        known = connection.execute(select(told_revocation.c.provider, told_revocation.c.serial)).all()
    refused = {(provider, serial) for provider, serial in known}
    ends = ((provider, codec.decode(text.encode(), KeptEnd)) for provider, text in rows)
    return tuple(
        (provider, end)
        for provider, end in ends
        if end.thrown_away and (provider, pki.serial(end.certificate)) not in refused
    )


def _place(provider: Name, network: NetworkId) -> str:
    return f"{provider}/{network}"
