"""`hypervisors.base.Provider` on a Hyper-V host."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Sequence
from pathlib import Path

from causeway_controller.contract.provider import Host
from causeway_controller.hypervisors import digests
from causeway_controller.hypervisors.attempts import POWER_SECONDS, ByAttempts
from causeway_controller.hypervisors.base import (
    HypervisorError,
    Inspection,
    MachineSpec,
    Progress,
)
from causeway_controller.hypervisors.findings import too_full
from causeway_controller.hypervisors.hyperv import deployment, images, inspection, machines, networks, vhdx
from causeway_controller.hypervisors.hyperv import place as places
from causeway_controller.hypervisors.hyperv.binding import Login
from causeway_controller.hypervisors.hyperv.session import Session
from causeway_controller.hypervisors.uploads import Upload
from causeway_controller.inventory import hyperv_names
from causeway_controller.inventory.host_needs import HostNeeds


class HypervProvider(ByAttempts[Login, places.Place]):
    """Appliances in one folder of one host. Other VMs are only powered, by their ids.

    An attempt is a VM in a folder of its own; it is the machine once its claim has the name.
    """

    def __init__(self, *, host: Host, session: Session, image: Path) -> None:
        """`image`: the appliance's VHDX, only read."""
        super().__init__(host, session, machines, deployment)
        self._image = image
        self._sending = asyncio.Lock()
        """Held by who sends the image that others then have the host copy."""

    async def segment(self, switch: str, vlan: int) -> str:
        """The access port of this VLAN. Nothing is made: it is a property of the vNIC."""
        return self._named(functools.partial(hyperv_names.segment_of, switch, vlan))

    async def trunk(self, switch: str, vlans: Sequence[int]) -> str:
        """The port that passes these VLANs, tagged, and no other."""
        return self._named(functools.partial(hyperv_names.trunk_of, switch, vlans))

    async def inspect(self, needs: HostNeeds) -> Inspection:
        """Compare the host with what is needed of it."""

        def look(login: Login) -> Inspection:
            found = tuple(inspection.findings(login, self._host, needs, self._image))
            return Inspection(findings=found, clock=deployment.clock(login))

        return await self._session.ask(look)

    async def image(self) -> Path:
        """The appliance's VHDX, once it was seen to be one."""
        await asyncio.to_thread(vhdx.capacity, self._image)
        return self._image

    async def preflight(self, spec: MachineSpec) -> Sequence[str]:
        """Reasons why this machine cannot be deployed here; empty when it can."""
        try:
            capacity = vhdx.capacity(self._image)
        except HypervisorError as error:
            return (str(error),)
        reasons = await self._session.ask(lambda login: self._reasons(login, spec, capacity))
        return tuple(f"host {self._host.id}: {reason}" for reason in reasons)

    async def destroy(self, owner_id: str) -> None:
        """Power off and remove, with its files."""
        await self._session.ask(
            lambda login: deployment.remove(self._place(login), owner_id), seconds=POWER_SECONDS
        )

    def _place(self, login: Login) -> places.Place:
        return places.find(login, self._host)

    def _named(self, name: functools.partial[str]) -> str:
        try:
            return name()
        except ValueError as error:
            raise HypervisorError(f"host {self._host.id}: {error}") from error

    def _reasons(self, login: Login, spec: MachineSpec, capacity: int) -> list[str]:
        try:
            place = self._place(login)
            left = place.folder.left(place.above)
        except HypervisorError as error:
            return [str(error)]
        reasons = [why for _, why in networks.missing(networks.switches(login), spec.nics)]
        reasons += too_full(
            self._host.storage.id,
            left=left,
            needed=capacity,
            in_place=spec.in_place,
            instead="name another directory",
        )
        return reasons

    async def _make(self, spec: MachineSpec, attempt: str, progress: Progress) -> None:
        another = self._sending.locked()
        async with self._sending:
            # Who waited for another in vain does not have the next one wait for him.
            if not another and not await self._session.ask(self._keeps):
                await self._made(spec, attempt, progress)
                return
        await self._made(spec, attempt, progress)

    async def _made(self, spec: MachineSpec, attempt: str, progress: Progress) -> None:
        size = self._image.stat().st_size
        upload = Upload(self._host.id, size, progress)

        def work(login: Login) -> None:
            place = self._place(login)
            deployment.settle(place, spec.owner_id)
            deployment.remove_abandoned(place, spec.owner_id, all_of_them=False)
            kept = place.folder.left(place.above) >= vhdx.capacity(self._image) + size
            with upload.taking_back(lambda: deployment.take_back(place, spec.owner_id, attempt)):
                deployment.make(place, spec, self._image, attempt=attempt, kept=kept, upload=upload)

        await upload.through(self._session.ask(work, seconds=None, again=False))

    def _keeps(self, login: Login) -> bool:
        return images.find(self._place(login), digests.sha256(self._image))
