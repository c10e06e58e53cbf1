"""Replicas that no mode names: a run settled how its tenant is, and broke off before it had powered them off.

What was settled is never taken back (decision 38), so nothing else ends them: while a failover stands there,
they are told until a run has them off, or in a failover.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, RowMapping, literal, select
from sqlalchemy.engine import Connection

from causeway_controller.contract.run_events import FAILED, FINISHED, SETTLED, STARTED, STEP
from causeway_controller.failover.events import THROUGH
from causeway_controller.failover.steps import switched
from causeway_controller.inventory import modes
from causeway_controller.store import tenancies
from causeway_controller.store.database import Database
from causeway_controller.store.tables import open_run, run, run_event
from causeway_wire.types import Name, TenantId, VmName

_SETTLED: Final = run_event.c.kind == literal(SETTLED, literal_execute=True)
"""The word itself, not a parameter: a planner must see that the index has all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOn:
    """What one run left on."""

    run: str
    tenant: TenantId
    host: Name
    vms: tuple[VmName, ...]
    kept: tuple[VmName, ...]
    """VMs that are failed over there now, partially unless `full`."""
    full: bool = False


def find(database: Database, tenant: TenantId | None = None) -> tuple[LeftOn, ...]:
    """Return what runs of this tenant, or of all, left on where a failover stands. Raises StoreError."""
    return tuple(_found(database, tenant))


def _found(database: Database, tenant: TenantId | None) -> Iterator[LeftOn]:
    settled = (
        select(run)
        .join(run_event, run_event.c.run == run.c.id)
        .outerjoin(open_run, open_run.c.run == run.c.id)
        .where(_SETTLED, open_run.c.run.is_(None))
        .order_by(run.c.at)
    )
    if tenant is not None:
        settled = settled.where(run.c.tenant == tenant)
    with database.read() as connection:
        standings = tenancies.all_of(connection)
        for row in connection.execute(settled).mappings().all():
            standing = standings.get((row["tenant"], row["host"]))
            if standing is None or not isinstance(standing.mode, modes.Partial | modes.Full):
                continue
            left = _left(connection, row["id"]) - standing.mode.vms
            if left and (left := left - _ended(connection, row)):
                yield LeftOn(
                    run=row["id"],
                    tenant=row["tenant"],
                    host=row["host"],
                    vms=tuple(sorted(left)),
                    kept=tuple(sorted(standing.mode.vms)),
                    full=isinstance(standing.mode, modes.Full),
                )


def _left(connection: Connection, name: str) -> frozenset[VmName]:
    """VMs whose replicas the run may have left on, without those of the mode that it settled."""
    before, after, failed = frozenset[VmName](), frozenset[VmName](), False
    its = run_event.c.run == name
    # They are few; all that it told is read only where it may have left something.
    for kind, told in _events(connection, its, STARTED, SETTLED, FAILED):
        if kind == FAILED:
            failed = True
        elif kind == SETTLED:
            after = modes.read(told["mode"]).vms
        else:
            before = modes.read(told["mode"]).vms
    if before <= after and not failed:
        return frozenset()
    steps = [told for _, told in _events(connection, its, STEP)]
    if failed:  # otherwise its mode names what it started
        before |= {told["vm"] for told in steps if told.get("does") == "start"}
    states = {told["step"]: told["state"] for told in steps}
    return frozenset(vm for vm in before - after if states.get(switched(vm, on=False)) not in THROUGH)


def _ended(connection: Connection, row: RowMapping) -> frozenset[VmName]:
    """VMs whose replicas runs after this one had off, or in a failover."""
    later = select(run.c.id).where(
        run.c.tenant == row["tenant"], run.c.host == row["host"], run.c.at > row["at"]
    )
    found = set[VmName]()
    for kind, told in _events(connection, run_event.c.run.in_(later), STEP, SETTLED, FINISHED):
        if kind == STEP and told.get("does") == "stop" and told["state"] in THROUGH:
            found.add(told["vm"])
        elif kind != STEP and "mode" in told:
            found |= modes.read(told["mode"]).vms
    return frozenset(found)


def _events(
    connection: Connection, which: ColumnElement[bool], *kinds: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    """What runs told of these kinds, in its order."""
    asked = select(run_event.c.kind, run_event.c.detail).where(which, run_event.c.kind.in_(kinds))
    for row in connection.execute(asked.order_by(run_event.c.run, run_event.c.number)):
        yield row.kind, msgspec.json.decode(row.detail, type=dict[str, Any])
