"""`hypervisors.base.Provider` on a libvirt host."""

from __future__ import annotations

import asyncio
import functools
import secrets
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from causeway_controller.hypervisors import seed_image, uploads
from causeway_controller.hypervisors.base import (
    FoundVm,
    HypervisorError,
    Inspection,
    Machine,
    MachineSpec,
    Progress,
)
from causeway_controller.hypervisors.findings import too_full
from causeway_controller.hypervisors.libvirt import (
    disks,
    domain,
    emulator,
    images,
    inspection,
    machines,
    segments,
    volumes,
)
from causeway_controller.hypervisors.libvirt.disks import Disks
from causeway_controller.hypervisors.libvirt.domain import Hardware
from causeway_controller.hypervisors.libvirt.session import Attempt, Session
from causeway_controller.inventory import libvirt_names
from causeway_controller.inventory.host_needs import HostNeeds

_POWER_SECONDS: Final = 90.0


class LibvirtProvider:
    """Appliances in one pool of one host. Others' domains are only powered, by their UUID."""

    def __init__(
        self, *, host: str, session: Session, pool: str, image: Path, hardware: Hardware | None = None
    ) -> None:
        """`image`: the appliance's qcow2, only read."""
        self._host = host
        self._session = session
        self._pool = pool
        self._image = image
        self._hardware = hardware or Hardware()
        self._disks = Disks(host=host, pool=pool, image=image)

    async def segment(self, switch: str, vlan: int) -> str:
        """The segment of this VLAN. It is the administrator's, and is looked for by `preflight`."""
        try:
            return libvirt_names.segment_of(switch, vlan)
        except ValueError as error:
            raise HypervisorError(f"host {self._host}: {error}") from error

    async def image(self) -> Path:
        """The appliance's qcow2, once it was seen to be one."""
        await asyncio.to_thread(volumes.disk_size, self._image)
        return self._image

    async def preflight(self, spec: MachineSpec) -> Sequence[str]:
        """Reasons why this machine cannot be deployed here; empty when it can."""
        try:
            needed = await asyncio.to_thread(volumes.disk_size, self._image)
        except HypervisorError as error:
            return (str(error),)
        reasons = await self._session.ask(lambda connection: self._reasons(connection, spec, needed))
        return tuple(f"host {self._host}: {reason}" for reason in reasons)

    async def inspect(self, needs: HostNeeds) -> Inspection:
        """Compare the host with what is needed of it. It does not tell its time."""
        found = await self._session.ask(
            lambda connection: tuple(
                inspection.findings(connection, needs, pool=self._pool, image=self._image)
            )
        )
        return Inspection(findings=found)

    async def vms(self) -> Sequence[FoundVm]:
        """All domains of the host."""
        return await self._session.ask(lambda connection: tuple(inspection.vms(connection)))

    async def find(self, owner_id: str) -> Machine | None:
        """The machine with this owner id, or the domain with this UUID."""
        return await self._session.ask(lambda connection: machines.find(connection, owner_id))

    async def deploy(self, spec: MachineSpec, progress: Progress) -> Machine:
        """Seed disc and disk, then the domain: it is there whole, or not at all."""
        if (known := await self.find(spec.owner_id)) is not None:
            await self._session.ask(
                lambda connection: self._tidy(connection, volumes.pool(connection, self._pool), spec.owner_id)
            )
            return known
        if reasons := await self.preflight(spec):
            raise HypervisorError(f"cannot deploy {spec.name}: {'; '.join(reasons)}")
        attempt = secrets.token_hex(4)
        take_back = functools.partial(self._take_back, owner_id=spec.owner_id, attempt=attempt)
        asking = Attempt(self._session, take_back)
        try:
            await self._disks.make(asking, spec, attempt, progress)
            machine = await asking.ask(
                lambda connection: self._define(connection, spec, attempt), seconds=_POWER_SECONDS
            )
        except BaseException:
            asking.give_up()
            # If the host still listens.
            await uploads.taken_back(lambda: self._session.ask(take_back))
            raise
        progress("deployed", 1.0)
        return machine

    async def power(self, owner_id: str, *, on: bool, grace: float) -> None:
        """Power on or off; asked to shut down first, and cut after `grace` seconds."""
        if on:
            await self._session.ask(
                lambda connection: machines.start(connection, owner_id), seconds=_POWER_SECONDS
            )
            return
        if grace > 0:
            deadline = time.monotonic() + grace
            await self._session.ask(lambda connection: machines.ask_to_stop(connection, owner_id))
            if await uploads.stopped(functools.partial(self.find, owner_id), deadline):
                return
        await self._session.ask(lambda connection: machines.cut(connection, owner_id), seconds=_POWER_SECONDS)

    async def destroy(self, owner_id: str) -> None:
        """Power off and remove, with its volumes and what interrupted deployments left."""
        await self._session.ask(lambda connection: self._remove(connection, owner_id), seconds=_POWER_SECONDS)

    async def sweep(self, owner_id: str, segments: Sequence[str]) -> Sequence[str]:  # noqa: ARG002
        """Remove the machine with its volumes; what is still there. Segments are the administrator's."""

        def work(connection: Any) -> list[str]:
            self._remove(connection, owner_id)
            mine = volumes.prefix(domain.identity(owner_id))
            there = volumes.pool(connection, self._pool).listAllVolumes()
            left = [f"volume {one.name()}" for one in there if one.name().startswith(mine)]
            found = machines.find(connection, owner_id)
            return left if found is None else [*left, f"domain {found.name}"]

        return await self._session.ask(work, seconds=_POWER_SECONDS)

    def _reasons(self, connection: Any, spec: MachineSpec, needed: int) -> list[str]:
        reasons = [why for _, why in segments.missing(connection, spec.nics)]
        try:
            self._machines(connection)
        except HypervisorError as error:
            reasons.append(str(error))
        try:
            left = volumes.available(volumes.pool(connection, self._pool))
        except HypervisorError as error:
            return [*reasons, str(error)]
        needed += len(seed_image.iso(spec.seed))
        reasons += too_full(
            f"pool {self._pool}",
            left=left,
            needed=needed,
            in_place=spec.in_place,
            instead="name another pool",
        )
        return reasons

    def _machines(self, connection: Any) -> Hardware:
        """What appliances are made of here. Raises HypervisorError where none can run."""
        kind = self._hardware.domain or emulator.kind(connection)
        return replace(self._hardware, domain=kind, firmware=emulator.firmware(connection, kind))

    def _define(self, connection: Any, spec: MachineSpec, attempt: str) -> Machine:
        """The domain over this attempt's volumes; or the one that another made meanwhile."""
        identity = domain.identity(spec.owner_id)
        pool = volumes.pool(connection, self._pool)
        disk = pool.storageVolLookupByName(disks.disk_of(identity, attempt)).path()
        disc = pool.storageVolLookupByName(disks.disc_of(identity, attempt)).path() if spec.seed else None
        described = domain.describe(
            spec,
            name=f"{spec.name}-{attempt}",
            hardware=self._machines(connection),
            disk=disk,
            disc=disc,
        )
        if machines.define(connection, described, spec.owner_id) and not _there(pool, attempt):
            machines.undefine(connection, spec.owner_id)
            raise HypervisorError(f"host {self._host}: somebody removed the disk of {spec.name} meanwhile")
        self._tidy(connection, pool, spec.owner_id)
        found = machines.find(connection, spec.owner_id)
        if found is None:
            raise HypervisorError(f"host {self._host}: {spec.name} was removed while it was deployed")
        return found

    def _tidy(self, connection: Any, pool: Any, owner_id: str) -> None:
        """Delete this machine's volumes but those that its domain has."""
        found = machines.ours(connection, owner_id)
        if found is not None:
            volumes.remove_others(pool, domain.identity(owner_id), frozenset(domain.disks(found.XMLDesc())))

    def _take_back(self, connection: Any, owner_id: str, attempt: str) -> None:
        """Delete what a failed attempt made."""
        found = machines.ours(connection, owner_id)
        kept = frozenset() if found is None else frozenset(domain.disks(found.XMLDesc()))
        self._disks.take_back(connection, owner_id, attempt, kept)

    def _remove(self, connection: Any, owner_id: str) -> None:
        machines.undefine(connection, owner_id)
        pool = volumes.pool(connection, self._pool)
        volumes.remove(pool, volumes.prefix(domain.identity(owner_id)))
        found = machines.ours(connection, owner_id)
        there = {volume.path() for volume in pool.listAllVolumes()}
        if found is not None and not there.issuperset(domain.disks(found.XMLDesc())):
            machines.undefine(connection, owner_id)  # it was defined meanwhile, over volumes that are gone
        images.remove_unneeded(pool)


def _there(pool: Any, attempt: str) -> bool:
    return any(volume.name().endswith(f"-{attempt}.qcow2") for volume in pool.listAllVolumes())
