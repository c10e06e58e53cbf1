"""The provider's host as the failover workflow sees it: it powers replicas on and off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from causeway_controller.contract.hosts import VmNic
from causeway_controller.hypervisors.base import FoundVm, HypervisorError, Machine
from causeway_lab.assembly.machines import Machines
from causeway_lab.world import topology
from causeway_lab.world.console import GuestError
from causeway_lab.world.namespaces import WiringError

_SUFFIX: Final = topology.replica_of("", "").removeprefix("-")


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

    def listed(self) -> Sequence[FoundVm]:
        """All replicas, by `tenant/vm`: the lab's tenants have no hyphen in their names."""
        return tuple(self._found(one) for one in self._machines.guests() if one.name.endswith(_SUFFIX))

    def _found(self, one: topology.Machine) -> FoundVm:
        on = self._machines.powered_on(one.name)
        told = (str(each.ip) for port in one.ports for each in port.addresses)
        return FoundVm(
            id=one.name.removesuffix(_SUFFIX).replace("-", "/", 1),
            name=one.name,
            powered_on=on,
            nics=tuple(VmNic(mac=port.mac, network=port.segment) for port in one.ports),
            addresses=tuple(told) if on else (),
        )

    async def power(self, owner_id: str, *, on: bool, grace: float) -> None:  # noqa: ARG002 - nothing to ask
        """Power the replica on or off."""
        name = _name(owner_id)
        try:
            await (self._machines.power_on(name) if on else self._machines.power_off(name))
        except (GuestError, WiringError) as error:
            raise HypervisorError(f"cannot power {'on' if on else 'off'} {name}: {error}") from error


def _name(owner_id: str) -> str:
    tenant, _, vm = owner_id.partition("/")
    return topology.replica_of(tenant, vm)
