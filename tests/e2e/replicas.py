"""Replicas on the libvirt host: domains that controllers power, each with a network of the lab's behind it.

The domain boots nothing. While it runs, the lab's guest of the same name is plugged into its VLAN: it
answers as a booted VM would, and a controller sees no difference, for it asks a replica's host only.
"""

from __future__ import annotations

import asyncio
import uuid
from typing import Any, Final

from causeway_controller.hypervisors.libvirt import binding
from causeway_lab.assembly.machines import Machines
from causeway_lab.world.topology import replica_of
from causeway_wire.types import TenantId, VmName
from tests.libvirtd import Libvirtd

_DOMAIN: Final = """<domain type='qemu'><name>{name}</name><uuid>{uuid}</uuid><memory unit='MiB'>16</memory>
<os><type arch='x86_64' machine='q35'>hvm</type></os><on_reboot>destroy</on_reboot></domain>"""
_LOOK_SECONDS: Final = 0.05
_NAMES: Final = uuid.UUID("7c1f6c3e-5a0e-4a53-9b1c-0242ac120002")


class Replicas:
    """One for each of these VMs, powered off. `follow` as long as they are needed."""

    def __init__(
        self, daemon: Libvirtd, machines: Machines, tenant: TenantId, vms: tuple[VmName, ...]
    ) -> None:
        self._daemon = daemon
        self._machines = machines
        self._tenant = tenant
        self.ids = {vm: str(uuid.uuid5(_NAMES, vm)) for vm in vms}
        """Their domains' UUIDs."""

    def define(self) -> None:
        """Make the domains."""

        def make(connection: Any) -> None:
            for vm, identity in self.ids.items():
                name = replica_of(self._tenant, vm)
                connection.defineXML(_DOMAIN.format(name=name, uuid=identity))

        self._daemon.ask(make)

    async def follow(self) -> None:
        """Plug and unplug guests as their domains are powered, until cancelled."""
        connection = await asyncio.to_thread(binding.load().open, self._daemon.uri)
        while True:
            for vm, identity in self.ids.items():
                on = await asyncio.to_thread(_active, connection, identity)
                name = replica_of(self._tenant, vm)
                if on and not self._machines.powered_on(name):
                    await self._machines.power_on(name)
                elif not on and self._machines.powered_on(name):
                    await self._machines.power_off(name)
            await asyncio.sleep(_LOOK_SECONDS)


def _active(connection: Any, identity: str) -> bool:
    return bool(connection.lookupByUUIDString(identity).isActive())
