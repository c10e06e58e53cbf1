"""An appliance's volumes in a pool: its seed on a disc, and its disk, of the image that the host keeps."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Final

from causeway_controller.hypervisors import seed_image
from causeway_controller.hypervisors.base import MachineSpec, Progress
from causeway_controller.hypervisors.libvirt import domain, images, volumes
from causeway_controller.hypervisors.libvirt.session import Attempt
from causeway_controller.hypervisors.uploads import Upload

_COPY_SECONDS: Final = 600.0
"""For a host that copies the image."""


class Disks:
    """Makes the volumes of attempts in one pool of one host."""

    def __init__(self, *, host: str, pool: str, image: Path) -> None:
        self._host = host
        self._pool = pool
        self._image = image
        self._sending = asyncio.Lock()

    async def make(self, asking: Attempt, spec: MachineSpec, attempt: str, progress: Progress) -> None:
        """Make them. Ends when nothing moves any more, and when it is cancelled. Raises HypervisorError."""
        await asking.ask(lambda connection: self._begin(connection, spec, attempt), again=False)
        if await self._kept(asking, spec, attempt, progress):
            progress("copying the disk", 0.9)
            work = asking.ask(
                lambda connection: self._copied(connection, spec, attempt),
                seconds=_COPY_SECONDS,
                again=False,
            )
            if await work:
                return
        upload = await self._upload(progress)
        await upload.through(
            asking.ask(
                lambda connection: self._send(connection, spec, attempt, upload), seconds=None, again=False
            )
        )

    def take_back(self, connection: Any, owner_id: str, attempt: str, kept: frozenset[str]) -> None:
        """Delete what there is of an attempt but volumes at the paths `kept`.

        An image that is whole stays, for the appliances that are there.
        """
        pool = volumes.pool(connection, self._pool)
        volumes.remove(pool, volumes.prefix(domain.identity(owner_id)) + attempt, kept)
        images.take_back(pool, attempt)
        images.remove_unneeded(pool)

    async def _kept(self, asking: Attempt, spec: MachineSpec, attempt: str, progress: Progress) -> bool:
        """Whether the host keeps the image; it is sent where there is room, for one appliance at a time."""
        another = self._sending.locked()
        async with self._sending:
            if await asking.ask(lambda connection: self._find(connection) is not None):
                return True
            if another or not await asking.ask(lambda connection: self._has_room(connection, spec)):
                # Who waited for another in vain does not have the next one wait for him.
                return False
            upload = await self._upload(progress)
            await upload.through(
                asking.ask(
                    lambda connection: images.send(
                        connection,
                        volumes.pool(connection, self._pool),
                        self._image,
                        attempt,
                        upload.sent,
                    ),
                    seconds=None,
                    again=False,
                )
            )
            return True

    async def _upload(self, progress: Progress) -> Upload:
        total = await asyncio.to_thread(lambda: self._image.stat().st_size)
        return Upload(self._host, total, progress)

    def _begin(self, connection: Any, spec: MachineSpec, attempt: str) -> None:
        """Make the disc, before all else: while an appliance has a volume there, nobody removes the image.

        One without a seed goes when the domain is made, which does not have it.
        """
        pool, identity = volumes.pool(connection, self._pool), domain.identity(spec.owner_id)
        disc = volumes.create(pool, disc_of(identity, attempt))
        volumes.remove_abandoned(pool, identity, volumes.written(disc))
        if spec.seed:
            volumes.fill_with(connection, disc, seed_image.iso(spec.seed))

    def _find(self, connection: Any) -> Any:
        return images.find(volumes.pool(connection, self._pool), self._image)

    def _has_room(self, connection: Any, spec: MachineSpec) -> bool:
        """Whether there is any for the image beside all that the disk may grow to."""
        needed = volumes.disk_size(self._image) + self._image.stat().st_size + len(seed_image.iso(spec.seed))
        return volumes.available(volumes.pool(connection, self._pool)) >= needed

    def _copied(self, connection: Any, spec: MachineSpec, attempt: str) -> bool:
        """Have the host copy the image; whether it was still there."""
        kept = self._find(connection)
        if kept is None:
            return False
        pool = volumes.pool(connection, self._pool, refresh=False)
        disk = images.copy(connection, pool, kept, disk_of(domain.identity(spec.owner_id), attempt))
        if disk is None:
            return False
        images.remove_others(pool, self._image, volumes.written(disk))
        return True

    def _send(self, connection: Any, spec: MachineSpec, attempt: str, upload: Upload) -> None:
        pool = volumes.pool(connection, self._pool)
        disk = volumes.create(pool, disk_of(domain.identity(spec.owner_id), attempt))
        images.remove_others(pool, self._image, volumes.written(disk))
        with self._image.open("rb") as file:
            volumes.fill(connection, disk, file, self._image.stat().st_size, upload.sent)


def disk_of(identity: str, attempt: str) -> str:
    """Return what the attempt's disk is called."""
    return f"{volumes.prefix(identity)}{attempt}.qcow2"


def disc_of(identity: str, attempt: str) -> str:
    """The same of its seed."""
    return f"{volumes.prefix(identity)}{attempt}.iso"
