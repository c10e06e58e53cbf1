"""A mark of the whole store that moves when anything moved that tenants' controllers wait for.

It costs one small question for all who wait; each then looks whether it was about them.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import func, select

from causeway_controller.contract.runs import RunId
from causeway_controller.store.database import Database
from causeway_controller.store.peer_tables import member
from causeway_controller.store.tables import certificate_event, inventory_head, open_run, run
from causeway_wire.types import TenantId

Mark = tuple[int, ...]
_COUNTED: Final = (run, open_run, member, certificate_event)


def mark(database: Database) -> Mark:
    """The revision, and how many runs, open ones, members and marks on certificates. Raises StoreError."""
    counts = (select(func.count()).select_from(table).scalar_subquery() for table in _COUNTED)
    with database.read() as connection:
        row = connection.execute(select(inventory_head.c.revision, *counts)).one()
        return tuple(int(each) for each in row)


def open_runs(database: Database, tenant: TenantId) -> tuple[RunId, ...]:
    """Names of a tenant's open runs. Raises StoreError."""
    question = select(open_run.c.run).where(open_run.c.tenant == tenant).order_by(open_run.c.run)
    with database.read() as connection:
        return tuple(connection.execute(question).scalars())
