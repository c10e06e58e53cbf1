"""Whether documents of appliances may be others than before, asked cheaply."""

from __future__ import annotations

from sqlalchemy import func, select

from causeway_controller.store.database import Database
from causeway_controller.store.ledger import REVOKED
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
            revoked = select(func.count()).where(certificate_event.c.event == REVOKED)
            return f"{revision}/{connection.execute(revoked).scalar_one()}"

    def changing(self, tenant: TenantId, host: Name) -> bool:
        """Whether a run of the tenant on the host is open. Raises StoreError."""
        question = select(open_run.c.run).where(open_run.c.tenant == tenant, open_run.c.host == host)
        with self._database.read() as connection:
            return connection.execute(question).first() is not None
