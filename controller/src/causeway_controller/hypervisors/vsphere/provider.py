"""`hypervisors.base.Provider` on a vCenter or an ESXi host."""

from __future__ import annotations

import asyncio
import functools
import secrets
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from causeway_controller.contract.provider import Host
from causeway_controller.hypervisors import uploads
from causeway_controller.hypervisors.base import (
    FoundVm,
    HypervisorError,
    Inspection,
    Machine,
    MachineSpec,
    Progress,
)
from causeway_controller.hypervisors.uploads import Upload
from causeway_controller.hypervisors.vsphere import deployment, inspection, machines, networks, ova
from causeway_controller.hypervisors.vsphere import place as places
from causeway_controller.hypervisors.vsphere.ova import Ova
from causeway_controller.hypervisors.vsphere.session import Session
from causeway_controller.hypervisors.vsphere.upload import Endpoint
from causeway_controller.inventory.host_needs import HostNeeds

_POWER_SECONDS: Final = 150.0
_MADE_SECONDS: Final = 300.0


class VsphereProvider:
    """Appliances in one folder and resource pool. Other VMs are only powered, by their ids."""

    def __init__(self, *, host: Host, session: Session, endpoint: Endpoint, image: Path) -> None:
        """`image`: the appliance's OVA, only read."""
        self._host = host
        self._session = session
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

    async def vms(self) -> Sequence[FoundVm]:
        """All VMs of the datacenter that the login sees."""
        return await self._session.ask(lambda service: tuple(machines.vms(self._place(service))))

    async def preflight(self, spec: MachineSpec) -> Sequence[str]:
        """Reasons why this machine cannot be deployed here; empty when it can."""
        try:
            image = await asyncio.to_thread(ova.read, self._image)
        except HypervisorError as error:
            return (str(error),)
        reasons = await self._session.ask(lambda service: self._reasons(service, spec, image))
        return tuple(f"host {self._host.id}: {reason}" for reason in reasons)

    async def find(self, owner_id: str) -> Machine | None:
        """The machine with this owner id, or the VM with this instance UUID or id."""
        return await self._session.ask(lambda service: machines.find(self._place(service), owner_id))

    async def deploy(self, spec: MachineSpec, progress: Progress) -> Machine:
        """Import the OVA under a name of this attempt; it has its own once it is whole."""
        if (known := await self.find(spec.owner_id)) is not None:
            await self._session.ask(lambda service: self._tidy(service, spec.owner_id))
            return known
        if reasons := await self.preflight(spec):
            raise HypervisorError(f"cannot deploy {spec.name}: {'; '.join(reasons)}")
        image = await asyncio.to_thread(ova.read, self._image)
        attempt = secrets.token_hex(4)
        try:
            await self._import(spec, image, attempt, progress)
            await self._session.ask(lambda service: self._commit(service, spec, attempt))
        finally:
            # Also of who was second: what he made is not needed.
            await self._take_back(spec.owner_id, attempt)
        await self._session.ask(lambda service: self._tidy(service, spec.owner_id))
        found = await self.find(spec.owner_id)
        if found is None:
            raise HypervisorError(f"host {self._host.id}: {spec.name} was removed while it was deployed")
        progress("deployed", 1.0)
        return found

    async def power(self, owner_id: str, *, on: bool, grace: float) -> None:
        """Power on or off; asked to shut down first, and cut after `grace` seconds."""
        if not on and grace > 0:
            deadline = time.monotonic() + grace
            await self._session.ask(lambda service: machines.ask_to_stop(self._place(service), owner_id))
            if await uploads.stopped(functools.partial(self.find, owner_id), deadline):
                return
        await self._session.ask(
            lambda service: machines.power(self._place(service), owner_id, on=on), seconds=_POWER_SECONDS
        )

    async def destroy(self, owner_id: str) -> None:
        """Power off and remove, with its port groups where nobody else is plugged in."""
        await self._session.ask(lambda service: self._remove(service, owner_id), seconds=_POWER_SECONDS)

    async def sweep(self, owner_id: str, segments: Sequence[str]) -> Sequence[str]:
        """Remove the machine, attempts to make it and these port groups; what is still there."""
        return await self._session.ask(
            lambda service: self._swept(service, owner_id, segments), seconds=_POWER_SECONDS
        )

    async def close(self) -> None:
        """Log out: a vCenter has so many logins and no more, and keeps an idle one for half an hour."""
        await self._session.close()

    def _place(self, service: Any) -> places.Place:
        return places.find(service, self._host)

    def _reasons(self, service: Any, spec: MachineSpec, image: Ova) -> list[str]:
        try:
            place = self._place(service)
        except HypervisorError as error:
            return [str(error)]
        reasons = list(networks.missing(place, spec.nics))
        left = int(place.datastore.summary.freeSpace)
        if left < image.capacity:
            reasons.append(
                f"datastore {place.datastore.name} has {left >> 20} MiB left, and an appliance's disk "
                f"may grow to {-(-image.capacity >> 20)} MiB; make room, or name another datastore"
            )
        return reasons

    async def _import(self, spec: MachineSpec, image: Ova, attempt: str, progress: Progress) -> None:
        """The VM of this attempt. Ends when nothing moves any more, and when it is cancelled."""
        upload = Upload(self._host.id, image.octets, progress)

        def work(service: Any) -> None:
            upload.waits("make the machine", _MADE_SECONDS)
            place = self._place(service)
            deployment.remove_abandoned(place, spec.owner_id, all_of_them=False)
            deployment.make(place, spec, image, endpoint=self._endpoint, attempt=attempt, watch=upload)

        await upload.through(self._session.ask(work, seconds=None, again=False))

    def _commit(self, service: Any, spec: MachineSpec, attempt: str) -> None:
        place = self._place(service)
        if machines.ours(place, spec.owner_id) is None:
            deployment.commit(place, spec, attempt)

    def _tidy(self, service: Any, owner_id: str) -> None:
        """Finish what a killed controller did not: the second mark of the machine, and others' attempts."""
        place = self._place(service)
        deployment.settle(place, owner_id)
        deployment.remove_abandoned(place, owner_id, all_of_them=True)

    async def _take_back(self, owner_id: str, attempt: str) -> None:
        """Delete what is left of an attempt, if the host still listens."""
        await uploads.taken_back(
            lambda: self._session.ask(
                lambda service: deployment.take_back(self._place(service), owner_id, attempt)
            )
        )

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
