"""Where failovers stand and runs are under way: what a change of the inventory must leave as it is."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import select
from sqlalchemy.engine import Connection

from causeway_controller.contract import requests
from causeway_controller.inventory import modes
from causeway_controller.inventory.in_use import InUse
from causeway_controller.store import tenancies
from causeway_controller.store.tables import open_run, run
from causeway_controller.store.tenancies import Standing
from causeway_wire.problem import ProblemError
from causeway_wire.types import Name, TenantId, VmName

Renamed = tuple[TenantId, VmName]
"""A VM whose replica its host has under another id by now."""


def of(connection: Connection, renamed: Renamed | None = None) -> tuple[InUse, ...]:
    """Return every place, within the caller's transaction. What is asked of all appliances is at none."""
    return tuple(_of(connection, renamed))


def _of(connection: Connection, renamed: Renamed | None) -> Iterator[InUse]:
    # Runs first: the end of one writes what it leaves in the same transaction, and PostgreSQL lets the second
    # question see what was committed after the first.
    asked = select(open_run, run.c.request).join(run, open_run.c.run == run.c.id)
    runs = {(row.tenant, row.host): row for row in connection.execute(asked)}
    standings = tenancies.all_of(connection)
    for place in sorted(standings.keys() | runs.keys()):
        tenant, host = place
        standing, row = standings.get(place, Standing()), runs.get(place)
        if (row is None and isinstance(standing.mode, modes.Idle)) or place == ("", ""):
            continue
        yield InUse(
            tenant=tenant,
            host=host,
            mode=standing.mode,
            run="" if row is None else row.run,
            plan="" if row is None else _plan(row.request),
            published=standing.publications is not None,
            ruled=frozenset(one.internal_address for one in standing.publications or ()),
            renamed=frozenset({renamed[1]} if renamed is not None and renamed[0] == tenant else ()),
        )


def _plan(request: str) -> Name:
    """The failover plan that a run names. Of what is no failover, none."""
    try:
        return requests.plan(requests.read(request.encode()))
    except ProblemError:
        return ""
