"""Certificates of tunnels' clients, signed for members: of their own networks, the same for the same key."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from sqlalchemy.engine import Connection

from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.tunnels import InnerEnds, TunnelEnd
from causeway_controller.inventory import book, certificates
from causeway_controller.inventory.allocation import Allocation
from causeway_controller.inventory.certificates import Issued, Subject
from causeway_controller.inventory.refused_lists import LIMIT
from causeway_controller.store import authorities, ledger
from causeway_controller.store.authorities import Authorities, IssuingWithin
from causeway_controller.store.credentials import Credentials
from causeway_controller.store.database import Database
from causeway_controller.trust import pki
from causeway_controller.trust.sealing import Vault
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.types import Name, NetworkId, Pem, TenantId, TunnelId

_REST: Final = timedelta(minutes=1)
"""Between two certificates of a tunnel for different keys."""
_ISSUED: Final = LIMIT
"""That have not ended, of one tunnel: whoever revokes them all, its list in documents has room for each. One
that is over its limit makes a document that no gateway takes, for whichever tenant.
"""
_REPLACED: Final = LIMIT // 2
"""Of one tunnel, because their machines were thrown away: the provider's staff has the rest of the list."""


class Tunnels:
    """Signs for a provider."""

    def __init__(self, database: Database, sealing: Vault, *, now: Callable[[], datetime]) -> None:
        self._database = database
        self._vault = sealing
        self._now = now

    def sign(
        self,
        inventory: Inventory,
        given: Allocation,
        tenant: TenantId,
        network: NetworkId,
        request: x509.CertificateSigningRequest,
        *,
        replaces: bool = False,
    ) -> TunnelEnd:
        """What the tenant's appliance of this network is given for its key. With `replaces` what other keys
        of the tunnel got is revoked, or nothing is done.

        Raises ProblemError: `not-found` without such a network or tunnel, `too-many` when another key got one
        just now, and when so many were issued or replaced that the tunnel's list of what is revoked could
        fill; StoreError, SealBroken.
        """
        names = book.index(inventory)
        entry = names.tenants.get(tenant)
        found = None if entry is None else book.networks(entry).get(network)
        slot = next((one for one in given.tunnels if (one.tenant, one.network) == (tenant, network)), None)
        if entry is None or found is None or not found.tenant_end or not entry.gateway_pool or slot is None:
            detail = f"there is no tunnel of a network {network}; ask the provider to enter its tenant's end"
            raise ProblemError(problem(ProblemType.NOT_FOUND, detail))
        tunnel, pool = found.tenant_end.tunnel, names.gateway_pools[entry.gateway_pool]
        kept, credentials = self._authorities(), Credentials(self._database, self._vault, now=self._now)
        for name in (authorities.vpn(tenant), authorities.gateways(pool.name)):
            kept.establish(name, actor=tenant)
        client, server = end_names(tenant, network)
        subject = certificates.of_client(tenant, tunnel, client)
        return TunnelEnd(
            network=network,
            tunnel=tunnel,
            certificate=self._certificate(tenant, subject, request, replaces=replaces),
            authority=kept.bundle(authorities.vpn(tenant)),
            client_name=client,
            server_name=server,
            tls_crypt=self._key(credentials, tenant, tunnel),
            gateway_authority=kept.bundle(authorities.gateways(pool.name)),
            inner=tuple(InnerEnds(provider=ours, tenant=theirs) for ours, theirs in slot.inner),
        )

    def _authorities(self) -> Authorities:
        return Authorities(self._database, self._vault, now=self._now)

    def _key(self, credentials: Credentials, tenant: TenantId, tunnel: TunnelId) -> str:
        credentials.server_key(tenant)
        return credentials.client_key(tenant, tunnel).reveal()

    def _certificate(
        self, tenant: TenantId, subject: Subject, request: x509.CertificateSigningRequest, *, replaces: bool
    ) -> Pem:
        now, key = self._now(), pki.fingerprint(pki.requested_key(request))
        with self._database.write() as connection:
            # Who signs meanwhile waits, so that nothing of an old key is missed.
            authorities.all_generations(connection, authorities.vpn(tenant), locked=True)
            known = ledger.texts(connection, subject.slot)
            before = [each for each in known if each[0].revoked is None]
            others = tuple(_others(before, key, at=now)) if replaces else ()
            if others:
                _refuse_replaced(known, len(others), at=now)
            for issued, pem in reversed(before):
                if pki.certified(pem) == key and now < certificates.renewal(issued):
                    _revoke(connection, others, actor=tenant, at=now)
                    return pem
            last = before[-1] if before else None
            if (
                last is not None
                and pki.certified(last[1]) != key
                and now - last[0].not_before - pki.BACKDATING < _REST
            ):
                detail = "another key got a certificate of this tunnel just now; ask again in a minute"
                raise ProblemError(problem(ProblemType.TOO_MANY, detail))
            _refuse_full(known, at=now)
            issuer = IssuingWithin(connection, self._vault, authorities.vpn(tenant), subject, actor=tenant)
            made = pki.issue_vpn(issuer, request, common_name=subject.name, usage=pki.Usage.CLIENT, now=now)
            _revoke(connection, others, actor=tenant, at=now)
            return made


def _others(before: Iterable[tuple[Issued, Pem]], key: str, *, at: datetime) -> Iterator[Issued]:
    """Yield what still counts of these, unless it is of this key (its fingerprint)."""
    for issued, pem in before:
        if at < issued.not_after and pki.certified(pem) != key:
            yield issued


def _refuse_full(known: Iterable[tuple[Issued, Pem]], *, at: datetime) -> None:
    """Raise ProblemError (`too-many`) where a tunnel has so many certificates that it gets no other."""
    ends = [each.not_after for each, _ in known if at < each.not_after]
    if len(ends) >= _ISSUED:
        detail = (
            f"{len(ends)} certificates of this tunnel have not ended, and so many may be revoked at most: it "
            f"gets another when the first ends, at {min(ends):%Y-%m-%d %H:%M} UTC; the last key that was not "
            "revoked goes on"
        )
        raise ProblemError(problem(ProblemType.TOO_MANY, detail))


def _refuse_replaced(known: Iterable[tuple[Issued, Pem]], more: int, *, at: datetime) -> None:
    """Raise ProblemError (`too-many`) where so many of a tunnel's keys were replaced that no more are."""
    ends = [each.not_after for each, _ in known if each.revoked is not None and at < each.not_after]
    if len(ends) + more > _REPLACED:
        first = f", the first does at {min(ends):%Y-%m-%d %H:%M} UTC" if ends else ""
        detail = (
            f"{len(ends)} certificates of this tunnel are revoked and have not ended{first}: have the "
            "provider revoke the key that is to go (`causeway certificate revoke`), and ask again. A "
            "redeployment with --keep-certificates adds none"
        )
        raise ProblemError(problem(ProblemType.TOO_MANY, detail))


def _revoke(connection: Connection, these: Iterable[Issued], *, actor: str, at: datetime) -> None:
    for issued in these:
        ledger.revoke_one(connection, issued, reason="its machine was thrown away", actor=actor, at=at)


def end_names(tenant: TenantId, network: NetworkId) -> tuple[Name, Name]:
    """Return the names of a tunnel's client and server, by which each knows the other."""
    return (
        certificates.end_name(tenant, network, "tenant"),
        certificates.end_name(tenant, network, "provider"),
    )
