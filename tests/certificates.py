"""Certificates of a ledger: made up, or signed by an authority of a test's store."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric import ec

from causeway_controller.inventory.certificates import Issued, Subject
from causeway_controller.store.authorities import Authorities, AuthorityName
from causeway_controller.store.database import Database
from causeway_controller.trust import pki
from tests import joining

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def issued(
    number: int,
    subject: Subject,
    *,
    generation: int = 1,
    days: int = 300,
    installed: bool = False,
    revoked: bool = False,
) -> Issued:
    """A certificate that began at NOW, or a year before when it ended `-days` ago."""
    return Issued(
        number=number,
        serial=f"a{number:x}",
        subject=subject,
        generation=generation,
        not_before=NOW if days > 0 else NOW - timedelta(days=365),
        not_after=NOW + timedelta(days=days),
        installed=NOW if installed else None,
        revoked=NOW if revoked else None,
    )


def signed(
    database: Database,
    name: AuthorityName,
    subject: Subject,
    *,
    key: ec.EllipticCurvePublicKey,
    usage: pki.Usage,
    now: Callable[[], datetime],
) -> str:
    """The serial number of a certificate that this authority, which is made if it is not there, signs."""
    kept = Authorities(database, joining.unlocked(database, now=now), now=now)
    kept.establish(name, actor="test")
    made = kept.issuer(name, subject, actor="test").issue(
        key, common_name=subject.name, usage=usage, now=now()
    )
    return f"{made.serial_number:x}"
