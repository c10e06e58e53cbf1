"""The appliance's image, kept once in a pool; the host itself copies each appliance's disk of it. Blocking.

It is a volume `causeway-image-SHA256-ATTEMPT` of the image's octets, the first four of which are zero:
so it is no qcow2, which libvirt would not copy but write anew, unpacked; and nothing starts from half a copy.
What says that it is whole is a volume of no octets, whose name is the same and the time when the first was
last written into; libvirt cannot rename. One that is not whole, or was written into since, is never copied.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, BinaryIO, Final

from causeway_controller.hypervisors import digests
from causeway_controller.hypervisors.base import HypervisorError
from causeway_controller.hypervisors.libvirt import binding, volumes

PREFIX: Final = "causeway-image-"
MAGIC: Final = b"QFI\xfb"
"""What a qcow2 begins with."""


def find(pool: Any, image: Path) -> Any:
    """Return the volume that is this image, whole and as it was sent; None where there is none."""
    size, digest, there = image.stat().st_size, digests.sha256(image), _there(pool)
    for name in reversed(there):  # all controllers take the same
        volume = there[name]
        with contextlib.suppress(binding.load().libvirtError):  # somebody removes it
            if _digest(name) == digest and _mark(volume) in there and volumes.octets(volume) == size:
                return volume
    return None


def send(connection: Any, pool: Any, image: Path, attempt: str, sent: Callable[[int], None]) -> Any:
    """Return the image as a new volume of this attempt. `sent` is as of `volumes.fill`.

    Raises HypervisorError when not all arrived, or the file is another one meanwhile.
    """
    digest, size = digests.sha256(image), image.stat().st_size
    volume = volumes.create(pool, f"{PREFIX}{digest}-{attempt}")
    with image.open("rb") as file:
        source = _Unmarked(file)
        volumes.fill(connection, volume, source, size, sent)
    if source.digest.hexdigest() != digest:
        raise HypervisorError(f"{image} was changed while it was sent; repeat it")
    volumes.create(pool, _mark(volume))
    return volume


def copy(connection: Any, pool: Any, kept: Any, name: str) -> Any:
    """Return a new volume with all octets of the image, copied by the host; None where that is gone now.

    Raises HypervisorError when it lacks some.
    """
    libvirt = binding.load()
    try:
        volume = pool.createXMLFrom(volumes.described(name), kept)
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_NO_STORAGE_VOL:
            return None
        raise
    volumes.overwrite(connection, volume, MAGIC)
    if volumes.beginning(connection, volume, len(MAGIC)) != MAGIC:
        raise HypervisorError(
            f"the host did not write the beginning of volume {name}; look at its pool's storage, and repeat"
        )
    return volume


def take_back(pool: Any, attempt: str) -> None:
    """Delete the image of this attempt, unless it is whole."""
    there = _there(pool)
    for name, volume in there.items():
        if name.endswith(f"-{attempt}") and not _is_whole(name, there):
            volume.delete()


def remove_others(pool: Any, image: Path, now: float) -> None:
    """Delete all images but this one that were sent, or given up, long before `now` (as `volumes.written`).

    Another controller may have sent the same one, too: of these all controllers leave the first. What is
    being copied stays.
    """
    libvirt = binding.load()
    kept, there = find(pool, image), _there(pool)
    mine = None if kept is None else kept.name()
    for name, volume in there.items():
        with contextlib.suppress(libvirt.libvirtError):
            if mine is not None and name.startswith(mine):
                continue
            again = mine is not None and _digest(name) == _digest(mine) and _is_whole(name, there)
            if again or volumes.written(volume) < now - volumes.ABANDONED_SECONDS:
                volume.delete()


def remove_unneeded(pool: Any) -> None:
    """Delete all images, if no appliance has a volume in this pool."""
    libvirt = binding.load()
    ours = [volume.name() for volume in pool.listAllVolumes() if volume.name().startswith(volumes.OURS)]
    if all(name.startswith(PREFIX) for name in ours):
        for volume in _there(pool).values():
            with contextlib.suppress(libvirt.libvirtError):
                volume.delete()


def _there(pool: Any) -> dict[str, Any]:
    """Volumes of images by name, each mark before what it says to be whole."""
    found = {volume.name(): volume for volume in pool.listAllVolumes() if volume.name().startswith(PREFIX)}
    return dict(sorted(found.items(), reverse=True))


def _digest(name: str) -> str:
    return name.removeprefix(PREFIX).partition("-")[0]


def _is_whole(name: str, there: Iterable[str]) -> bool:
    """Whether it is marked, or a mark."""
    return "." in name or any(other.startswith(f"{name}.") for other in there)


def _mark(volume: Any) -> str:
    """The name of what says that the volume is whole, if nobody writes into it any more."""
    return f"{volume.name()}.{volumes.when(volume)}"


class _Unmarked:
    """A file whose first octets are read as zeros; its digest is that of what is in it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._begun = False
        self.digest = hashlib.sha256()

    def read(self, most: int) -> bytes:
        """The next octets, at most so many, at least four at first."""
        piece = self._file.read(most)
        self.digest.update(piece)
        if not self._begun:
            self._begun = True
            piece = bytes(len(MAGIC)) + piece[len(MAGIC) :]
        return piece
