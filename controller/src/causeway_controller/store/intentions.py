"""Whether documents of appliances may be others than before, asked cheaply."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.engine import Connection

from causeway_controller.store.database import Database
from causeway_controller.store.ledger import REVOKED
from causeway_controller.store.peer_tables import told_revocation
from causeway_controller.store.tables import certificate_event, inventory_head, open_run
from causeway_wire.types import Name, TenantId


class Intentions:
    """Looks at what documents are compiled from, and at who changes appliances."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def mark(self) -> str:
        """A text that is another one when the inventory or the revocations are. Raises StoreError."""
        with self._database.read() as connection:
            revision = connection.execute(select(inventory_head.c.revision)).scalar_one()
            return f"{revision}/{_revoked(connection)}"

    def revoked(self) -> int:
        """How many certificates were revoked, here and by providers. Raises StoreError."""
        with self._database.read() as connection:
            return _revoked(connection)

    def changing(self, tenant: TenantId, host: Name) -> bool:
        """Whether a run of the tenant on the host is open. Raises StoreError."""
        question = select(open_run.c.run).where(open_run.c.tenant == tenant, open_run.c.host == host)
        with self._database.read() as connection:
            return connection.execute(question).first() is not None


def _revoked(connection: Connection) -> int:
    own = select(func.count()).where(certificate_event.c.event == REVOKED).scalar_subquery()
    told = select(func.count()).select_from(told_revocation).scalar_subquery()
    return int(connection.execute(select(own + told)).scalar_one())
