"""What the ledger of certificates is asked, as statements that are made once.

To make a statement costs several times what it costs to have it executed, and these are asked at each request
of a tenant's controller, and each time that something is loaded for a failover.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, bindparam, func, or_, select

from causeway_controller.contract.certificates import Bearer
from causeway_controller.store.tables import certificate, certificate_event

INSTALLED: Final = "installed"
REVOKED: Final = "revoked"

IS_REVOKED: Final = certificate.c.serial.in_(
    select(certificate_event.c.serial).where(certificate_event.c.event == REVOKED)
)


def _all() -> Select[Any]:
    seen, taken_back = certificate_event.alias("seen"), certificate_event.alias("taken_back")
    installed = and_(seen.c.serial == certificate.c.serial, seen.c.event == INSTALLED)
    revoked = and_(taken_back.c.serial == certificate.c.serial, taken_back.c.event == REVOKED)
    joined = certificate.outerjoin(seen, installed).outerjoin(taken_back, revoked)
    columns = [each for each in certificate.c if each.name != "pem"]
    return select(
        *columns,
        seen.c.at.label("installed"),
        taken_back.c.at.label("revoked"),
        taken_back.c.actor.label("revoked_by"),
        taken_back.c.reason.label("reason"),
    ).select_from(joined)


ALL: Final = _all()
"""Certificates without their texts, each with when it was installed and revoked."""


def newest(*conditions: ColumnElement[bool]) -> Select[Any]:
    """Return the question for the newest certificate, with its text, of each slot that meets these."""
    latest = select(func.max(certificate.c.number)).where(*conditions).group_by(certificate.c.slot)
    return ALL.add_columns(certificate.c.pem).where(certificate.c.number.in_(latest))


NEWEST_OF: Final = newest(certificate.c.tenant == bindparam("whose"))
"""Of the tunnels of the tenant `whose`."""
NEWEST_OF_GATEWAYS: Final = newest(certificate.c.purpose == Bearer.GATEWAY)
REVOKED_ONES: Final = ALL.where(IS_REVOKED).order_by(certificate.c.number)
REVOKED_FOR: Final = REVOKED_ONES.where(
    or_(certificate.c.purpose == Bearer.GATEWAY, certificate.c.tenant == bindparam("whose"))
)
"""Those that the tenant `whose` is told."""
OF_SLOT: Final = ALL.where(certificate.c.slot == bindparam("which")).order_by(certificate.c.number)
"""All of the slot `which`."""
