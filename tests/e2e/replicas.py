"""Replicas on the libvirt host: domains that controllers power, and that boot the smallest guest there is."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any, Final

from causeway_lab.world import namespaces
from causeway_lab.world.topology import Topology, replica_of
from causeway_wire.types import TenantId, VmName
from tests.e2e import guest
from tests.e2e.guest import System
from tests.libvirtd import Libvirtd

_NAMES: Final = uuid.UUID("7c1f6c3e-5a0e-4a53-9b1c-0242ac120002")


def define(daemon: Libvirtd, world: Topology, tenant: TenantId, system: System) -> dict[VmName, str]:
    """Define a domain for each VM of the tenant, powered off; their UUIDs."""
    identities = {vm: str(uuid.uuid5(_NAMES, vm)) for vm in world.tenants[tenant].vms}

    def make(connection: Any) -> None:
        for vm, identity in identities.items():
            machine = world.machines[replica_of(tenant, vm)]
            bridge = namespaces.bridge(machine.ports[0].segment, world.segments)
            console = Path(daemon.directory) / f"{vm}.console"
            connection.defineXML(guest.describe(machine, identity, system, bridge, console))

    daemon.ask(make)
    return identities
