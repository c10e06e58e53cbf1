"""The lab's machines other than appliances: routers, controllers, and the VMs with their power switches."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from causeway_lab import hypervisor
from causeway_lab.world import namespaces
from causeway_lab.world.console import Console, GuestError
from causeway_lab.world.topology import Kind, Machine


class Machines:
    """All machines of a topology without an agent. VMs can be powered on and off, repeatedly."""

    def __init__(
        self, machines: Mapping[str, Machine], segments: Sequence[str], *, patience: float = 1.0
    ) -> None:
        """`patience`: how many times longer than usual VMs wait for answers."""
        self._machines = {name: item for name, item in machines.items() if item.kind is not Kind.APPLIANCE}
        self._segments = tuple(segments)
        self._patience = patience
        self._consoles: dict[str, Console] = {}

    async def up(self) -> None:
        """Wire all, and power on those that the topology wants running."""
        namespaces.create(self._machines.values(), self._segments)
        running = [machine for machine in self._machines.values() if machine.powered_on]
        for machine in running:
            namespaces.plug(machine)
            namespaces.configure(machine)
        await self._start(machine for machine in running if machine.kind is Kind.GUEST)

    async def down(self) -> None:
        """Cut every VM's power; namespaces go with the sandbox."""
        consoles, self._consoles = self._consoles, {}
        await asyncio.gather(*(console.stop() for console in consoles.values()))

    def has(self, name: str) -> bool:
        """Whether this is a VM of the lab."""
        machine = self._machines.get(name)
        return machine is not None and machine.kind is Kind.GUEST

    def guests(self) -> tuple[Machine, ...]:
        """All VMs of the lab."""
        return tuple(one for one in self._machines.values() if one.kind is Kind.GUEST)

    def powered_on(self, name: str) -> bool:
        """Whether the VM runs."""
        return name in self._consoles

    def console(self, name: str) -> Console:
        """The running VM's guest; raises GuestError when it is powered off."""
        try:
            return self._consoles[name]
        except KeyError:
            raise GuestError(f"{name} is powered off, or is no VM of this lab") from None

    async def power_on(self, name: str) -> None:
        """Carrier, addresses, guest program; nothing to do when it runs."""
        if name in self._consoles:
            return
        machine = self._guest(name)
        namespaces.plug(machine)
        namespaces.configure(machine)
        await self._start([machine])

    async def power_off(self, name: str) -> None:
        """Everything the VM was is gone, without a goodbye on the wire."""
        if name not in self._consoles:
            return
        machine = self._guest(name)
        namespaces.unplug(machine)
        await self._consoles.pop(name).stop()
        await hypervisor.kill_all(name)
        namespaces.destroy(machine)
        namespaces.create([machine], self._segments)

    async def _start(self, machines: Iterable[Machine]) -> None:
        started = await asyncio.gather(
            *(Console.start(machine, patience=self._patience) for machine in machines)
        )
        self._consoles.update({console.name: console for console in started})

    def _guest(self, name: str) -> Machine:
        if not self.has(name):
            raise GuestError(f"the lab has no VM {name}")
        return self._machines[name]
