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
_PRIMARY, _SUPPLEMENTARY, _TERMINATOR = 1, 2, 255
_MAGIC = b"CD001"
_LABEL = slice(40, 72)
_ESCAPES = slice(88, 91)
_JOLIET = (b"%/@", b"%/C", b"%/E")
"""Joliet's escape sequences: names of this descriptor are UCS-2, big-endian (Joliet Specification, 1995)."""
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


def contains(read: Read, name: str) -> bool:
    """Tell whether this is an ISO 9660 image with an entry of this name, case ignored. Raises OSError."""
    return _find(read, name) is not None


def file(read: Read, name: str, *, limit: int) -> bytes:
    """The file of this name, case ignored; at most one octet more than `limit`.

    Raises DamagedError or OSError.
    """
    descriptor = _primary(read)
    if descriptor is None:
        raise DamagedError("it is no ISO 9660 image")
    if int.from_bytes(descriptor[_BLOCK_SIZE], "little") != SECTOR:
        raise DamagedError(f"its blocks are not of {SECTOR} octets")
    found = _find(read, name)
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
    return next((each for each in _descriptors(read) if each[0] == _PRIMARY), None)


def _descriptors(read: Read) -> Iterator[bytes]:
    """The volume descriptors (8), up to the terminator."""
    for number in range(_DESCRIPTORS, _DESCRIPTORS + _MOST_DESCRIPTORS):
        sector = read(number * SECTOR, SECTOR)
        if len(sector) != SECTOR or sector[1:6] != _MAGIC or sector[0] == _TERMINATOR:
            return
        yield sector


def _find(read: Read, name: str) -> _Extent | None:
    """Where the file of this name is, by the primary descriptor's directory or else by Joliet's."""
    # An identifier has letters, digits and "_" (7.4.1): without an extension, "-" was written so.
    wanted = {name.lower(), name.lower().replace("-", "_")}
    for descriptor in _descriptors(read):
        joliet = descriptor[0] == _SUPPLEMENTARY and descriptor[_ESCAPES] in _JOLIET
        known = joliet or descriptor[0] == _PRIMARY
        if not known or int.from_bytes(descriptor[_BLOCK_SIZE], "little") != SECTOR:
            continue
        for each, extent in _entries(read, _extent(descriptor[_ROOT]), joliet=joliet):
            if each in wanted:
                return extent
    return None


def _entries(read: Read, directory: _Extent, *, joliet: bool) -> Iterator[tuple[str, _Extent]]:
    """Names in lower case and where the files are; a file with two names comes twice."""
    for start in range(0, min(directory.length, _DIRECTORY_LIMIT), SECTOR):
        sector = read(directory.sector * SECTOR + start, SECTOR)
        at = 0
        # A record does not cross a sector's end; what is left of the sector is zero (6.8.1.1).
        while at + _RECORD_HEAD < len(sector) and sector[at] > _RECORD_HEAD:
            record = sector[at : at + sector[at]]
            for name in _names(record, "utf-16-be" if joliet else "ascii"):
                yield name, _extent(record)
            at += sector[at]


def _names(record: bytes, encoding: str) -> Iterator[str]:
    """The identifier without its version (7.5.1), and Rock Ridge's alternate name: programs that make images
    shorten the identifier to 8.3 characters by default (RRIP 1.12, 4.1.4; SUSP 1.12, 4).
    """
    length = record[_RECORD_HEAD - 1]
    identifier = record[_RECORD_HEAD : _RECORD_HEAD + length]
    yield _text(identifier, encoding).partition(";")[0].rstrip(".")
    # The identifier is padded so that what follows begins at an even offset.
    entries = record[_RECORD_HEAD + length + (1 - length % 2) :]
    while len(entries) >= _ENTRY_HEAD and _ENTRY_HEAD <= entries[2] <= len(entries):
        if entries[:2] == b"NM":
            yield _text(entries[_ENTRY_HEAD + 1 : entries[2]], "ascii")
        entries = entries[entries[2] :]


def _text(octets: bytes, encoding: str) -> str:
    return octets.decode(encoding, errors="replace").lower()


def _extent(record: bytes) -> _Extent:
    return _Extent(int.from_bytes(record[2:6], "little"), int.from_bytes(record[10:14], "little"), record[25])
