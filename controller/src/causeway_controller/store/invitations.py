"""Invitations of tenants' controllers: kept as hashes, accepted once, by one key.

An invitation's secret is `cwi_IDENTIFIER_SECRET` with 256 random bits, as a token is (`tokens`).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from msgspec import UNSET
from sqlalchemy import insert, select, update
from sqlalchemy.engine import Connection

from causeway_controller.contract.joining import InvitationId, InvitationReport
from causeway_controller.inventory import health
from causeway_controller.store import audit
from causeway_controller.store.database import Database
from causeway_controller.store.peer_tables import invitation, member
from causeway_controller.store.tables import entry
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.types import TenantId

_SECRET: Final = re.compile(r"cwi_(?P<id>[0-9a-f]{12})_[A-Za-z0-9_-]{43}")
_NOBODYS: Final = "0" * 64
"""Compared with where there is no such invitation, so that its absence costs as long as a wrong secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A new invitation and its secret, and whether the tenant has a controller already."""

    report: InvitationReport
    secret: str
    replaces: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitations:
    """All invitations of a provider. `random` gives so many random octets, such as `secrets.token_bytes`."""

    database: Database
    now: Callable[[], datetime]
    random: Callable[[int], bytes]

    def make(self, tenant: TenantId, *, hours: int, actor: str) -> Made:
        """Keep a new invitation. Raises ProblemError (`not-found`) without such a tenant, StoreError."""
        identifier = self.random(6).hex()
        secret = f"cwi_{identifier}_{base64.urlsafe_b64encode(self.random(32)).rstrip(b'=').decode()}"
        made = self.now()
        row = {
            "id": identifier,
            "tenant": tenant,
            "hash": _hash(secret),
            "made": made,
            "made_by": actor,
            "expires": made + timedelta(hours=hours),
            "alarms": 0,
        }
        with self.database.write() as connection:
            if not is_entered(connection, tenant):
                raise ProblemError(problem(ProblemType.NOT_FOUND, health.no_tenant(tenant)))
            connection.execute(insert(invitation).values(row))
            record(connection, "invitation.make", identifier, tenant, actor=actor, at=made)
            joined = connection.execute(select(member.c.tenant).where(member.c.tenant == tenant))
            replaces = joined.one_or_none() is not None
            return Made(report=_report(_row(connection, identifier)), secret=secret, replaces=replaces)

    def list(self) -> tuple[InvitationReport, ...]:
        """All of them, the oldest first. Raises StoreError."""
        with self.database.read() as connection:
            found = connection.execute(select(invitation).order_by(invitation.c.made, invitation.c.id))
            return tuple(_report(row) for row in found.mappings())

    def alarmed(self) -> tuple[InvitationReport, ...]:
        """Those whose secret came with a second key, and that nobody revoked since. Raises StoreError."""
        question = select(invitation).where(invitation.c.alarms > 0, invitation.c.revoked.is_(None))
        with self.database.read() as connection:
            return tuple(_report(row) for row in connection.execute(question).mappings())

    def revoke(self, identifier: InvitationId, *, actor: str) -> InvitationReport:
        """Let it count no more; again is the same. Raises ProblemError (`not-found`), StoreError."""
        at = self.now()
        with self.database.write() as connection:
            row = _row(connection, identifier)
            if row is None:
                detail = f"there is no invitation {identifier}; `causeway invitation list` lists them"
                raise ProblemError(problem(ProblemType.NOT_FOUND, detail))
            if row["revoked"] is None:
                this = update(invitation).where(invitation.c.id == identifier)
                connection.execute(this.values(revoked=at))
                record(connection, "invitation.revoke", identifier, row["tenant"], actor=actor, at=at)
            return _report(_row(connection, identifier))


def find(connection: Connection, secret: str) -> Any | None:
    """The row that this secret is of, locked; None where there is none."""
    shape = _SECRET.fullmatch(secret)
    row = None if shape is None else _row(connection, shape["id"])
    known = hmac.compare_digest(_NOBODYS if row is None else row["hash"], _hash(secret))
    return row if known else None


def revoke_all(connection: Connection, tenant: TenantId, *, at: datetime) -> None:
    """Let no invitation of a tenant count any more, within the caller's transaction."""
    theirs = update(invitation).where(invitation.c.tenant == tenant, invitation.c.revoked.is_(None))
    connection.execute(theirs.values(revoked=at))


def is_entered(connection: Connection, tenant: TenantId) -> bool:
    """Whether the inventory has this tenant."""
    question = select(entry.c.name).where(entry.c.kind == "tenants", entry.c.name == tenant)
    return connection.execute(question).one_or_none() is not None


def record(
    connection: Connection, action: str, identifier: InvitationId, detail: str, *, actor: str, at: datetime
) -> None:
    """Write into the audit what became of an invitation, within the caller's transaction."""
    act = audit.Act(at=at, actor=actor, action=action, subject=f"invitation {identifier}", detail=detail)
    audit.append(connection, act)


def _row(connection: Connection, identifier: InvitationId) -> Any:
    question = select(invitation).where(invitation.c.id == identifier).with_for_update()
    return connection.execute(question).mappings().one_or_none()


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _report(row: Any) -> InvitationReport:
    return InvitationReport(
        id=row["id"],
        tenant=row["tenant"],
        made=row["made"],
        made_by=row["made_by"],
        expires=row["expires"],
        accepted=UNSET if row["accepted"] is None else row["accepted"],
        key=UNSET if row["key"] is None else row["key"],
        revoked=UNSET if row["revoked"] is None else row["revoked"],
        alarms=row["alarms"],
        alarm_at=UNSET if row["alarm_at"] is None else row["alarm_at"],
        alarm_from=UNSET if row["alarm_from"] is None else row["alarm_from"],
    )
