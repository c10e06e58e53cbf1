"""A hypervisor that remembers which machines are on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from causeway_controller.hypervisors.base import HypervisorError, Machine, MachineSpec, Progress
from causeway_controller.hypervisors.findings import too_full


class FakeHypervisor:
    """Machines by owner id, on or off; `broken` ones refuse to change."""

    def __init__(
        self, machines: Mapping[str, bool], *, switched: Callable[[str], None] = lambda _: None
    ) -> None:
        self.on = dict(machines)
        self.broken: set[str] = set()
        self.full = False
        """Whether no room is left for another machine."""
        self.reasons: tuple[str, ...] = ()
        """Why no machine can be made, however much room is left."""
        self.specs: dict[str, MachineSpec] = {}
        """Of what was deployed here."""
        self._switched = switched

    async def segment(self, switch: str, vlan: int) -> str:
        return f"{switch}-vlan{vlan}"

    async def trunk(self, switch: str, vlans: Sequence[int]) -> str:
        return f"{switch}-trunk-{'-'.join(map(str, vlans))}"

    async def preflight(self, spec: MachineSpec) -> Sequence[str]:
        room = too_full("it", left=0, needed=int(self.full), in_place=spec.in_place, instead="wait")
        return (*self.reasons, *room)

    async def find(self, owner_id: str) -> Machine | None:
        if owner_id not in self.on:
            return None
        return Machine(owner_id=owner_id, name=owner_id, powered_on=self.on[owner_id])

    async def deploy(self, spec: MachineSpec, progress: Progress) -> Machine:
        self.on.setdefault(spec.owner_id, False)
        self.specs[spec.owner_id] = spec
        return Machine(owner_id=spec.owner_id, name=spec.name, powered_on=self.on[spec.owner_id])

    async def power(self, owner_id: str, *, on: bool, grace: float) -> None:
        if owner_id in self.broken:
            raise HypervisorError(f"power of {owner_id}: no host has enough memory")
        self.on[owner_id] = on
        self._switched(f"{'on' if on else 'off'} {owner_id}")

    async def destroy(self, owner_id: str) -> None:
        self.on.pop(owner_id, None)
