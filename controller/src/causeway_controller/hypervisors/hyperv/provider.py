"""`hypervisors.base.Provider` on a Hyper-V host."""

from __future__ import annotations

import functools
import secrets
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

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
from causeway_controller.hypervisors.hyperv import deployment, inspection, machines, networks, vhdx
from causeway_controller.hypervisors.hyperv import place as places
from causeway_controller.hypervisors.hyperv.binding import Login
from causeway_controller.hypervisors.hyperv.session import Session
from causeway_controller.hypervisors.uploads import Upload
from causeway_controller.inventory import hyperv_names
from causeway_controller.inventory.host_needs import HostNeeds

_POWER_SECONDS: Final = 150.0


class HypervProvider:
    """Appliances in one folder of one host. Other VMs are only powered, by their ids."""

    def __init__(self, *, host: Host, session: Session, image: Path) -> None:
        """`image`: the appliance's VHDX, only read."""
        self._host = host
        self._session = session
        self._image = image

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

    async def vms(self) -> Sequence[FoundVm]:
        """All VMs of the host that the login sees."""
        return await self._session.ask(lambda login: tuple(machines.vms(self._place(login))))

    async def preflight(self, spec: MachineSpec) -> Sequence[str]:
        """Reasons why this machine cannot be deployed here; empty when it can."""
        try:
            capacity = vhdx.capacity(self._image)
        except HypervisorError as error:
            return (str(error),)
        reasons = await self._session.ask(lambda login: self._reasons(login, spec, capacity))
        return tuple(f"host {self._host.id}: {reason}" for reason in reasons)

    async def find(self, owner_id: str) -> Machine | None:
        """The machine with this owner id, or the VM with this id."""
        return await self._session.ask(lambda login: machines.find(self._place(login), owner_id))

    async def deploy(self, spec: MachineSpec, progress: Progress) -> Machine:
        """Make a VM in a folder of this attempt; it is the machine once its claim has the name."""
        if (known := await self.find(spec.owner_id)) is not None:
            await self._session.ask(lambda login: self._tidy(login, spec.owner_id))
            return known
        if reasons := await self.preflight(spec):
            raise HypervisorError(f"cannot deploy {spec.name}: {'; '.join(reasons)}")
        attempt = secrets.token_hex(4)
        try:
            await self._make(spec, attempt, progress)
            await self._session.ask(lambda login: self._commit(login, spec, attempt))
        finally:
            # Also of who was second: what he made is not needed.
            await self._take_back(spec.owner_id, attempt)
        await self._session.ask(lambda login: self._tidy(login, spec.owner_id))
        found = await self.find(spec.owner_id)
        if found is None:
            raise HypervisorError(f"host {self._host.id}: {spec.name} was removed while it was deployed")
        progress("deployed", 1.0)
        return found

    async def power(self, owner_id: str, *, on: bool, grace: float) -> None:
        """Power on or off; asked to shut down first, and cut after `grace` seconds."""
        if not on and grace > 0:
            deadline = time.monotonic() + grace
            await self._session.ask(lambda login: machines.ask_to_stop(self._place(login), owner_id))
            if await uploads.stopped(functools.partial(self.find, owner_id), deadline):
                return
        await self._session.ask(
            lambda login: machines.power(self._place(login), owner_id, on=on), seconds=_POWER_SECONDS
        )

    async def destroy(self, owner_id: str) -> None:
        """Power off and remove, with its files."""
        await self._session.ask(
            lambda login: deployment.remove(self._place(login), owner_id), seconds=_POWER_SECONDS
        )

    async def close(self) -> None:
        """Log out: a user has so many shells and no more, and an idle one is kept for ten minutes."""
        await self._session.close()

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
        reasons = list(networks.missing(networks.switches(login), spec.nics))
        if left < capacity:
            reasons.append(
                f"{self._host.storage.id} has {left >> 20} MiB left, and an appliance's disk may grow to "
                f"{-(-capacity >> 20)} MiB; make room, or name another directory"
            )
        return reasons

    async def _make(self, spec: MachineSpec, attempt: str, progress: Progress) -> None:
        """The VM of this attempt. Ends when nothing moves any more, and when it is cancelled."""
        upload = Upload(self._host.id, self._image.stat().st_size, progress)

        def work(login: Login) -> None:
            place = self._place(login)
            deployment.settle(place, spec.owner_id)
            deployment.remove_abandoned(place, spec.owner_id, all_of_them=False)
            deployment.make(place, spec, self._image, attempt=attempt, upload=upload)

        await upload.through(self._session.ask(work, seconds=None, again=False))

    def _commit(self, login: Login, spec: MachineSpec, attempt: str) -> None:
        place = self._place(login)
        if machines.ours(place, spec.owner_id) is None:
            deployment.commit(place, spec, attempt)

    def _tidy(self, login: Login, owner_id: str) -> None:
        """Finish what a killed controller did not: the machine's name, and others' attempts."""
        place = self._place(login)
        deployment.settle(place, owner_id)
        deployment.remove_abandoned(place, owner_id, all_of_them=True)

    async def _take_back(self, owner_id: str, attempt: str) -> None:
        """Delete what is left of an attempt, if the host still listens."""
        await uploads.taken_back(
            lambda: self._session.ask(
                lambda login: deployment.take_back(self._place(login), owner_id, attempt)
            )
        )
