"""Marks of the store that move when anything moved that tenants' controllers wait for.

They cost one small question for all who wait. What moves with the runs of one tenant is its own: when a
thousand fail over at once, not all of them look again whenever one of them gets on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import bindparam, func, select
from sqlalchemy.engine import Connection

from causeway_controller.contract import requests
from causeway_controller.contract.requests import AskTenant
from causeway_controller.contract.runs import RunId
from causeway_controller.contract.tenant_view import AskedFailover
from causeway_controller.store.database import Database
from causeway_controller.store.peer_tables import member
from causeway_controller.store.tables import appliance, certificate_event, inventory_head, open_run, run
from causeway_wire.types import TenantId

Mark = tuple[int, ...]
_EVERYBODY: Final = (member, certificate_event)
_TENANTS: Final = (run, open_run, appliance)
_ALL: Final = select(
    inventory_head.c.revision,
    *(select(func.count()).select_from(one).scalar_subquery() for one in (*_EVERYBODY, *_TENANTS)),
)

# Made once: each look of a tenant's controller asks them.
_ASKED: Final = (
    select(run.c.id, run.c.request)
    .join(open_run, open_run.c.run == run.c.id)
    .where(run.c.tenant == bindparam("whose"), open_run.c.host == "")
    .order_by(run.c.id)
)
_OPEN: Final = select(open_run.c.run).where(open_run.c.tenant == bindparam("whose")).order_by(open_run.c.run)


@dataclass(frozen=True, slots=True)
class Marks:
    """What moved until now: for everybody, and of each tenant that ever had a run or an appliance."""

    everybody: Mark = ()
    """The revision, and how many members and marks on certificates."""
    runs: Mark = ()
    """How many runs, open ones and deployed appliances all tenants have."""
    of_tenants: Mapping[TenantId, Mark] = field(default_factory=dict)
    """The same of each."""

    def of(self, tenant: TenantId) -> tuple[Mark, Mark]:
        """What moves when anything of this tenant's does."""
        return self.everybody, self.of_tenants.get(tenant, ())


def marks(database: Database, before: Marks) -> Marks:
    """Return the marks of now; tenants' are counted only when there are more or fewer runs or appliances than
    `before`.

    Raises StoreError.
    """
    with database.read() as connection:
        row = connection.execute(_ALL).one()
        everybody, runs = tuple(row[: -len(_TENANTS)]), tuple(row[-len(_TENANTS) :])
        own = before.of_tenants if runs == before.runs else _of_tenants(connection)
        return Marks(everybody, runs, own)


def _of_tenants(connection: Connection) -> Mapping[TenantId, Mark]:
    found: dict[TenantId, list[int]] = {}
    for place, table in enumerate(_TENANTS):
        question = select(table.c.tenant, func.count()).group_by(table.c.tenant)
        for tenant, count in connection.execute(question):
            found.setdefault(tenant, [0] * len(_TENANTS))[place] = count
    return {tenant: tuple(counts) for tenant, counts in found.items()}


def asked(database: Database, tenant: TenantId) -> tuple[AskedFailover, ...]:
    """What a tenant's controller is asked for now. Raises StoreError."""
    with database.read() as connection:
        rows = connection.execute(_ASKED, {"whose": tenant}).all()
    found = ((row.id, requests.chore(row.request.encode())) for row in rows)
    return tuple(
        AskedFailover(run=name, host=one.host, vms=tuple(sorted(one.vms)), reason=one.reason, end=one.end)
        for name, one in found
        if isinstance(one, AskTenant)
    )


def open_runs(database: Database, tenant: TenantId) -> tuple[RunId, ...]:
    """Names of a tenant's open runs. Raises StoreError."""
    with database.read() as connection:
        return tuple(connection.execute(_OPEN, {"whose": tenant}).scalars())
