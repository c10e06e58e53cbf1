"""`hypervisors.base.Provider` on a vCenter or an ESXi host."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from causeway_controller.contract.provider import Host
from causeway_controller.hypervisors.attempts import POWER_SECONDS, ByAttempts
from causeway_controller.hypervisors.base import (
    HypervisorError,
    Inspection,
    MachineSpec,
    Progress,
)
from causeway_controller.hypervisors.findings import too_full
from causeway_controller.hypervisors.uploads import Upload
from causeway_controller.hypervisors.vsphere import deployment, inspection, machines, networks, ova
from causeway_controller.hypervisors.vsphere import place as places
from causeway_controller.hypervisors.vsphere.ova import Ova
from causeway_controller.hypervisors.vsphere.session import Session
from causeway_controller.hypervisors.vsphere.upload import Endpoint
from causeway_controller.inventory.host_needs import HostNeeds

_MADE_SECONDS: Final = 300.0


class VsphereProvider(ByAttempts[Any, places.Place]):
    """Appliances in one folder and resource pool. Other VMs are only powered, by their ids.

    An attempt is an import of the OVA under a name of its own. What is asked is the service instance.
    """

    def __init__(self, *, host: Host, session: Session, endpoint: Endpoint, image: Path) -> None:
        """`image`: the appliance's OVA, only read."""
        super().__init__(host, session, machines, deployment)
        self._endpoint = endpoint
        self._image = image

    async def segment(self, switch: str, vlan: int) -> str:
        """The id of this VLAN's port group, made when there was none."""
        return await self._session.ask(lambda service: networks.segment(self._place(service), switch, vlan))

    async def trunk(self, switch: str, vlans: Sequence[int]) -> str:
        """The id of the port group that passes these VLANs, tagged, and no other."""
        return await self._session.ask(lambda service: networks.trunk(self._place(service), switch, vlans))

    async def inspect(self, needs: HostNeeds) -> Inspection:
        """Compare the host with what is needed of it."""

        def look(service: Any) -> Inspection:
            found = tuple(inspection.findings(service, self._host, needs, self._image))
            return Inspection(findings=found, clock=service.CurrentTime())

        return await self._session.ask(look)

    async def image(self) -> Path:
        """The appliance's OVA, once it was seen to be one."""
        await asyncio.to_thread(ova.read, self._image)
        return self._image

    async def preflight(self, spec: MachineSpec) -> Sequence[str]:
        """Reasons why this machine cannot be deployed here; empty when it can."""
        try:
            image = await asyncio.to_thread(ova.read, self._image)
        except HypervisorError as error:
            return (str(error),)
        reasons = await self._session.ask(lambda service: self._reasons(service, spec, image))
        return tuple(f"host {self._host.id}: {reason}" for reason in reasons)

    async def destroy(self, owner_id: str) -> None:
        """Power off and remove, with its port groups where nobody else is plugged in."""
        await self._session.ask(lambda service: self._remove(service, owner_id), seconds=POWER_SECONDS)

    async def sweep(self, owner_id: str, segments: Sequence[str]) -> Sequence[str]:
        """Remove the machine, attempts to make it and these port groups; what is still there."""
        return await self._session.ask(
            lambda service: self._swept(service, owner_id, segments), seconds=POWER_SECONDS
        )

    def _place(self, service: Any) -> places.Place:
        return places.find(service, self._host)

    def _reasons(self, service: Any, spec: MachineSpec, image: Ova) -> list[str]:
        try:
            place = self._place(service)
        except HypervisorError as error:
            return [str(error)]
        reasons = [why for _, why in networks.missing(place, spec.nics)]
        left = int(place.datastore.summary.freeSpace)
        reasons += too_full(
            f"datastore {place.datastore.name}",
            left=left,
            needed=image.capacity,
            in_place=spec.in_place,
            instead="name another datastore",
        )
        return reasons

    async def _make(self, spec: MachineSpec, attempt: str, progress: Progress) -> None:
        image = await asyncio.to_thread(ova.read, self._image)
        upload = Upload(self._host.id, image.octets, progress)

        def work(service: Any) -> None:
            upload.waits("make the machine", _MADE_SECONDS)
            place = self._place(service)
            deployment.remove_abandoned(place, spec.owner_id, all_of_them=False)
            with upload.taking_back(lambda: deployment.take_back(place, spec.owner_id, attempt)):
                deployment.make(place, spec, image, endpoint=self._endpoint, attempt=attempt, watch=upload)

        await upload.through(self._session.ask(work, seconds=None, again=False))

    def _remove(self, service: Any, owner_id: str) -> None:
        place = self._place(service)
        deployment.remove_abandoned(place, owner_id, all_of_them=True)
        vm = machines.ours(place, owner_id)
        if vm is None:
            return
        used = frozenset(machines.port_groups(vm))
        deployment.remove(place, vm)
        networks.remove_unused(place, used)

    def _swept(self, service: Any, owner_id: str, segments: Sequence[str]) -> list[str]:
        self._remove(service, owner_id)
        place = self._place(service)
        networks.remove_unused(place, segments)
        left = [f"VM {one.name}" for one in machines.attempts(place, owner_id)]
        if machines.ours(place, owner_id) is not None:
            left.append(f"VM {owner_id}")
        return [*left, *(f"port group {name}" for name in networks.unused(place, segments))]
