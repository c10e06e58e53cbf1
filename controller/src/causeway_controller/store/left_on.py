"""Replicas that no mode names: a run settled how its tenant is, and broke off before it had powered them off.

What was settled is never taken back (decision 38), so nothing else ends them: they are told until somebody
asks for the rest, or begins something else there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from sqlalchemy import RowMapping, select
from sqlalchemy.engine import Connection

from causeway_controller.contract import requests
from causeway_controller.contract.requests import Publish, UndoSite
from causeway_controller.failover.events import StepState
from causeway_controller.failover.steps import switched
from causeway_controller.inventory import modes
from causeway_controller.store.database import Database
from causeway_controller.store.runs import SETTLED
from causeway_controller.store.tables import open_run, run, run_event
from causeway_wire.types import Name, TenantId, VmName

_OFF: Final = frozenset({StepState.DONE.value, StepState.UNCHANGED.value})
_FINISHED: Final = "finished"


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOn:
    """What one run left on."""

    run: str
    tenant: TenantId
    host: Name
    vms: tuple[VmName, ...]
    kept: tuple[VmName, ...]
    """VMs that are failed over there, partially unless `full`."""
    full: bool = False


def find(database: Database, tenant: TenantId | None = None) -> tuple[LeftOn, ...]:
    """Return what runs of this tenant, or of all, left on. Raises StoreError."""
    return tuple(_found(database, tenant))


def _found(database: Database, tenant: TenantId | None) -> Iterator[LeftOn]:
    settled = (
        select(run)
        .join(run_event, run_event.c.run == run.c.id)
        .outerjoin(open_run, open_run.c.run == run.c.id)
        .where(run_event.c.kind == SETTLED, open_run.c.run.is_(None))
        .order_by(run.c.at)
    )
    if tenant is not None:
        settled = settled.where(run.c.tenant == tenant)
    with database.read() as connection:
        last = {(row["tenant"], row["host"]): row for row in connection.execute(settled).mappings()}
        for row in last.values():
            later = select(run.c.id, run.c.request).join(run_event, run_event.c.run == run.c.id)
            later = later.where(run.c.tenant == row["tenant"], run.c.host == row["host"])
            later = later.where(run.c.at > row["at"], run_event.c.kind == _FINISHED)
            ended = [one for one in connection.execute(later).all() if _of_replicas(one.request)]
            if any(not _ends_the_rest(one.request) for one in ended):
                continue
            through = {step for one in ended for step in _through(_events(connection, one.id))}
            if (left := _left(row, _events(connection, row["id"]), through)) is not None:
                yield left


def _events(connection: Connection, name: str) -> Iterable[RowMapping]:
    events = select(run_event.c.kind, run_event.c.detail).where(run_event.c.run == name)
    return connection.execute(events.order_by(run_event.c.number)).mappings()


def _of_replicas(request: str) -> bool:
    """Whether a run that asked for this and went through says what became of replicas."""
    if requests.chore(request.encode()) is not None:
        return False
    return not isinstance(requests.read(request.encode()), Publish)


def _ends_the_rest(request: str) -> bool:
    """Whether it asked for what `full.undo_full` does of what was left on: it goes through, whatever it could
    not power off.
    """
    asked = requests.read(request.encode())
    return isinstance(asked, UndoSite) and bool(asked.keep_partial)


def _through(events: Iterable[RowMapping]) -> Iterator[str]:
    """Sentences of steps that are through."""
    for event in events:
        if event["kind"] == "step":
            told = msgspec.json.decode(event["detail"], type=dict[str, Any])
            if told["state"] in _OFF:
                yield told["step"]


def _left(row: RowMapping, events: Iterable[RowMapping], ended: Collection[str]) -> LeftOn | None:
    """`ended`: sentences of steps that were through in runs after it."""
    before, started, states, failed = frozenset[VmName](), set[VmName](), dict[str, str](), False
    after: modes.Mode = modes.Idle()
    for event in events:
        told = msgspec.json.decode(event["detail"], type=dict[str, Any])
        match event["kind"]:
            case "started":
                before = modes.read(told["mode"]).vms
            case "settled":
                after = modes.read(told["mode"])
            case "step":
                states[told["step"]] = told["state"]
                if told.get("does") == "start":
                    started.add(told["vm"])
            case "failed":
                failed = True
            case _:
                pass
    if failed:  # otherwise its mode names what it started
        before |= started
    stopped = {step for step, state in states.items() if state in _OFF} | set(ended)
    left = [vm for vm in sorted(before - after.vms) if switched(vm, on=False) not in stopped]
    if not left:
        return None
    return LeftOn(
        run=row["id"],
        tenant=row["tenant"],
        host=row["host"],
        vms=tuple(left),
        kept=tuple(sorted(after.vms)),
        full=isinstance(after, modes.Full),
    )
