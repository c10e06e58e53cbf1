"""The provider's inventory and what tenants have been given: replaced in one transaction or not at all."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import Select, Table, and_, bindparam, delete, insert, or_, select, update
from sqlalchemy.engine import Connection

from causeway_controller.contract.inventory import Inventory
from causeway_controller.inventory.allocation import (
    Allocation,
    MacLease,
    PublicLease,
    TunnelLease,
    VlanLease,
)
from causeway_controller.inventory.entry import enter
from causeway_controller.store import audit, in_use, members, tenancies
from causeway_controller.store.database import Database
from causeway_controller.store.in_use import Renamed
from causeway_controller.store.tables import (
    entry,
    inventory_head,
    inventory_revision,
    mac_lease,
    public_lease,
    replica_told,
    tunnel_lease,
    vlan_lease,
)
from causeway_wire import codec
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.types import TenantId, parse_scalar

_LEASES: Final[Mapping[str, tuple[Table, type[msgspec.Struct]]]] = {
    "vlans": (vlan_lease, VlanLease),
    "macs": (mac_lease, MacLease),
    "tunnels": (tunnel_lease, TunnelLease),
    "public": (public_lease, PublicLease),
}
"""Members of `Allocation`, where they are kept, and as what they are read."""

_TENANTS: Final = "tenants"
_ENTRIES: Final = select(entry.c.kind, entry.c.document).order_by(entry.c.place)
# Of "another kind than tenants" an index knows nothing: the entries of all tenants were read for each.
_FOR: Final = _ENTRIES.where(
    or_(
        entry.c.kind < _TENANTS,
        entry.c.kind > _TENANTS,
        and_(entry.c.kind == _TENANTS, entry.c.name == bindparam("whose")),
    )
)

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """An inventory as it is kept: `revision` is 0 before the first was entered, and grows by one."""

    revision: int
    inventory: Inventory
    allocation: Allocation


class Inventories:
    """The inventory of one provider."""

    def __init__(self, database: Database, *, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    def load(self) -> Stored:
        """The inventory in force. Raises StoreError."""
        with self._database.read() as connection:
            return _load(connection, int(connection.execute(select(inventory_head.c.revision)).scalar_one()))

    def of_tenant(self, tenant: TenantId) -> Stored:
        """What one tenant's failover asks for: the inventory without other tenants and what this site is by
        another name at another provider, and the tenant's leases.

        Without any tenant when there is none of this name. Raises StoreError.
        """
        with self._database.read() as connection:
            revision = int(connection.execute(select(inventory_head.c.revision)).scalar_one())
            found = _load(connection, revision, tenant=tenant)
        own = tuple(one for one in found.inventory.production if one.tenant == tenant)
        return replace(found, inventory=msgspec.structs.replace(found.inventory, production=own))

    def tried(self, inventory: Inventory, *, before: Stored, renamed: Renamed | None = None) -> Allocation:
        """What tenants would have if it took the place of `before` now; nothing is kept.

        Raises ProblemError when a rule is broken, StoreError.
        """
        with self._database.read() as connection:
            return _enter(connection, inventory, before, renamed)

    def replace(
        self, inventory: Inventory, *, expected: int, actor: str, renamed: Renamed | None = None
    ) -> Stored:
        """Enter the inventory in place of the one at revision `expected`. The replica of the VM that is
        `renamed` may have another id although it is failed over: its host was asked.

        An equal inventory changes nothing, its revision neither. Raises ProblemError, with nothing changed,
        when another revision is in force (`precondition-failed`) or a rule is broken, among them
        `failover-in-progress` for what a failover that stands or a run rests on; StoreError.
        """
        with self._database.write() as connection:
            revision = _locked_revision(connection)
            if revision != expected:
                detail = f"the inventory is at revision {revision}; read it again and repeat the change there"
                raise ProblemError(
                    problem(ProblemType.PRECONDITION_FAILED, detail, pointer="", revision=revision)
                )
            before = _load(connection, revision)
            given = _enter(connection, inventory, before, renamed)
            after = Stored(revision=revision + 1, inventory=inventory, allocation=given)
            if (inventory, given) == (before.inventory, before.allocation):
                return before
            self._store(connection, before, after, actor=actor)
            return after

    def _store(self, connection: Connection, before: Stored, after: Stored, *, actor: str) -> None:
        _change(connection, entry, _entries(before.inventory), _entries(after.inventory))
        for member, (table, _) in _LEASES.items():
            old, new = getattr(before.allocation, member), getattr(after.allocation, member)
            _change(connection, table, _leases(old), _leases(new))
        at, digest = self._now(), codec.digest(after.inventory)
        values = {"number": after.revision, "digest": digest, "actor": actor, "at": at}
        connection.execute(insert(inventory_revision).values(**values))
        connection.execute(update(inventory_head).values(revision=after.revision))
        for tenant in sorted(_tenants(before) - _tenants(after)):
            # Another customer may get the name later, and must not meet this one's controller.
            members.put_out(connection, tenant, action="member.expel", actor=actor, at=at)
            connection.execute(delete(replica_told).where(replica_told.c.tenant == tenant))
        entered = {one.id: frozenset(vm.name for vm in one.vms) for one in after.inventory.tenants}
        for tenant, host, gone in tenancies.let_go(connection, entered):
            act = audit.Act(
                at=at,
                actor=actor,
                action="failover.let-go",
                subject=f"tenant {tenant} at {host}",
                detail=", ".join(sorted(gone)),
            )
            audit.append(connection, act)
        act = audit.Act(
            at=at,
            actor=actor,
            action="inventory.replace",
            subject=f"revision {after.revision}",
            detail=digest,
        )
        audit.append(connection, act)


def _enter(
    connection: Connection, inventory: Inventory, before: Stored, renamed: Renamed | None
) -> Allocation:
    used = in_use.of(connection, renamed)
    return enter(inventory, before=before.inventory, held=before.allocation, in_use=used)


def _tenants(stored: Stored) -> set[TenantId]:
    return {tenant.id for tenant in stored.inventory.tenants}


def _locked_revision(connection: Connection) -> int:
    """The revision in force, which nobody else changes before the commit."""
    return int(connection.execute(select(inventory_head.c.revision).with_for_update()).scalar_one())


def _load(connection: Connection, revision: int, *, tenant: TenantId | None = None) -> Stored:
    found = connection.execute(_ENTRIES) if tenant is None else connection.execute(_FOR, {"whose": tenant})
    texts: dict[str, list[bytes]] = {}
    for row in found:
        texts.setdefault(row.kind, []).append(row.document.encode())
    members = (b'"%s":[%s]' % (kind.encode(), b",".join(rows)) for kind, rows in texts.items())
    return Stored(
        revision=revision,
        inventory=codec.decode(b"{%s}" % b",".join(members), Inventory),
        allocation=Allocation(
            **{member: _read(connection, table, kind, tenant) for member, (table, kind) in _LEASES.items()}
        ),
    )


def _read(
    connection: Connection, table: Table, kind: type[msgspec.Struct], tenant: TenantId | None
) -> tuple[Any, ...]:
    every, theirs = _leased(table, kind)
    rows = connection.execute(every) if tenant is None else connection.execute(theirs, {"whose": tenant})
    members = [each.name for each in msgspec.structs.fields(codec.ready(kind))]
    return tuple(
        msgspec.convert(dict(zip(members, row, strict=True)), kind, dec_hook=parse_scalar) for row in rows
    )


@functools.cache
def _leased(table: Table, kind: type[msgspec.Struct]) -> tuple[Select[Any], Select[Any]]:
    """Statements that read all of a kind of leases, and a tenant's."""
    members = (table.c[each.name] for each in msgspec.structs.fields(kind))
    every = select(*members).order_by(table.c.place)
    return every, every.where(table.c.tenant == bindparam("whose"))


def _entries(inventory: Inventory) -> list[Row]:
    """One row for each entry of each list."""
    return [
        {"kind": member, "name": each.id, "place": place, "document": codec.encode(each).decode()}
        for member in msgspec.structs.asdict(inventory)
        for place, each in enumerate(getattr(inventory, member))
    ]


def _leases(leases: Iterable[msgspec.Struct]) -> list[Row]:
    return [
        {**msgspec.to_builtins(lease, enc_hook=str), "place": place} for place, lease in enumerate(leases)
    ]


def _change(connection: Connection, table: Table, before: list[Row], after: list[Row]) -> None:
    """Make the rows `after` of those `before`; rows that stay the same are not touched."""
    keys = [column.name for column in table.primary_key.columns]
    old = {tuple(row[key] for key in keys): row for row in before}
    new = {tuple(row[key] for key in keys): row for row in after}
    for key in [key for key, row in old.items() if new.get(key) != row]:
        connection.execute(
            delete(table).where(*(table.c[name] == value for name, value in zip(keys, key, strict=True)))
        )
    added = [dict(row) for key, row in new.items() if old.get(key) != row]
    if added:
        connection.execute(insert(table), added)
