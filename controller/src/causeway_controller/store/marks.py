"""A mark of the whole store that moves when anything moved that tenants' controllers wait for.

It costs one small question for all who wait; each then looks whether it was about them.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import func, select

from causeway_controller.contract import requests
from causeway_controller.contract.requests import AskTenant
from causeway_controller.contract.runs import RunId
from causeway_controller.contract.tenant_view import AskedFailover
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


def asked(database: Database, tenant: TenantId) -> tuple[AskedFailover, ...]:
    """What a tenant's controller is asked for now. Raises StoreError."""
    question = (
        select(run.c.id, run.c.request)
        .join(open_run, open_run.c.run == run.c.id)
        .where(run.c.tenant == tenant, open_run.c.host == "")
        .order_by(run.c.id)
    )
    with database.read() as connection:
        rows = connection.execute(question).all()
    found = ((row.id, requests.chore(row.request.encode())) for row in rows)
    return tuple(
        AskedFailover(run=name, host=one.host, vms=tuple(sorted(one.vms)), reason=one.reason, end=one.end)
        for name, one in found
        if isinstance(one, AskTenant)
    )


def open_runs(database: Database, tenant: TenantId) -> tuple[RunId, ...]:
    """Names of a tenant's open runs. Raises StoreError."""
    question = select(open_run.c.run).where(open_run.c.tenant == tenant).order_by(open_run.c.run)
    with database.read() as connection:
        return tuple(connection.execute(question).scalars())
