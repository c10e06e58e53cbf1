"""The ledger: every certificate that was ever signed, and what became of it. Only appended to.

A certificate is written here in the transaction in which it is signed (`authorities`), before anybody
gets it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, func, insert, not_, or_, select
from sqlalchemy.engine import Connection, Row

from causeway_controller.contract.certificates import Bearer
from causeway_controller.errors import RequestRefused, StoreError
from causeway_controller.inventory import certificates
from causeway_controller.inventory.certificates import Issued, Subject
from causeway_controller.inventory.tenancy import Revocation
from causeway_controller.store import audit, counters, ledger_questions
from causeway_controller.store.database import Database, upsert
from causeway_controller.store.ledger_questions import (
    ALL,
    INSTALLED,
    IS_REVOKED,
    NEWEST_OF,
    NEWEST_OF_GATEWAYS,
    OF_SLOT,
    REVOKED,
    REVOKED_FOR,
    REVOKED_ONES,
)
from causeway_controller.store.tables import authority, certificate, certificate_event
from causeway_controller.trust import pki
from causeway_wire.types import ApplianceId, KeyName, Name, Pem, SerialNumber, TenantId, TunnelId

_NUMBERS: Final = ("ledger", "certificates")
"""The counter of the order in which certificates were issued."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which certificates are asked for: all, unless something is said."""

    tenant: TenantId | None = None
    """Of a tenant's tunnels and its controller."""
    bearer: Bearer | None = None
    appliance: ApplianceId | None = None
    """Whose keys are there, as far as that was written down."""
    counts: bool = False
    revoked: bool = False


class Ledger:
    """What is asked of the ledger, and what is told to it."""

    def __init__(self, database: Database, *, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    def due(self) -> tuple[Issued, ...]:
        """Which certificates must be renewed now, the most urgent first. Raises StoreError."""
        newest = select(func.max(certificate.c.number)).group_by(certificate.c.slot)
        with self._database.read() as connection:
            return certificates.due(records(connection, certificate.c.number.in_(newest)), now=self._now())

    def revocations(self) -> tuple[Revocation, ...]:
        """What documents must refuse now, for all tenants. Raises StoreError."""
        return self._revocations(REVOKED_ONES, {})

    def revocations_for(self, tenant: TenantId) -> tuple[Revocation, ...]:
        """Those of them that a tenant's controller is told. Raises StoreError."""
        return self._revocations(REVOKED_FOR, {"whose": tenant})

    def servers_of(self, tenant: TenantId) -> frozenset[TunnelId]:
        """Tunnels of the tenant whose server's last certificate counts. Raises StoreError."""
        with self._database.read() as connection:
            ends = [one for one, _ in newest_of_tenant(connection, tenant)]
        servers = (one for one in ends if one.subject.purpose is Bearer.SERVER)
        counts = (one for one in servers if one.revoked is None and self._now() < one.not_after)
        return frozenset(one.subject.tunnel for one in counts if one.subject.tunnel is not None)

    def refused(self) -> tuple[Issued, ...]:
        """All that were revoked and have not ended. Raises StoreError."""
        with self._database.read() as connection:
            return records(connection, IS_REVOKED, certificate.c.not_after > self._now())

    def _revocations(self, question: Select[Any], about: Mapping[str, str]) -> tuple[Revocation, ...]:
        with self._database.read() as connection:
            found = tuple(_issued(row) for row in connection.execute(question, about))
            return certificates.revocations(found, now=self._now())

    def newest_of_agents(self, appliances: Iterable[ApplianceId]) -> dict[ApplianceId, Issued]:
        """The last certificate that was issued for each of these, if any was. Raises StoreError."""
        slots = [certificates.of_agent(one).slot for one in appliances]
        with self._database.read() as connection:
            found = newest(connection, certificate.c.slot.in_(slots))
        return {one.subject.name: one for one, _ in found}

    def last(self, subject: Subject) -> Issued | None:
        """The last certificate that was issued for the subject. Raises StoreError."""
        with self._database.read() as connection:
            found = newest(connection, certificate.c.slot == subject.slot)
        return found[0][0] if found else None

    def refused_agents(self) -> frozenset[SerialNumber]:
        """Certificates of agents that controllers must not believe. Raises StoreError."""
        with self._database.read() as connection:
            found = records(connection, certificate.c.purpose == Bearer.AGENT, IS_REVOKED)
        return frozenset(one.serial for one in found if self._now() < one.not_after)

    def alive_of_agent(self, appliance: ApplianceId) -> tuple[SerialNumber, ...]:
        """Certificates of the appliance that still count. Raises StoreError."""
        return self._alive(certificate.c.slot == certificates.of_agent(appliance).slot)

    def alive_on(
        self, appliance: ApplianceId, *, tenant: TenantId, elsewhere: Collection[Name]
    ) -> tuple[SerialNumber, ...]:
        """Certificates that still count and whose keys are on this appliance: for controllers, for tunnels.

        Of a tunnel's end of which it was not written down where its key was born, those of the tenant that
        are not called as one of the ends `elsewhere`. Raises StoreError.
        """
        unknown = and_(
            certificate.c.appliance.is_(None),
            certificate.c.purpose == Bearer.SERVER,
            certificate.c.tenant == tenant,
            certificate.c.name.not_in(elsewhere),
        )
        return self._alive(or_(certificate.c.appliance == appliance, unknown))

    def _alive(self, condition: ColumnElement[bool]) -> tuple[SerialNumber, ...]:
        with self._database.read() as connection:
            return tuple(one.serial for one in records(connection, condition, _counts(self._now())))

    def pem(self, serial: SerialNumber) -> Pem:
        """A certificate's text. Raises StoreError when it is not in the ledger."""
        with self._database.read() as connection:
            _one(connection, serial)
            return text(connection, serial)

    def get(self, serial: SerialNumber) -> Issued:
        """One certificate. Raises StoreError when it is not in the ledger."""
        with self._database.read() as connection:
            return _one(connection, serial)

    def find(self, serial: SerialNumber) -> Issued | None:
        """As `get`; None when it is not in the ledger. Raises StoreError."""
        with self._database.read() as connection:
            return next(iter(records(connection, certificate.c.serial == serial)), None)

    def page(self, wanted: Wanted, *, before: int | None, limit: int) -> tuple[Issued, ...]:
        """Some certificates before the one of this number, the newest first. Raises StoreError."""
        conditions = list(_wanted(wanted, self._now()))
        if before is not None:
            conditions.append(certificate.c.number < before)
        question = ALL.where(*conditions).order_by(certificate.c.number.desc()).limit(limit)
        with self._database.read() as connection:
            return tuple(_issued(row) for row in connection.execute(question))

    def history(self, tenant: TenantId) -> tuple[Issued, ...]:
        """All certificates of a tenant's tunnels, in the order of issue. Raises StoreError."""
        with self._database.read() as connection:
            return records(connection, certificate.c.tenant == tenant)

    def installed(self, serial: SerialNumber, *, actor: str) -> None:
        """Write down that its bearer was seen with it. Again changes nothing. Raises StoreError."""
        with self._database.write() as connection:
            _one(connection, serial)
            mark(connection, serial, INSTALLED, reason="", actor=actor, at=self._now())

    def of_same_key(self, serial: SerialNumber) -> tuple[Issued, ...]:
        """What `revoke` would revoke of this serial number, in the order of issue. Raises StoreError."""
        with self._database.read() as connection:
            return _of_same_key(connection, _one(connection, serial))

    def revoke(self, serial: SerialNumber, *, actor: str, reason: str) -> tuple[Issued, ...]:
        """Revoke a certificate for ever, and all others of its key; the first reason stays.

        Return those that were not revoked before, as they were; again changes nothing. Raises StoreError.
        """
        with self._database.write() as connection:
            _hold_signing(connection, serial)
            return tuple(
                issued
                for issued in _of_same_key(connection, _one(connection, serial))
                if revoke_one(connection, issued, actor=actor, reason=reason, at=self._now())
            )

    def key_name(self, subject: Subject, *, base: KeyName) -> KeyName:
        """Name the key that the subject's next certificate is for, where it has none that counts.

        It is another one than any that was revoked, and the same when it is asked again. Raises StoreError.
        """
        question = select(func.max(certificate.c.number)).where(*_revoked_of(subject))
        with self._database.read() as connection:
            last = connection.execute(question).scalar_one()
        return base if last is None else f"{base}-{last}"


def record(
    connection: Connection,
    subject: Subject,
    *,
    serial: SerialNumber,
    signer: tuple[str, str, int],
    validity: tuple[datetime, datetime],
    pem: Pem,
    key: KeyName | None,
    actor: str,
    at: datetime,
) -> None:
    """Write down a certificate within the transaction that signs it. `signer` is the authority's key, `key`
    what the certified one is called where it was born, if that is known.
    """
    kind, owner, generation = signer
    not_before, not_after = validity
    values = {
        "serial": serial,
        "number": counters.advance(connection, *_NUMBERS),
        "slot": subject.slot,
        "purpose": subject.purpose,
        "name": subject.name,
        "appliance": subject.appliance,
        "tenant": subject.tenant,
        "tunnel": subject.tunnel,
        "kind": kind,
        "owner": owner,
        "generation": generation,
        "not_before": not_before,
        "not_after": not_after,
        "pem": pem,
        "key": key,
        "actor": actor,
        "at": at,
    }
    connection.execute(insert(certificate).values(values))


def records(connection: Connection, *conditions: ColumnElement[bool]) -> tuple[Issued, ...]:
    """Certificates that meet the conditions, in the order in which they were issued."""
    question = ALL.where(*conditions).order_by(certificate.c.number)
    return tuple(_issued(row) for row in connection.execute(question))


def of_slot(connection: Connection, slot: str) -> tuple[Issued, ...]:
    """All certificates of a slot, in the order in which they were issued."""
    return tuple(_issued(row) for row in connection.execute(OF_SLOT, {"which": slot}))


def newest(connection: Connection, *conditions: ColumnElement[bool]) -> tuple[tuple[Issued, Pem], ...]:
    """The newest certificate of each slot that meets the conditions, with its text."""
    return _asked(connection, ledger_questions.newest(*conditions))


def newest_of_tenant(connection: Connection, tenant: TenantId) -> tuple[tuple[Issued, Pem], ...]:
    """As `newest`, of the tenant's tunnels."""
    return _asked(connection, NEWEST_OF, whose=tenant)


def newest_of_gateways(connection: Connection) -> tuple[tuple[Issued, Pem], ...]:
    """As `newest`, of all gateways."""
    return _asked(connection, NEWEST_OF_GATEWAYS)


def _asked(connection: Connection, question: Select[Any], **about: str) -> tuple[tuple[Issued, Pem], ...]:
    return tuple((_issued(row), row.pem) for row in connection.execute(question, about))


def _counts(now: datetime) -> ColumnElement[bool]:
    return and_(not_(IS_REVOKED), certificate.c.not_after > now)


def _wanted(wanted: Wanted, now: datetime) -> Iterator[ColumnElement[bool]]:
    if wanted.tenant is not None:
        member = certificates.of_member(wanted.tenant).slot
        yield or_(certificate.c.tenant == wanted.tenant, certificate.c.slot == member)
    if wanted.bearer is not None:
        yield certificate.c.purpose == wanted.bearer
    if wanted.appliance is not None:
        # The tenant's end of a tunnel is called as the appliance that has it.
        client = and_(certificate.c.purpose == Bearer.CLIENT, certificate.c.name == wanted.appliance)
        yield or_(certificate.c.appliance == wanted.appliance, client)
    if wanted.counts:
        yield _counts(now)
    if wanted.revoked:
        yield IS_REVOKED


def _one(connection: Connection, serial: SerialNumber) -> Issued:
    found = records(connection, certificate.c.serial == serial)
    if not found:
        hint = "serial numbers are lower-case hexadecimal without leading zeros"
        raise StoreError(f"no certificate {serial} is in the ledger; {hint}")
    return found[0]


def _hold_signing(connection: Connection, serial: SerialNumber) -> None:
    """Have the certificate's authority sign nothing before the commit, and see what it has signed: who signs
    locks its generations first.
    """
    same = and_(certificate.c.kind == authority.c.kind, certificate.c.owner == authority.c.owner)
    question = select(authority.c.generation).join(certificate, same).where(certificate.c.serial == serial)
    locked = question.order_by(authority.c.generation).with_for_update(of=authority)
    connection.execute(locked).all()


def refuse_revoked(connection: Connection, subject: Subject, key: str) -> None:
    """Raise RequestRefused for a key (its fingerprint) of which a certificate of this bearer was revoked."""
    question = select(certificate.c.pem).where(*_revoked_of(subject))
    if key in {pki.certified(pem) for pem in connection.execute(question).scalars()}:
        raise RequestRefused(f"the key was revoked, and gets no certificate for {subject.slot}; make another")


def _revoked_of(subject: Subject) -> tuple[ColumnElement[bool], ...]:
    """Revoked certificates of everything for which a bearer may show the subject's keys: those of one
    appliance, or of one tenant's appliances, whose tunnels may have had other names.
    """
    return IS_REVOKED, *_borne_by(subject)


def _borne_by(subject: Subject) -> tuple[ColumnElement[bool], ...]:
    same = certificate.c.slot if subject.tenant is None else certificate.c.tenant
    return certificate.c.purpose == subject.purpose, same == (subject.tenant or subject.slot)


def _of_same_key(connection: Connection, issued: Issued) -> tuple[Issued, ...]:
    key = pki.certified(text(connection, issued.serial))
    return tuple(
        each for each, pem in _texts(connection, *_borne_by(issued.subject)) if pki.certified(pem) == key
    )


def _issued(row: Row[Any]) -> Issued:
    subject = Subject(
        purpose=Bearer(row.purpose),
        name=row.name,
        appliance=row.appliance,
        tenant=row.tenant,
        tunnel=row.tunnel,
    )
    return Issued(
        number=row.number,
        serial=row.serial,
        subject=subject,
        generation=row.generation,
        not_before=row.not_before,
        not_after=row.not_after,
        installed=row.installed,
        revoked=row.revoked,
        revoked_by=row.revoked_by or "",
        reason=row.reason or "",
        key=row.key,
    )


def revoke_one(connection: Connection, issued: Issued, *, reason: str, actor: str, at: datetime) -> bool:
    """Revoke a certificate within the caller's transaction, with a line in the audit; whether it was new."""
    if not mark(connection, issued.serial, REVOKED, reason=reason, actor=actor, at=at):
        return False
    subject = f"{issued.serial} of {issued.subject.slot}"
    act = audit.Act(at=at, actor=actor, action="certificate.revoke", subject=subject, detail=reason)
    audit.append(connection, act)
    return True


def revoke_slot(connection: Connection, slot: str, *, reason: str, actor: str, at: datetime) -> None:
    """Revoke all certificates of a slot within the caller's transaction, which says in the audit why."""
    for issued in of_slot(connection, slot):
        mark(connection, issued.serial, REVOKED, reason=reason, actor=actor, at=at)


def mark(
    connection: Connection, serial: SerialNumber, event: str, *, reason: str, actor: str, at: datetime
) -> bool:
    """Write down what became of a certificate within the caller's transaction; whether it was new."""
    values = {"serial": serial, "event": event, "reason": reason, "actor": actor, "at": at}
    statement = upsert(connection, certificate_event).values(values).on_conflict_do_nothing()
    appended = connection.execute(statement.returning(certificate_event.c.serial))
    return appended.one_or_none() is not None


def texts(connection: Connection, slot: str) -> tuple[tuple[Issued, Pem], ...]:
    """All certificates of a slot with their texts, in the order in which they were issued."""
    return _texts(connection, certificate.c.slot == slot)


def _texts(connection: Connection, *conditions: ColumnElement[bool]) -> tuple[tuple[Issued, Pem], ...]:
    question = ALL.add_columns(certificate.c.pem).where(*conditions)
    return _asked(connection, question.order_by(certificate.c.number))


def text(connection: Connection, serial: SerialNumber) -> Pem:
    """The text of a certificate that is in the ledger."""
    question = select(certificate.c.pem).where(certificate.c.serial == serial)
    return str(connection.execute(question).scalar_one())
