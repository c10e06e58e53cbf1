"""Rebuilds of appliances and gateways among the runs: how many there were decides about one more."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from sqlalchemy import and_, or_, select

from causeway_controller.contract import requests
from causeway_controller.contract.requests import Rebuild, RebuildGateway
from causeway_controller.contract.run_events import FAILED
from causeway_controller.contract.runs import RunId
from causeway_controller.inventory.rebuilding import Attempt
from causeway_controller.store.database import Database
from causeway_controller.store.tables import appliance, open_run, run, run_event, run_stop
from causeway_wire.types import Name, TenantId

_REQUEST: Final = '%"request":"rebuild%'
"""Of an appliance or of a gateway."""
_RETIRED: Final = '%"request":"retire%'
"""Likewise."""


class Rebuilds:
    """Read from the history of runs, which nobody can rewrite."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def since(self, moment: datetime) -> tuple[Attempt, ...]:
        """Return those that were begun since, the oldest first. Raises StoreError."""
        question = (
            select(run.c.id, run.c.tenant, run.c.host, run.c.request, run.c.at, open_run.c.run.label("open"))
            .outerjoin(open_run, open_run.c.run == run.c.id)
            .where(run.c.at > moment, run.c.request.like(_REQUEST))
            .order_by(run.c.at, run.c.id)
        )
        with self._database.read() as connection:
            return tuple(
                Attempt(
                    run=row.id,
                    tenant=row.tenant,
                    host=row.host,
                    on=_on(row.host, row.request),
                    at=row.at,
                    open=row.open is not None,
                )
                for row in connection.execute(question)
            )

    def retired(self) -> Mapping[tuple[TenantId, Name], RunId]:
        """Return the runs that failed to have an appliance away which has not answered since.

        By its tenant and place; none that somebody stopped: that is to have it stay. Raises StoreError.
        """
        theirs = and_(appliance.c.tenant == run.c.tenant, appliance.c.host == run.c.host)
        question = (
            select(run.c.id, run.c.tenant, run.c.host)
            .join(appliance, theirs)
            .join(run_event, and_(run_event.c.run == run.c.id, run_event.c.kind == FAILED))
            .outerjoin(run_stop, run_stop.c.run == run.c.id)
            .where(
                run.c.request.like(_RETIRED),
                run_stop.c.run.is_(None),
                or_(appliance.c.seen.is_(None), appliance.c.seen <= run_event.c.at),
            )
            .order_by(run.c.at, run.c.id)
        )
        with self._database.read() as connection:
            return {(row.tenant, row.host): row.id for row in connection.execute(question)}


def _on(place: Name, request: str) -> Name:
    """The host whose machine was brought back: a gateway's run has the gateway in a host's place, and one of
    production's the network.
    """
    match requests.read_chore(request.encode()):
        case RebuildGateway(host=host):
            return host
        case Rebuild(on=str(host)):
            return host
        case _:
            return place
