"""The provider's certificate authorities, in generations; their private keys are in the vault.

This is the only place where certificates are signed: each is in the ledger before anybody has it.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import ColumnElement, Select, bindparam, select, update
from sqlalchemy.engine import Connection

from causeway_controller.errors import StoreError
from causeway_controller.inventory import rotation
from causeway_controller.inventory.certificates import Subject
from causeway_controller.inventory.rotation import Generation, Phase, Retire
from causeway_controller.store import audit, ledger, secrets
from causeway_controller.store.database import Database, upsert
from causeway_controller.store.secrets import Kind
from causeway_controller.store.tables import authority, certificate
from causeway_controller.trust import pki
from causeway_controller.trust.sealing import Vault
from causeway_wire.types import KeyName, Name, Pem, Secret, TenantId

_MOST_ALIVE: Final = 2
"""Documents have room for two authorities of elliptic curves."""


class AuthorityKind(enum.StrEnum):
    """What an authority is trusted for."""

    MANAGEMENT = "management"
    """Agents' server certificates, controllers' client certificates."""
    VPN = "vpn"
    """Both ends of a tenant's tunnels."""
    GATEWAY = "gateway"
    """The gateways' TLS."""
    MEMBER = "member"
    """Tenants' controllers, which show its certificates to the provider's."""


@dataclass(frozen=True, slots=True)
class AuthorityName:
    """An authority: the provider's own, a tenant's, or the one for the gateways' DNS name."""

    kind: AuthorityKind
    owner: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.owner}"


def management(provider: Name) -> AuthorityName:
    """The authority of agents and controllers; `provider` is in its certificate's name."""
    return AuthorityName(AuthorityKind.MANAGEMENT, provider)


def vpn(tenant: TenantId) -> AuthorityName:
    """The authority of a tenant's tunnels."""
    return AuthorityName(AuthorityKind.VPN, tenant)


def gateways(dns_name: Name) -> AuthorityName:
    """The authority that vouches for this DNS name and no other."""
    return AuthorityName(AuthorityKind.GATEWAY, dns_name)


def members(provider: Name) -> AuthorityName:
    """The authority of tenants' controllers; only the provider's controllers trust it."""
    return AuthorityName(AuthorityKind.MEMBER, provider)


# Made once: each request of a member asks it.
_GENERATIONS: Final = (
    select(authority)
    .where(authority.c.kind == bindparam("which"), authority.c.owner == bindparam("whose"))
    .order_by(authority.c.generation)
)
_GENERATIONS_LOCKED: Final = _GENERATIONS.with_for_update()
_TRUSTED: Final = (
    select(authority.c.certificate)
    .where(authority.c.kind == bindparam("which"), authority.c.owner == bindparam("whose"))
    .where(authority.c.retired.is_(None))
    .order_by(authority.c.generation.desc())
)


class Authorities:
    """Authorities made, asked to sign, and replaced."""

    def __init__(self, database: Database, sealing: Vault, *, now: Callable[[], datetime]) -> None:
        self._database = database
        self._vault = sealing
        self._now = now

    def establish(self, name: AuthorityName, *, actor: str) -> None:
        """Make the authority if there is none. Nobody has to be told first, so it signs at once.

        Raises StoreError.
        """
        with self._database.write() as connection:
            if not all_generations(connection, name):
                self._make(connection, name, 1, trusted=self._now(), actor=actor)

    def generations(self, name: AuthorityName) -> tuple[Generation, ...]:
        """All generations, the oldest first. Raises StoreError."""
        with self._database.read() as connection:
            return all_generations(connection, name)

    def bundle(self, name: AuthorityName) -> Pem:
        """The certificates that are trusted, the newest first. Raises StoreError when there is none."""
        with self._database.read() as connection:
            found = bundle(connection, name)
        if found is None:
            raise StoreError(f"there is no authority {name}; establish it first")
        return found

    def phase(self, name: AuthorityName) -> Phase:
        """What the authority's rotation needs next. Raises StoreError."""
        with self._database.read() as connection:
            return self._phase(connection, name, locked=False)

    def add(self, name: AuthorityName, *, actor: str) -> int:
        """Make a new generation, which signs once it is `trusted`; return its number.

        While one waits to be trusted, that is the one. Raises StoreError while an older is being replaced.
        """
        with self._database.write() as connection:
            generations = all_generations(connection, name, locked=True)
            alive = [each for each in generations if each.retired is None]
            if alive and alive[-1].trusted is None:
                return alive[-1].number
            if len(alive) >= _MOST_ALIVE:
                old = f"generation {alive[0].number} of authority {name}"
                raise StoreError(f"{old} is still being replaced; retire it before another is made")
            number = 1 + max((each.number for each in generations), default=0)
            return self._make(connection, name, number, trusted=None, actor=actor)

    def trusted(self, name: AuthorityName, generation: int, *, actor: str) -> None:
        """Let a generation sign: everybody who must trust it was told. Again changes nothing.

        Raises StoreError.
        """
        with self._database.write() as connection:
            found = _one(connection, name, generation)
            if found.trusted is None:
                _set(connection, name, generation, trusted=self._now())
                self._audit(connection, "authority.trust", name, generation, actor)

    def retire(self, name: AuthorityName, generation: int, *, actor: str) -> None:
        """Trust a generation no longer, and destroy its key. Again changes nothing.

        Raises StoreError, with nothing changed, while it is needed: `phase` says for what.
        """
        with self._database.write() as connection:
            if _one(connection, name, generation).retired is not None:
                return
            phase = self._phase(connection, name, locked=True)
            if phase != Retire(generation):
                what = f"generation {generation} of authority {name}"
                raise StoreError(f"{what} cannot be retired: next is {type(phase).__name__.lower()}")
            _set(connection, name, generation, retired=self._now())
            secrets.forget(connection, Kind.AUTHORITY, _key_name(name, generation))
            self._audit(connection, "authority.retire", name, generation, actor)

    def issuer(
        self, name: AuthorityName, subject: Subject, *, actor: str, key: KeyName | None = None
    ) -> Issuing:
        """What signs certificates for this subject, as `pki.issue_agent` and its like want it.

        `key`: what the key is called where it was born, for documents to name it.
        """
        return Issuing(self._database, self._vault, name, subject, actor=actor, key=key)

    def _make(
        self,
        connection: Connection,
        name: AuthorityName,
        number: int,
        *,
        trusted: datetime | None,
        actor: str,
    ) -> int:
        made = _new(name, now=self._now())
        values = {
            "kind": name.kind,
            "owner": name.owner,
            "generation": number,
            "certificate": made.pem,
            "not_before": made.certificate.not_valid_before_utc,
            "not_after": made.certificate.not_valid_after_utc,
            "trusted": trusted,
        }
        statement = upsert(connection, authority).values(values).on_conflict_do_nothing()
        if connection.execute(statement.returning(authority.c.generation)).one_or_none() is None:
            return number  # another controller made it at the same moment
        key = Secret(pki.private_pem(made.key).decode("ascii"))
        place = _key_name(name, number)
        secrets.keep(connection, self._vault, Kind.AUTHORITY, place, key, at=self._now())
        self._audit(connection, "authority.make", name, number, actor)
        return number

    def _phase(self, connection: Connection, name: AuthorityName, *, locked: bool) -> Phase:
        generations = all_generations(connection, name, locked=locked)
        mine = (certificate.c.kind == name.kind, certificate.c.owner == name.owner)
        alive = certificate.c.not_after > self._now()
        return rotation.next_phase(generations, ledger.records(connection, *mine, alive), now=self._now())

    def _audit(
        self, connection: Connection, action: str, name: AuthorityName, generation: int, actor: str
    ) -> None:
        subject = f"{name}/{generation}"
        audit.append(connection, audit.Act(at=self._now(), actor=actor, action=action, subject=subject))


class Issuing:
    """An authority that signs for one subject, and has the ledger know it first (`pki.Issuer`)."""

    def __init__(
        self,
        database: Database,
        sealing: Vault,
        name: AuthorityName,
        subject: Subject,
        *,
        actor: str,
        key: KeyName | None = None,
    ) -> None:
        self._database = database
        self._vault = sealing
        self._name = name
        self._subject = subject
        self._actor = actor
        self._key = key

    def issue(
        self,
        public_key: ec.EllipticCurvePublicKey,
        *,
        common_name: str,
        usage: pki.Usage,
        now: datetime,
        names: Iterable[x509.GeneralName] = (),
    ) -> x509.Certificate:
        """Sign with the generation that signs now; return the certificate after it was committed.

        Raises RequestRefused for a key that was revoked, StoreError when there is no such authority or it has
        ended, SealBroken, ValueError when the certificate is asked for somebody else.
        """
        if common_name != self._subject.name:
            raise ValueError(f"a certificate for {self._subject.name} cannot name {common_name}")
        with self._database.write() as connection:
            within = IssuingWithin(
                connection, self._vault, self._name, self._subject, actor=self._actor, key=self._key
            )
            return within.issue(public_key, common_name=common_name, usage=usage, now=now, names=names)


class IssuingWithin:
    """As `Issuing`, within the caller's transaction: nobody may have the certificate before its commit."""

    def __init__(
        self,
        connection: Connection,
        sealing: Vault,
        name: AuthorityName,
        subject: Subject,
        *,
        actor: str,
        key: KeyName | None = None,
    ) -> None:
        self._connection = connection
        self._vault = sealing
        self._name = name
        self._subject = subject
        self._actor = actor
        self._key = key

    def issue(
        self,
        public_key: ec.EllipticCurvePublicKey,
        *,
        common_name: str,
        usage: pki.Usage,
        now: datetime,
        names: Iterable[x509.GeneralName] = (),
    ) -> x509.Certificate:
        """Sign with the generation that signs now, and have the ledger know it. Raises as `Issuing.issue`."""
        generation, signer = _signer(self._connection, self._vault, self._name, now=now)
        ledger.refuse_revoked(self._connection, self._subject, pki.fingerprint(public_key))
        made = signer.issue(public_key, common_name=common_name, usage=usage, now=now, names=names)
        ledger.record(
            self._connection,
            self._subject,
            serial=f"{made.serial_number:x}",
            signer=(self._name.kind, self._name.owner, generation),
            validity=(made.not_valid_before_utc, made.not_valid_after_utc),
            pem=pki.pem(made),
            key=self._key,
            actor=self._actor,
            at=now,
        )
        return made


def bundle(connection: Connection, name: AuthorityName) -> Pem | None:
    """The certificates of an authority that are trusted, the newest first; None before there is one."""
    found = connection.execute(_TRUSTED, {"which": name.kind, "whose": name.owner}).scalars().all()
    return "".join(found) or None


def _signer(
    connection: Connection, sealing: Vault, name: AuthorityName, *, now: datetime
) -> tuple[int, pki.Authority]:
    """The generation that signs, and its key. Nobody retires it before the end of the transaction."""
    chosen = rotation.signing(all_generations(connection, name, locked=True))
    if chosen is None:
        raise StoreError(f"there is no authority {name} that may sign; establish it first")
    if now >= chosen.not_after:
        raise StoreError(f"authority {name} ended at {chosen.not_after:%Y-%m-%d %H:%M} UTC; add a generation")
    key = secrets.find(connection, sealing, Kind.AUTHORITY, _key_name(name, chosen.number))
    if key is None:
        raise StoreError(f"the key of authority {name}/{chosen.number} is gone; add a generation")
    own = _question(name).where(authority.c.generation == chosen.number)
    return chosen.number, pki.read_authority(connection.execute(own).one().certificate, key)


def _new(name: AuthorityName, *, now: datetime) -> pki.Authority:
    match name.kind:
        case AuthorityKind.MANAGEMENT:
            return pki.make_controller_authority(name=name.owner, now=now)
        case AuthorityKind.MEMBER:
            return pki.make_member_authority(name=name.owner, now=now)
        case AuthorityKind.VPN:
            return pki.make_vpn_authority(name.owner, now=now)
        case AuthorityKind.GATEWAY:
            return pki.make_gateway_authority(name.owner, now=now)


def _key_name(name: AuthorityName, generation: int) -> str:
    return f"{name}/{generation}"


def _of(name: AuthorityName) -> tuple[ColumnElement[bool], ...]:
    return authority.c.kind == name.kind, authority.c.owner == name.owner


def _question(name: AuthorityName) -> Select[Any]:
    return select(authority).where(*_of(name)).order_by(authority.c.generation)


def all_generations(
    connection: Connection, name: AuthorityName, *, locked: bool = False
) -> tuple[Generation, ...]:
    """All of them; `locked` until the end of the transaction, which writes."""
    asked = {"which": name.kind, "whose": name.owner}
    return tuple(
        Generation(
            number=row.generation,
            not_before=row.not_before,
            not_after=row.not_after,
            trusted=row.trusted,
            retired=row.retired,
        )
        for row in connection.execute(_GENERATIONS_LOCKED if locked else _GENERATIONS, asked)
    )


def _one(connection: Connection, name: AuthorityName, generation: int) -> Generation:
    found = [each for each in all_generations(connection, name, locked=True) if each.number == generation]
    if not found:
        raise StoreError(f"there is no generation {generation} of authority {name}")
    return found[0]


def _set(connection: Connection, name: AuthorityName, generation: int, **values: datetime) -> None:
    here = (*_of(name), authority.c.generation == generation)
    connection.execute(update(authority).where(*here).values(**values))
