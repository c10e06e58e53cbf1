"""Reads what QEMU's `blklogwrites` driver logs: each write and flush that a guest asked for, in order.

The format is that of Linux' dm-log-writes (Documentation/admin-guide/device-mapper/log-writes.rst): a sector
that describes the log, then for each entry a sector that describes it and its data.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SECTOR = 512
MAGIC = 0x6A736677736872
_SUPER, _ENTRY = struct.Struct("<QQQI"), struct.Struct("<QQQQ")
_FLUSH, _FUA, _DISCARD = 1, 2, 4


@dataclass(frozen=True, slots=True)
class Entry:
    """One request; `data` is empty for a flush alone."""

    place: int
    """Octets from the disk's beginning."""
    data: bytes
    flush: bool
    """Whether everything before it is on the medium for good."""


def read(path: Path) -> Iterator[Entry]:
    """Every entry; raises ValueError for another file."""
    with path.open("rb") as log:
        magic, version, count, sector = _SUPER.unpack_from(log.read(SECTOR))
        if (magic, version, sector) != (MAGIC, 1, SECTOR):
            raise ValueError(f"{path} is no log of writes")
        for _ in range(count):
            place, sectors, flags, _length = _ENTRY.unpack_from(log.read(SECTOR))
            octets = sectors * SECTOR
            if flags & _DISCARD:
                # What is discarded may read as anything; zeros are what QEMU's files give.
                yield Entry(place * SECTOR, bytes(octets), flush=False)
                continue
            yield Entry(place * SECTOR, log.read(octets), flush=bool(flags & (_FLUSH | _FUA)))
