"""Block devices, read as they are: nothing is mounted."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

BLOCK = Path("/sys/block")
DEVICES = Path("/dev")
_NEVER = ("loop", "ram", "zram", "dm-", "md", "nbd")
"""Devices that stand for something else, and compressed memory."""
_EMPTY = {errno.ENOMEDIUM, errno.ENXIO, errno.ENOENT}
# linux/cdrom.h
_EJECT, _DRIVE_STATUS, _LOCK_DOOR = 0x5309, 0x5326, 0x5329
_CURRENT_SLOT = 0x7FFFFFFF
_NO_DISC, _TRAY_OPEN, _NOT_READY = 1, 2, 3


@dataclass(frozen=True, slots=True)
class Disk:
    """A disk or an optical drive."""

    path: Path

    @contextlib.contextmanager
    def opened(self) -> Iterator[Disk.Reader]:
        """Raises OSError. Not blocking means that a drive's tray is left alone (cdrom documentation)."""
        descriptor = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            _require_medium(descriptor)
            yield Disk.Reader(descriptor)
        finally:
            os.close(descriptor)

    def eject(self) -> bool:
        """Put the medium out; False when this is no drive that does so, or it does not want to."""
        try:
            with self.opened() as reader:
                fcntl.ioctl(reader.descriptor, _LOCK_DOOR, 0)
                fcntl.ioctl(reader.descriptor, _EJECT)
        except OSError:
            return False
        return True

    @dataclass(frozen=True, slots=True)
    class Reader:
        """An opened disk."""

        descriptor: int

        def read(self, offset: int, length: int) -> bytes:
            """Octets there, fewer at the end. Raises OSError."""
            parts = []
            while length > 0 and (part := os.pread(self.descriptor, length, offset)):
                parts.append(part)
                offset += len(part)
                length -= len(part)
            return b"".join(parts)


def disks(block: Path = BLOCK, devices: Path = DEVICES) -> tuple[Disk, ...]:
    """Disks that may be read, optical drives first."""
    try:
        names = [path.name for path in block.iterdir() if not path.name.startswith(_NEVER)]
    except OSError:
        return ()
    names.sort(key=lambda name: (not name.startswith("sr"), name))
    return tuple(Disk(devices / name.replace("!", "/")) for name in names)


def _require_medium(descriptor: int) -> None:
    """Raises OSError when this is a drive with nothing in it: reading would fill the kernel's log."""
    try:
        status = fcntl.ioctl(descriptor, _DRIVE_STATUS, _CURRENT_SLOT)
    except OSError:
        return
    if status in {_NO_DISC, _TRAY_OPEN, _NOT_READY}:
        raise OSError(errno.ENOMEDIUM, os.strerror(errno.ENOMEDIUM))


def is_empty(error: OSError) -> bool:
    """Whether the error means that there is no medium or no device any more."""
    return error.errno in _EMPTY
