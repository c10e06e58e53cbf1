"""One file from the root directory of an ISO 9660 image (ECMA-119), read without mounting it.

A mount would need rights and bring a file system driver to whatever disk somebody attached; this needs to
read three things. Everything read is checked against bounds, because anybody may have written it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

Read = Callable[[int, int], bytes]
"""Octets at an offset, of a length; fewer at the end of the image. Raises OSError."""

SECTOR = 2048
_DESCRIPTORS = 16  # ECMA-119, 6.2.1: sectors before belong to whoever boots from it
_MOST_DESCRIPTORS = 16
_PRIMARY, _TERMINATOR = 1, 255
_MAGIC = b"CD001"
_LABEL = slice(40, 72)
_BLOCK_SIZE = slice(128, 130)
_ROOT = slice(156, 190)
_RECORD_HEAD = 33
_ENTRY_HEAD = 4
_DIRECTORY_LIMIT = 16 * SECTOR
_DIRECTORY, _CONTINUED = 0x02, 0x80


class DamagedError(Exception):
    """The image carries the label, yet the file cannot be read; the message says why."""


@dataclass(frozen=True, slots=True)
class _Extent:
    """Where a file or directory lies."""

    sector: int
    length: int
    flags: int


def label(read: Read) -> str | None:
    """The volume identifier, or None when this is no ISO 9660 image. Raises OSError."""
    descriptor = _primary(read)
    return None if descriptor is None else descriptor[_LABEL].decode("ascii", errors="replace").rstrip(" \0")


def file(read: Read, name: str, *, limit: int) -> bytes:
    """The file of this name, case ignored; at most one octet more than `limit`.

    Raises DamagedError or OSError.
    """
    descriptor = _primary(read)
    if descriptor is None:
        raise DamagedError("it is no ISO 9660 image")
    if int.from_bytes(descriptor[_BLOCK_SIZE], "little") != SECTOR:
        raise DamagedError(f"its blocks are not of {SECTOR} octets")
    root = _extent(descriptor[_ROOT])
    found = next((extent for each, extent in _entries(read, root) if each == name.lower()), None)
    if found is None:
        raise DamagedError(f"there is no file {name} on it")
    if found.flags & (_DIRECTORY | _CONTINUED):
        raise DamagedError(f"{name} is no plain file")
    wanted = min(found.length, limit + 1)
    data = read(found.sector * SECTOR, wanted)
    if len(data) != wanted:
        raise DamagedError(f"it ends in the middle of {name}: it was not copied whole")
    return data


def _primary(read: Read) -> bytes | None:
    for number in range(_DESCRIPTORS, _DESCRIPTORS + _MOST_DESCRIPTORS):
        sector = read(number * SECTOR, SECTOR)
        if len(sector) != SECTOR or sector[1:6] != _MAGIC or sector[0] == _TERMINATOR:
            return None
        if sector[0] == _PRIMARY:
            return sector
    return None


def _entries(read: Read, directory: _Extent) -> Iterator[tuple[str, _Extent]]:
    """Names in lower case and where the files are; a file with two names comes twice."""
    for start in range(0, min(directory.length, _DIRECTORY_LIMIT), SECTOR):
        sector = read(directory.sector * SECTOR + start, SECTOR)
        at = 0
        # A record does not cross a sector's end; what is left of the sector is zero (6.8.1.1).
        while at + _RECORD_HEAD < len(sector) and sector[at] > _RECORD_HEAD:
            record = sector[at : at + sector[at]]
            for name in _names(record):
                yield name, _extent(record)
            at += sector[at]


def _names(record: bytes) -> Iterator[str]:
    """The identifier without its version (7.5.1), and Rock Ridge's alternate name: programs that make images
    shorten the identifier to 8.3 characters by default (RRIP 1.12, 4.1.4; SUSP 1.12, 4).
    """
    length = record[_RECORD_HEAD - 1]
    yield _text(record[_RECORD_HEAD : _RECORD_HEAD + length]).partition(";")[0].rstrip(".")
    # The identifier is padded so that what follows begins at an even offset.
    entries = record[_RECORD_HEAD + length + (1 - length % 2) :]
    while len(entries) >= _ENTRY_HEAD and _ENTRY_HEAD <= entries[2] <= len(entries):
        if entries[:2] == b"NM":
            yield _text(entries[_ENTRY_HEAD + 1 : entries[2]])
        entries = entries[entries[2] :]


def _text(octets: bytes) -> str:
    return octets.decode("ascii", errors="replace").lower()


def _extent(record: bytes) -> _Extent:
    return _Extent(int.from_bytes(record[2:6], "little"), int.from_bytes(record[10:14], "little"), record[25])
