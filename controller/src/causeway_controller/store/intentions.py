"""Whether documents of appliances may be others than before, asked cheaply."""

from __future__ import annotations

from typing import Final, NamedTuple

from sqlalchemy import func, select
from sqlalchemy.engine import Connection

from causeway_controller.inventory.certificates import NAMED
from causeway_controller.store.database import Database
from causeway_controller.store.ledger_questions import REVOKED
from causeway_controller.store.peer_tables import told_revocation
from causeway_controller.store.tables import certificate, certificate_event, inventory_head, open_run
from causeway_wire.types import Name, TenantId

_TOLD: Final = select(func.count()).select_from(told_revocation)


class Revoked(NamedTuple):
    """How many certificates: all of them, and those of whom documents have appliances refuse them."""

    all: int
    named: int


class Intentions:
    """Looks at what documents are compiled from, and at who changes appliances."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def mark(self) -> str:
        """A text that is another one when the inventory or the revocations are. Raises StoreError."""
        with self._database.read() as connection:
            revision = connection.execute(select(inventory_head.c.revision)).scalar_one()
            return f"{revision}/{_revoked(connection)}"

    def revoked(self) -> Revoked:
        """Count the certificates that were revoked, here and by providers. Raises StoreError."""
        with self._database.read() as connection:
            named = select(func.count()).select_from(certificate_event)
            named = named.join(certificate, certificate.c.serial == certificate_event.c.serial)
            named = named.where(certificate_event.c.event == REVOKED, certificate.c.purpose.in_(NAMED))
            own, told = (connection.execute(each).scalar_one() for each in (named, _TOLD))
            return Revoked(all=_revoked(connection), named=own + told)

    def changing(self, tenant: TenantId, host: Name) -> bool:
        """Whether a run of the tenant on the host is open. Raises StoreError."""
        question = select(open_run.c.run).where(open_run.c.tenant == tenant, open_run.c.host == host)
        with self._database.read() as connection:
            return connection.execute(question).first() is not None


def _revoked(connection: Connection) -> int:
    own = select(func.count()).where(certificate_event.c.event == REVOKED).scalar_subquery()
    return int(connection.execute(select(own + _TOLD.scalar_subquery())).scalar_one())
