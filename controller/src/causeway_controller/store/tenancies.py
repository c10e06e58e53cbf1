"""What each tenant's failover on a host is, and which services are published: as the last run left it."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy import bindparam, select
from sqlalchemy.engine import Connection
from sqlalchemy.sql import Executable

from causeway_controller.inventory import modes
from causeway_controller.store.database import Database, upsert_on
from causeway_controller.store.tables import tenancy
from causeway_wire import codec
from causeway_wire.public_rules import PublicRule
from causeway_wire.types import Name, TenantId, VmName

_GET: Final = select(tenancy).where(
    tenancy.c.tenant == bindparam("whose"), tenancy.c.host == bindparam("where")
)

_MODES: Final = select(tenancy.c.host, tenancy.c.mode).where(tenancy.c.tenant == bindparam("whose"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A tenant on a host, between two runs. Who never failed over is idle."""

    mode: modes.Mode = modes.Idle()  # noqa: RUF009 - it is frozen and holds nothing
    publications: tuple[PublicRule, ...] | None = None
    """None until a run published some: then those of the inventory count. None leaves what is there."""


class Standings:
    """All of them. The end of a run writes them, and an inventory without VMs that stay for good."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, tenant: TenantId, host: Name) -> Standing:
        """What the last run left. Raises StoreError."""
        with self._database.read() as connection:
            row = connection.execute(_GET, {"whose": tenant, "where": host}).one_or_none()
        return Standing() if row is None else _standing(row.mode, row.publications)

    def of_tenant(self, tenant: TenantId) -> dict[Name, modes.Mode]:
        """The modes that runs left, by host. Raises StoreError."""
        with self._database.read() as connection:
            rows = connection.execute(_MODES, {"whose": tenant}).all()
        return {row.host: _standing(row.mode, None).mode for row in rows}

    def all(self) -> dict[tuple[TenantId, Name], Standing]:
        """Those that a run left, by tenant and host. Raises StoreError."""
        with self._database.read() as connection:
            return all_of(connection)

    def put(self, tenant: TenantId, host: Name, standing: Standing) -> None:
        """Keep it. Raises StoreError."""
        with self._database.write() as connection:
            put(connection, tenant, host, standing)


def all_of(connection: Connection) -> dict[tuple[TenantId, Name], Standing]:
    """As `Standings.all`, within the caller's transaction."""
    rows = connection.execute(select(tenancy)).all()
    return {(row.tenant, row.host): _standing(row.mode, row.publications) for row in rows}


def put(connection: Connection, tenant: TenantId, host: Name, standing: Standing) -> None:
    """Keep it within the caller's transaction: the end of a run and what it left stand or fall together."""
    publications = None if standing.publications is None else codec.encode(standing.publications).decode()
    values = {"mode": codec.encode(modes.members(standing.mode)).decode(), "publications": publications}
    kept = tuple(name for name, value in values.items() if value is not None)
    row = {"tenant": tenant, "host": host, **values}
    connection.execute(_put(connection.dialect.name, kept), row)


@functools.cache
def _put(dialect: str, kept: tuple[str, ...]) -> Executable:
    """Enter a row, or these of its members where it is there."""
    row = upsert_on(dialect, tenancy)
    keys = [tenancy.c.tenant, tenancy.c.host]
    return row.on_conflict_do_update(index_elements=keys, set_={name: row.excluded[name] for name in kept})


def let_go(
    connection: Connection, known: Mapping[TenantId, frozenset[VmName]]
) -> Iterator[tuple[TenantId, Name, frozenset[VmName]]]:
    """Take VMs that were made permanent and that their tenant has no more out of the modes, within the
    caller's transaction, which has looked whether they may go; yield where which were.

    `known`: the VMs that are entered, of each tenant to look at.
    """
    for (tenant, host), standing in all_of(connection).items():
        if tenant in known and isinstance(standing.mode, modes.Full):
            gone = standing.mode.permanent - known[tenant]
            if gone:
                left = modes.without(standing.mode, gone)
                put(connection, tenant, host, replace(standing, mode=left))
                yield tenant, host, gone


def _standing(mode: str, publications: str | None) -> Standing:
    rules = None if publications is None else codec.decode(publications.encode(), tuple[PublicRule, ...])
    return Standing(mode=modes.read(codec.decode(mode.encode(), dict)), publications=rules)
