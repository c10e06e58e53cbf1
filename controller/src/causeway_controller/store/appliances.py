"""Appliances that were deployed, and what was seen of them last."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from sqlalchemy import bindparam, case, delete, literal, select, update
from sqlalchemy.engine import Connection, Row

from causeway_controller.contract.appliances import Condition
from causeway_controller.inventory.health import Deployed, Shown
from causeway_controller.store.database import Database, upsert
from causeway_controller.store.tables import appliance
from causeway_wire.types import ApplianceId, Name, TenantId

_UNKNOWN: Final[dict[str, Any]] = {"condition": Condition.UNKNOWN, "cause": "", "since": None}
_OF_RUNS: Final = (Condition.OFF, Condition.OTHER_MODE, Condition.OUTDATED)
"""What runs bring about, and mend."""
_OVER: Final = appliance.c.condition.in_(_OF_RUNS)
_RUN_OVER: Final = (
    update(appliance)
    .where(appliance.c.tenant == bindparam("of"), appliance.c.host == bindparam("on"))
    .values(
        entered=bindparam("at", type_=appliance.c.entered.type),
        **{
            name: case((_OVER, literal(value, appliance.c[name].type)), else_=appliance.c[name])
            for name, value in _UNKNOWN.items()
        },
    )
)


class Appliances:
    """All of them. A row is there from before an appliance's machine is made until after it is gone."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def enter(self, one: Deployed, *, at: datetime) -> None:
        """Keep that it is deployed, and where it is managed now; what was seen of it stays, what is being
        looked at now is not kept.

        Raises StoreError.
        """
        place: dict[str, Any] = {
            "entered": at,
            "tenant": one.tenant,
            "host": one.host,
            "address": str(one.address),
            "port": one.port,
        }
        with self._database.write() as connection:
            row = upsert(connection, appliance).values(
                id=one.id, condition=Condition.UNKNOWN, cause="", trusts="", **place
            )
            connection.execute(row.on_conflict_do_update(index_elements=[appliance.c.id], set_=place))

    def all(self, tenant: TenantId | None = None) -> tuple[Deployed, ...]:
        """Those of one tenant, or all, by name. Raises StoreError."""
        question = select(appliance).order_by(appliance.c.id)
        if tenant is not None:
            question = question.where(appliance.c.tenant == tenant)
        with self._database.read() as connection:
            return tuple(_deployed(row) for row in connection.execute(question))

    def find(self, tenant: TenantId, host: Name) -> Deployed | None:
        """The tenant's on the host. Raises StoreError."""
        return next((one for one in self.all(tenant) if one.host == host), None)

    def saw(self, seen: Iterable[Deployed]) -> None:
        """Keep what was seen of those that are still deployed, not what they trust. Raises StoreError.

        Nothing is kept of one that was changed since `entered`: the look had begun before.
        """
        rows = [_values(one) for one in seen]
        if not rows:
            return
        names = [name for name in rows[0] if name not in {"key", "since_then"}]
        same = appliance.c.entered == bindparam("since_then")
        statement = update(appliance).where(appliance.c.id == bindparam("key"), same)
        with self._database.write() as connection:
            connection.execute(statement.values({name: bindparam(name) for name in names}), rows)

    def changed(self, identifier: ApplianceId, *, at: datetime) -> None:
        """What was seen of it holds no longer, nor what a look finds that goes on now: something was done to
        it. Raises StoreError.
        """
        unknown = {**_UNKNOWN, "entered": at}
        with self._database.write() as connection:
            connection.execute(update(appliance).where(appliance.c.id == identifier).values(unknown))

    def shows(self, identifier: ApplianceId, shown: Shown | None, *, at: datetime) -> None:
        """Keep which certificate it shows now; a look that goes on may have met the one before. Raises
        StoreError.
        """
        found = update(appliance).where(appliance.c.id == identifier)
        found = found.values(entered=at, **_certificate(shown))
        with self._database.write() as connection:
            connection.execute(found)

    def trusts(self, identifier: ApplianceId, authorities: str) -> None:
        """Keep which authorities it was told to trust. Raises StoreError."""
        told = update(appliance).where(appliance.c.id == identifier).values(trusts=authorities)
        with self._database.write() as connection:
            connection.execute(told)

    def forget(self, identifier: ApplianceId) -> None:
        """It is deployed no longer. Again changes nothing. Raises StoreError."""
        with self._database.write() as connection:
            connection.execute(delete(appliance).where(appliance.c.id == identifier))


def run_over(connection: Connection, tenant: TenantId, host: Name, *, at: datetime) -> None:
    """A run has ended that may have changed the tenant's appliance on the host: its mode, document and power
    are no longer what was seen. That it does not answer is: that ends with an answer.
    """
    connection.execute(_RUN_OVER, {"of": tenant, "on": host, "at": at})


def _certificate(shown: Shown | None) -> dict[str, Any]:
    if shown is None:
        return {"serial": None, "begins": None, "ends": None}
    return {"serial": shown.serial, "begins": shown.begins, "ends": shown.ends}


def _values(one: Deployed) -> dict[str, Any]:
    return {
        "key": one.id,
        "since_then": one.entered,
        "condition": one.condition,
        "cause": one.cause,
        "since": one.since,
        "asked": one.asked,
        "seen": one.seen,
        "agent": one.agent,
        **_certificate(one.shown),
        "mode": one.mode,
        "intended": one.intended,
        "generation": one.generation,
        "epoch": one.epoch,
    }


def _deployed(row: Row[Any]) -> Deployed:
    shown = None
    if row.serial is not None:
        shown = Shown(serial=row.serial, begins=row.begins, ends=row.ends)
    return Deployed(
        id=row.id,
        tenant=row.tenant,
        host=row.host,
        address=ipaddress.ip_address(row.address),
        port=row.port,
        entered=row.entered,
        condition=Condition(row.condition),
        cause=row.cause,
        since=row.since,
        asked=row.asked,
        seen=row.seen,
        agent=row.agent,
        shown=shown,
        mode=row.mode,
        intended=row.intended,
        generation=row.generation,
        epoch=row.epoch,
        trusts=row.trusts,
    )
