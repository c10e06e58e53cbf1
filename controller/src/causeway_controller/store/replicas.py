"""What was told of replicas by who replicates: kept beside the inventory, which it does not change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete, select

from causeway_controller.inventory.replicas import Told
from causeway_controller.store.database import Database, upsert
from causeway_controller.store.tables import replica_told
from causeway_wire import codec
from causeway_wire.types import IPAddress, TenantId, VmName


class Replicas:
    """What was told last, by tenant and VM."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, tenant: TenantId, told: Mapping[VmName, Told]) -> None:
        """Keep it in place of what was told before of these VMs. Raises StoreError."""
        rows = [
            {
                "tenant": tenant,
                "vm": vm,
                "host": one.host,
                "vm_id": one.vm_id,
                "restored_to": one.restored_to,
                "addresses": codec.encode(one.addresses).decode(),
                "at": one.at,
                "actor": one.by,
            }
            for vm, one in told.items()
        ]
        keys = [replica_told.c.tenant, replica_told.c.vm]
        with self._database.write() as connection:
            row = upsert(connection, replica_told)
            others = {one.name: one for one in row.excluded if one.name not in {"tenant", "vm"}}
            connection.execute(row.on_conflict_do_update(index_elements=keys, set_=others), rows)

    def forget(self, tenant: TenantId, vm: VmName) -> None:
        """Forget it; nothing to do where nothing was told. Raises StoreError."""
        this = (replica_told.c.tenant == tenant, replica_told.c.vm == vm)
        with self._database.write() as connection:
            connection.execute(delete(replica_told).where(*this))

    def of_tenant(self, tenant: TenantId) -> dict[VmName, Told]:
        """What was told of a tenant's. Raises StoreError."""
        question = select(replica_told).where(replica_told.c.tenant == tenant)
        with self._database.read() as connection:
            return {row.vm: _read(row) for row in connection.execute(question)}

    def all(self) -> dict[TenantId, dict[VmName, Told]]:
        """What was told of everybody's. Raises StoreError."""
        found: dict[TenantId, dict[VmName, Told]] = {}
        with self._database.read() as connection:
            for row in connection.execute(select(replica_told)):
                found.setdefault(row.tenant, {})[row.vm] = _read(row)
        return found


def _read(row: Any) -> Told:
    return Told(
        host=row.host,
        vm_id=row.vm_id,
        restored_to=row.restored_to,
        addresses=codec.decode(row.addresses.encode(), tuple[IPAddress, ...]),
        at=row.at,
        by=row.actor,
    )
