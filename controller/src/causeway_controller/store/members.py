"""Tenants' controllers that joined: let in by an invitation, known by their certificate, put out at once.

Whether a certificate counts is asked here at each request, of the ledger: the handshake was minutes ago, and
another controller of this provider may have put the member out since.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from cryptography import x509
from msgspec import UNSET
from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.engine import Connection

from causeway_controller.contract.certificates import Bearer
from causeway_controller.contract.joining import Certified, MemberReport
from causeway_controller.inventory import certificates, rotation
from causeway_controller.inventory.certificates import Issued
from causeway_controller.store import audit, authorities, invitations, ledger
from causeway_controller.store.authorities import Authorities, AuthorityName, IssuingWithin
from causeway_controller.store.database import Database
from causeway_controller.store.ledger_questions import INSTALLED
from causeway_controller.store.peer_tables import invitation, member
from causeway_controller.store.tables import certificate
from causeway_controller.trust import pki
from causeway_controller.trust.sealing import Vault
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.types import Pem, TenantId

_SEEN: Final = timedelta(minutes=1)
"""How exactly it is remembered when a member asked last: each time would be a write for each request."""
_WAITING: Final = timedelta(hours=1)
"""For how long a certificate that was not shown yet keeps another key from getting one."""

# Made once: each request of a member asks them.
_MEMBER: Final = select(member).where(member.c.tenant == bindparam("whose"))
_SHOWN: Final = select(certificate.c.slot, certificate.c.pem, certificate.c.name).where(
    certificate.c.serial == bindparam("which"), certificate.c.purpose == Bearer.MEMBER
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A tenant's controller that is let in, and the certificate that it showed."""

    tenant: TenantId
    issued: Issued
    renew: bool


class Members:
    """All members of a provider."""

    def __init__(
        self, database: Database, sealing: Vault, *, authority: AuthorityName, now: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._vault = sealing
        self._authority = authority
        self._now = now

    def join(self, secret: str, request: x509.CertificateSigningRequest, *, source: str) -> Certified:
        """Let in who has this secret and key, and put out who was the tenant's controller before.

        The same again gets the same certificate. Raises ProblemError: `invitation-void`, `invitation-used`
        with an alarm that stays when another key has accepted it; StoreError.
        """
        key = pki.fingerprint(pki.requested_key(request))
        with self._database.write() as connection:
            row = invitations.find(connection, secret)
            if row is not None and row["key"] not in {None, key}:
                self._alarm(connection, row, source=source)
            else:
                return self._joined(connection, row, request, key)
        detail = (
            "the invitation was accepted with another key before; unless that was you, have the provider "
            "expel that one; ask for a new invitation"
        )
        raise ProblemError(problem(ProblemType.INVITATION_USED, detail))

    def find(self, shown: bytes) -> Member | None:
        """The member that this certificate (DER) is of; None unless it counts now. Raises StoreError."""
        read = x509.load_der_x509_certificate(shown)
        with self._database.read() as connection:
            found = self._find(connection, f"{read.serial_number:x}", pki.pem(read))
            seen = None if found is None else _member(connection, found.tenant)["seen"]
        if found is None:
            return None
        if found.issued.installed is None or seen is None or self._now() - seen >= _SEEN:
            self._note(found)
        return found

    def told(self, tenant: TenantId, *, knows: str) -> None:
        """Note the next key of this provider that a member keeps. Raises StoreError."""
        with self._database.write() as connection:
            connection.execute(update(member).where(member.c.tenant == tenant).values(knows=knows))

    def renew(self, shown: Member, request: x509.CertificateSigningRequest) -> Certified:
        """A certificate for the member's next key; the same for the same key.

        Raises ProblemError (`too-many`) while none is due, or another one waits to be shown; StoreError.
        """
        now, tenant = self._now(), shown.tenant
        with self._database.write() as connection:
            later = [
                (issued, pem)
                for issued, pem in ledger.texts(connection, shown.issued.subject.slot)
                if issued.number >= shown.issued.number and issued.revoked is None
            ]
            wanted = pki.fingerprint(pki.requested_key(request))
            for _, pem in later:
                if pki.certified(pem) == wanted:
                    return Certified(tenant=tenant, certificate=pem)
            wait = _wait(shown, [issued for issued, _ in later[1:]], now=now)
            if wait > timedelta():
                detail = f"no new certificate is due for {wait.total_seconds():.0f} seconds; come again then"
                raise ProblemError(problem(ProblemType.TOO_MANY, detail, retry_after=wait.total_seconds()))
            return Certified(tenant=tenant, certificate=self._issue(connection, tenant, request, now=now))

    def end(self, tenant: TenantId, *, action: str, actor: str) -> MemberReport:
        """Put a member out: no certificate of it counts, no invitation of the tenant.

        Raises ProblemError (`not-found`), StoreError.
        """
        with self._database.write() as connection:
            if _member(connection, tenant) is None:
                detail = f"no controller of tenant {tenant} has joined"
                raise ProblemError(problem(ProblemType.NOT_FOUND, detail))
            report = self._report(connection, _member(connection, tenant), next_key=None)
            put_out(connection, tenant, action=action, actor=actor, at=self._now())
            return report

    def replace_authority(self, *, actor: str) -> None:
        """Begin to replace the authority, unless that goes on already. Raises StoreError."""
        kept = Authorities(self._database, self._vault, now=self._now)
        if sum(each.retired is None for each in kept.generations(self._authority)) == 1:
            kept.add(self._authority, actor=actor)

    def list(self, *, next_key: str | None) -> tuple[MemberReport, ...]:
        """All of them, by tenant. Raises StoreError."""
        with self._database.read() as connection:
            rows = connection.execute(select(member).order_by(member.c.tenant)).mappings().all()
            return tuple(self._report(connection, row, next_key=next_key) for row in rows)

    def _joined(
        self, connection: Connection, row: Any, request: x509.CertificateSigningRequest, key: str
    ) -> Certified:
        now = self._now()
        if row is None or row["revoked"] is not None or (row["key"] is None and row["expires"] <= now):
            detail = (
                "the invitation was never made, has expired, or was revoked; ask the provider for a new one"
            )
            raise ProblemError(problem(ProblemType.INVITATION_VOID, detail))
        tenant = row["tenant"]
        if row["serial"] is not None:
            return Certified(tenant=tenant, certificate=ledger.text(connection, row["serial"]))
        actor = f"invitation {row['id']}"
        put_out(connection, tenant, action="member.replace", actor=actor, at=now, invited=True)
        made = self._issue(connection, tenant, request, now=now)
        connection.execute(insert(member).values(tenant=tenant, joined=now))
        accepted = update(invitation).where(invitation.c.id == row["id"])
        connection.execute(accepted.values(accepted=now, key=key, serial=pki.serial(made)))
        invitations.record(
            connection, "invitation.accept", row["id"], f"{tenant}, key {key}", actor=tenant, at=now
        )
        return Certified(tenant=tenant, certificate=made)

    def _alarm(self, connection: Connection, row: Any, *, source: str) -> None:
        now = self._now()
        raised = update(invitation).where(invitation.c.id == row["id"])
        connection.execute(raised.values(alarms=invitation.c.alarms + 1, alarm_at=now, alarm_from=source))
        detail = f"{row['tenant']}, from {source}"
        invitations.record(connection, "invitation.second-key", row["id"], detail, actor="nobody", at=now)

    def _find(self, connection: Connection, serial: str, pem: Pem) -> Member | None:
        row = connection.execute(_SHOWN, {"which": serial}).one_or_none()
        if row is None or row.pem != pem or _member(connection, row.name) is None:
            return None
        now = self._now()
        slot = ledger.of_slot(connection, row.slot)
        generations = authorities.all_generations(connection, self._authority)
        alive = {each.number for each in generations if each.retired is None}
        for issued in certificates.shown(slot, now=now):
            if issued.serial == serial and issued.generation in alive and issued.not_before <= now:
                signing = rotation.signing(generations)
                old = signing is not None and issued.generation < signing.number
                renew = old or now >= certificates.renewal(issued)
                return Member(tenant=row.name, issued=issued, renew=renew)
        return None

    def _note(self, found: Member) -> None:
        """That the certificate was shown, and when: those before it count no more."""
        at = self._now()
        with self._database.write() as connection:
            if found.issued.installed is None:
                serial = found.issued.serial
                ledger.mark(connection, serial, INSTALLED, reason="", actor=found.tenant, at=at)
            connection.execute(update(member).where(member.c.tenant == found.tenant).values(seen=at))

    def _issue(
        self,
        connection: Connection,
        tenant: TenantId,
        request: x509.CertificateSigningRequest,
        *,
        now: datetime,
    ) -> Pem:
        subject = certificates.of_member(tenant)
        issuer = IssuingWithin(connection, self._vault, self._authority, subject, actor=tenant)
        return pki.issue_member(issuer, request, tenant=tenant, now=now)

    def _report(self, connection: Connection, row: Any, *, next_key: str | None) -> MemberReport:
        issued, pem = ledger.texts(connection, certificates.of_member(row["tenant"]).slot)[-1]
        return MemberReport(
            tenant=row["tenant"],
            joined=row["joined"],
            key=pki.certified(pem),
            ends=issued.not_after,
            revoked=issued.revoked or UNSET,
            seen=UNSET if row["seen"] is None else row["seen"],
            knows_next_key=next_key is not None and row["knows"] == next_key,
        )


def put_out(
    connection: Connection,
    tenant: TenantId,
    *,
    action: str,
    actor: str,
    at: datetime,
    invited: bool = False,
) -> None:
    """Put a tenant's controller out, if there is one, within the caller's transaction.

    `invited`: by another one whom an invitation lets in; else no invitation of the tenant counts any more.
    """
    if not invited:
        invitations.revoke_all(connection, tenant, at=at)
    gone = delete(member).where(member.c.tenant == tenant).returning(member.c.tenant)
    if connection.execute(gone).one_or_none() is None:
        return
    slot = certificates.of_member(tenant).slot
    ledger.revoke_slot(connection, slot, reason=action, actor=actor, at=at)
    audit.append(connection, audit.Act(at=at, actor=actor, action=action, subject=f"member {tenant}"))


def _member(connection: Connection, tenant: TenantId) -> Any:
    return connection.execute(_MEMBER, {"whose": tenant}).mappings().one_or_none()


def _wait(shown: Member, waiting: Iterable[Issued], *, now: datetime) -> timedelta:
    """Until another certificate may be asked for."""
    due = timedelta() if shown.renew else certificates.renewal(shown.issued) - now
    pending = [each.not_before + pki.BACKDATING + _WAITING - now for each in waiting]
    return max(due, *pending, timedelta())
