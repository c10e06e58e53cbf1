"""Numbers that only grow, on disk before anybody uses one: generations of appliances, epochs of failovers."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Collection, Sequence
from typing import Final

from sqlalchemy import bindparam, select, update
from sqlalchemy.engine import Connection
from sqlalchemy.sql import Executable

from causeway_controller.store.database import Database, upsert, upsert_on
from causeway_controller.store.tables import counter
from causeway_controller.store.together import Together
from causeway_wire.types import ApplianceId, Epoch, Generation, Name, TenantId

GENERATION: Final = "generation"
EPOCH: Final = "epoch"

_LAST: Final = select(counter.c.last).where(
    counter.c.kind == bindparam("which"), counter.c.owner == bindparam("whose")
)
"""Made once, as the one below: each run asks them often."""
_LAST_OF: Final = select(counter.c.owner, counter.c.last).where(
    counter.c.kind == bindparam("which"), counter.c.owner.in_(bindparam("whose", expanding=True))
)


def advance(connection: Connection, kind: str, owner: str) -> int:
    """The number after the last, now the last. Another writer of the same counter waits for the commit."""
    asked = {"kind": kind, "owner": owner, "last": 1}
    return int(connection.execute(_advance(connection.dialect.name), asked).scalar_one())


@functools.cache
def _advance(dialect: str) -> Executable:
    statement = upsert_on(dialect, counter).on_conflict_do_update(
        index_elements=[counter.c.kind, counter.c.owner], set_={"last": counter.c.last + 1}
    )
    return statement.returning(counter.c.last)


def raise_to(connection: Connection, kind: str, owner: str, number: int) -> None:
    """Make the last number at least this one."""
    statement = (
        upsert(connection, counter)
        .values(kind=kind, owner=owner, last=number)
        .on_conflict_do_update(
            index_elements=[counter.c.kind, counter.c.owner],
            set_={"last": number},
            where=counter.c.last < number,
        )
    )
    connection.execute(statement)


def raise_all(connection: Connection, margin: int) -> None:
    """Raise every generation and epoch by this much: higher ones than are known here may have been used."""
    numbers = update(counter).where(counter.c.kind.in_((GENERATION, EPOCH)))
    connection.execute(numbers.values(last=counter.c.last + margin))


def last(connection: Connection, kind: str, owner: str) -> int:
    """The last number; 0 before the first."""
    return int(connection.execute(_LAST, {"whose": owner, "which": kind}).scalar_one_or_none() or 0)


def last_of(connection: Connection, kind: str, owners: Collection[str]) -> dict[str, int]:
    """The last number of each of these; none for who has none."""
    asked = {"which": kind, "whose": sorted(owners)}
    return {row.owner: row.last for row in connection.execute(_LAST_OF, asked)}


class StoredGenerations:
    """Generations of documents, for any number of controllers (`generations.GenerationBook`).

    A number that was returned was committed before, and is never returned again.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._together: Together[ApplianceId, Generation] = Together(self._next)

    async def next(self, appliance: ApplianceId) -> Generation:
        """A generation never handed out before for this appliance. Raises StoreError."""
        return await self._together.ask(appliance)

    async def at_least(self, appliance: ApplianceId, generation: Generation) -> None:
        """From now on `next` returns more than this: the appliance has seen it. Raises StoreError."""
        await asyncio.to_thread(self._at_least, appliance, generation)

    def _next(self, appliances: Sequence[ApplianceId]) -> tuple[Generation, ...]:
        """One for each, committed at once; in one order, so that no two controllers wait for each other."""
        given: dict[int, Generation] = {}
        with self._database.write() as connection:
            for place in sorted(range(len(appliances)), key=appliances.__getitem__):
                given[place] = advance(connection, GENERATION, appliances[place])
        return tuple(given[place] for place in range(len(appliances)))

    def _at_least(self, appliance: ApplianceId, generation: Generation) -> None:
        with self._database.write() as connection:
            raise_to(connection, GENERATION, appliance, generation)


class Epochs:
    """Fences of what acts on a tenant's appliances at one host: a newer epoch shuts out the older one."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self, tenant: TenantId, host: Name) -> Epoch:
        """A new epoch, above all before it. Raises StoreError."""
        with self._database.write() as connection:
            return advance(connection, EPOCH, owner(tenant, host))

    def at_least(self, tenant: TenantId, host: Name, epoch: Epoch) -> None:
        """From now on `take` returns more than this: an appliance reported it. Raises StoreError."""
        with self._database.write() as connection:
            raise_to(connection, EPOCH, owner(tenant, host), epoch)

    def current(self, tenant: TenantId, host: Name) -> Epoch:
        """The last epoch taken; 0 before the first. Raises StoreError."""
        with self._database.read() as connection:
            return last(connection, EPOCH, owner(tenant, host))


def owner(tenant: TenantId, host: Name) -> str:
    """Whose epoch it is, as the table of counters says it; names have no slash in them."""
    return f"{tenant}/{host}"
