"""What documents need of authorities and ledger, as the values that they are compiled from.

Keys of tls-crypt-v2 are made here when they are first asked for, and kept in the vault.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy.engine import Connection

from causeway_controller.contract.certificates import Bearer
from causeway_controller.inventory.certificates import Issued
from causeway_controller.inventory.tenancy import GatewayCredentials, TenantCredentials, TunnelCredentials
from causeway_controller.store import authorities, ledger, secrets
from causeway_controller.store.database import Database
from causeway_controller.store.secrets import Kind
from causeway_controller.trust import tls_crypt
from causeway_controller.trust.sealing import Vault
from causeway_wire.types import Name, Pem, Secret, TenantId, TunnelId


class Credentials:
    """Certificates that count, and keys, as `inventory.tenancy` knows them."""

    def __init__(self, database: Database, sealing: Vault, *, now: Callable[[], datetime]) -> None:
        self._database = database
        self._vault = sealing
        self._now = now

    def server_key(self, tenant: TenantId) -> Secret:
        """The tenant's tls-crypt-v2 server key, made when there is none. Raises StoreError."""
        with self._database.write() as connection:
            return self._server_key(connection, tenant)

    def client_key(self, tenant: TenantId, tunnel: TunnelId) -> Secret:
        """A tunnel's tls-crypt-v2 client key, made when there is none. Raises StoreError."""
        name = f"{tenant}/{tunnel}"
        with self._database.write() as connection:
            found = secrets.find(connection, self._vault, Kind.TLS_CRYPT_CLIENT, name)
            if found is None:
                claim = tls_crypt.Claim(tenant=tenant, tunnel=tunnel)
                made = tls_crypt.make_client_key(self._server_key(connection, tenant), claim)
                found = self._first(connection, Kind.TLS_CRYPT_CLIENT, name, made)
            return found

    def of_tenant(self, tenant: TenantId) -> TenantCredentials | None:
        """The tenant's authority and keys, and each tunnel of which both ends have had a certificate.

        An end whose last one was revoked has none: the other end's document is made without it.
        None before its authority and server key were made. Raises StoreError, SealBroken.
        """
        with self._database.read() as connection:
            ca = authorities.bundle(connection, authorities.vpn(tenant))
            key = secrets.find(connection, self._vault, Kind.TLS_CRYPT_SERVER, tenant)
            if ca is None or key is None:
                return None
            return TenantCredentials(ca=ca, tls_crypt=key, tunnels=self._tunnels(connection, tenant))

    def of_gateways(self, dns_name: Name) -> GatewayCredentials | None:
        """The gateways' authority, and the certificates that count.

        None before the authority was made. Raises StoreError.
        """
        with self._database.read() as connection:
            ca = authorities.bundle(connection, authorities.gateways(dns_name))
            if ca is None:
                return None
            found = [
                (issued.subject.appliance, issued, pem)
                for issued, pem in ledger.newest_of_gateways(connection)
                if issued.revoked is None and issued.subject.appliance and issued.subject.name == dns_name
            ]
            return GatewayCredentials(
                ca=ca,
                certificates={appliance: pem for appliance, _, pem in found},
                keys={appliance: issued.key for appliance, issued, _ in found if issued.key is not None},
            )

    def _tunnels(self, connection: Connection, tenant: TenantId) -> dict[TunnelId, TunnelCredentials]:
        ends: dict[TunnelId, dict[Bearer, tuple[Issued, Pem]]] = {}
        for issued, pem in ledger.newest_of_tenant(connection, tenant):
            if issued.subject.tunnel is not None:
                ends.setdefault(issued.subject.tunnel, {})[issued.subject.purpose] = issued, pem
        return {
            tunnel: made
            for tunnel, both in ends.items()
            if (made := self._tunnel(connection, tenant, tunnel, both)) is not None
        }

    def _tunnel(
        self,
        connection: Connection,
        tenant: TenantId,
        tunnel: TunnelId,
        ends: dict[Bearer, tuple[Issued, Pem]],
    ) -> TunnelCredentials | None:
        key = secrets.find(connection, self._vault, Kind.TLS_CRYPT_CLIENT, f"{tenant}/{tunnel}")
        if key is None or set(ends) != {Bearer.SERVER, Bearer.CLIENT}:
            return None
        (server, server_pem), (client, client_pem) = ends[Bearer.SERVER], ends[Bearer.CLIENT]
        return TunnelCredentials(
            server_certificate="" if server.revoked else server_pem,
            client_certificate="" if client.revoked else client_pem,
            server_name=server.subject.name,
            client_name=client.subject.name,
            client_tls_crypt=key,
            server_key=server.key,
            client_key=client.key,
        )

    def _server_key(self, connection: Connection, tenant: TenantId) -> Secret:
        found = secrets.find(connection, self._vault, Kind.TLS_CRYPT_SERVER, tenant)
        if found is not None:
            return found
        return self._first(connection, Kind.TLS_CRYPT_SERVER, tenant, tls_crypt.make_server_key())

    def _first(self, connection: Connection, kind: Kind, name: str, made: Secret) -> Secret:
        """The key, or the one that another controller made at the same moment."""
        return secrets.keep_first(connection, self._vault, kind, name, made, at=self._now())
