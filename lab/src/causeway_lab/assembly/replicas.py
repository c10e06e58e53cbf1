"""The provider's host as the failover workflow sees it: it powers replicas on and off."""

from __future__ import annotations

from causeway_controller.hypervisors.base import HypervisorError, Machine
from causeway_lab.assembly.machines import Machines
from causeway_lab.world.console import GuestError
from causeway_lab.world.namespaces import WiringError
from causeway_lab.world.topology import replica_of


class Replicas:
    """`hypervisors.base.PowerControl` for replicas; owner ids are `tenant/vm`."""

    def __init__(self, machines: Machines) -> None:
        self._machines = machines

    async def find(self, owner_id: str) -> Machine | None:
        """The replica of this VM."""
        name = _name(owner_id)
        if not self._machines.has(name):
            return None
        on = self._machines.powered_on(name)
        # A guest is a process that answers from when it runs.
        return Machine(owner_id=owner_id, name=name, powered_on=on, guest_answers=on)

    async def power(self, owner_id: str, *, on: bool, grace: float) -> None:  # noqa: ARG002 - nothing to ask
        """Power the replica on or off."""
        name = _name(owner_id)
        try:
            await (self._machines.power_on(name) if on else self._machines.power_off(name))
        except (GuestError, WiringError) as error:
            raise HypervisorError(f"cannot power {'on' if on else 'off'} {name}: {error}") from error


def _name(owner_id: str) -> str:
    tenant, _, vm = owner_id.partition("/")
    return replica_of(tenant, vm)
