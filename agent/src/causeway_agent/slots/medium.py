"""The real disk: a mounted EFI system partition and the block devices of the root partitions.

FAT has no journal, and Linux writes size and place of a renamed file in its own good time: fsync(2) of the
directory leaves a name without content on the medium, and the name before is gone. So whatever changes a
directory is over only when the whole file system is written and the disk has said so (`_settle`).
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import BinaryIO

from causeway_agent.slots.disk import NoRoomError
from causeway_wire.update import Slot

BESIDE = ".new"
BLKZEROOUT = 0x127F
"""linux/fs.h: these octets read as zeros from now on, given back to the hypervisor where it takes them."""
_BLOCK = 1024 * 1024
_ZEROS = bytes(_BLOCK)


class Medium:
    """Implements `disk.Disk`."""

    def __init__(self, esp: Path, roots: Mapping[Slot, Path]) -> None:
        """`roots`: block devices, or for tests files of their size."""
        self._esp, self._roots = esp, roots

    def names(self, directory: str) -> tuple[str, ...]:
        try:
            return tuple(sorted(path.name for path in (self._esp / directory).iterdir()))
        except FileNotFoundError:
            return ()

    def read(self, path: str) -> bytes | None:
        try:
            return (self._esp / path).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, path: str, content: Iterable[bytes]) -> None:
        target = self._esp / path
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = target.with_name(target.name + BESIDE)
        try:
            with beside.open("wb") as file:
                for piece in content:
                    file.write(piece)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(target)
        except OSError as error:
            beside.unlink(missing_ok=True)
            if error.errno == errno.ENOSPC:
                raise NoRoomError(f"there is no room for {path} on the EFI system partition") from error
            raise
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
        _settle(target.parent)

    def delete(self, path: str) -> None:
        target = self._esp / path
        for each in (target, target.with_name(target.name + BESIDE)):
            each.unlink(missing_ok=True)
        if target.parent.is_dir():
            _settle(target.parent)

    def digest(self, path: str) -> str:
        return self._digest(self._esp / path, None)

    def room(self) -> int:
        found = os.statvfs(self._esp)
        return found.f_bavail * found.f_frsize

    def size(self, path: str) -> int:
        try:
            return (self._esp / path).stat().st_size
        except FileNotFoundError:
            return 0

    def fill(self, slot: Slot, content: Iterable[bytes]) -> None:
        with self._opened(slot) as device:
            size = _size(device)
            _zero(device, size)
            place = 0
            for piece in content:
                if place + len(piece) > size:
                    raise NoRoomError(f"the root file system does not fit into slot {slot}")
                for start in range(0, len(piece), _BLOCK):
                    part = piece[start : start + _BLOCK]
                    if part != _ZEROS[: len(part)]:
                        os.pwrite(device.fileno(), part, place + start)
                place += len(piece)
            os.fsync(device.fileno())

    def root_digest(self, slot: Slot, octets: int) -> str:
        return self._digest(self._roots[slot], octets)

    def root_octets(self, slot: Slot) -> int:
        with self._roots[slot].open("rb") as device:
            return _size(device)

    def _opened(self, slot: Slot) -> BinaryIO:
        """The root partition, for us alone: the kernel refuses one that is mounted (open(2), O_EXCL)."""
        descriptor = os.open(self._roots[slot], os.O_RDWR | os.O_EXCL | os.O_CLOEXEC)
        return os.fdopen(descriptor, "r+b", buffering=0)

    @staticmethod
    def _digest(path: Path, octets: int | None) -> str:
        found = hashlib.sha256()
        with path.open("rb", buffering=0) as file:
            # What is in memory is dropped first: it would only show what was meant to be written.
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            left = _size(file) if octets is None else octets
            while left and (piece := file.read(min(left, _BLOCK))):
                found.update(piece)
                left -= len(piece)
        return found.hexdigest()


def _size(file: BinaryIO) -> int:
    size = os.lseek(file.fileno(), 0, os.SEEK_END)
    os.lseek(file.fileno(), 0, os.SEEK_SET)
    return size


def _zero(device: BinaryIO, size: int) -> None:
    if stat.S_ISBLK(os.fstat(device.fileno()).st_mode):
        fcntl.ioctl(device.fileno(), BLKZEROOUT, struct.pack("QQ", 0, size))
    else:
        os.truncate(device.fileno(), 0)
        os.truncate(device.fileno(), size)


def _settle(directory: Path) -> None:
    """Return when every change to its file system would survive a power cut.

    sync(2) hands everything to the disk, sizes and chains of clusters included, but FAT does not ask the disk
    to empty its cache then; fsync(2) does (fs/fat/file.c, fat_file_fsync).
    """
    os.sync()
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
