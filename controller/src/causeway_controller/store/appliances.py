"""Appliances that were deployed, and what was seen of them last."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.engine import Row

from causeway_controller.contract.appliances import Condition
from causeway_controller.inventory.health import Deployed, Shown
from causeway_controller.store.database import Database, upsert
from causeway_controller.store.tables import appliance
from causeway_wire.types import ApplianceId, Name, TenantId


class Appliances:
    """All of them. A row is there from before an appliance's machine is made until after it is gone."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def enter(self, one: Deployed, *, at: datetime) -> None:
        """Keep that it is deployed, and where it is managed now; what was seen of it stays.

        Raises StoreError.
        """
        place: dict[str, Any] = {
            "tenant": one.tenant,
            "host": one.host,
            "address": str(one.address),
            "port": one.port,
        }
        with self._database.write() as connection:
            row = upsert(connection, appliance).values(
                id=one.id, entered=at, condition=Condition.UNKNOWN, cause="", trusts="", **place
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
        """Keep what was seen of those that are still deployed, not what they trust. Raises StoreError."""
        rows = [_values(one) for one in seen]
        if not rows:
            return
        names = [name for name in rows[0] if name != "key"]
        statement = update(appliance).where(appliance.c.id == bindparam("key"))
        with self._database.write() as connection:
            connection.execute(statement.values({name: bindparam(name) for name in names}), rows)

    def changed(self, identifier: ApplianceId) -> None:
        """What was seen of it holds no longer: something was done to it since. Raises StoreError."""
        unknown = {"condition": Condition.UNKNOWN, "cause": "", "since": None}
        with self._database.write() as connection:
            connection.execute(update(appliance).where(appliance.c.id == identifier).values(unknown))

    def trusts(self, identifier: ApplianceId, authorities: str) -> None:
        """Keep which authorities it was told to trust. Raises StoreError."""
        told = update(appliance).where(appliance.c.id == identifier).values(trusts=authorities)
        with self._database.write() as connection:
            connection.execute(told)

    def forget(self, identifier: ApplianceId) -> None:
        """It is deployed no longer. Again changes nothing. Raises StoreError."""
        with self._database.write() as connection:
            connection.execute(delete(appliance).where(appliance.c.id == identifier))


def _values(one: Deployed) -> dict[str, Any]:
    shown = one.shown
    return {
        "key": one.id,
        "condition": one.condition,
        "cause": one.cause,
        "since": one.since,
        "asked": one.asked,
        "seen": one.seen,
        "agent": one.agent,
        "serial": None if shown is None else shown.serial,
        "begins": None if shown is None else shown.begins,
        "ends": None if shown is None else shown.ends,
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
