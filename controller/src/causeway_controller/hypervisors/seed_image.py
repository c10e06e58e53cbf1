"""The seed of an appliance to be deployed, and the ISO 9660 image that carries it on any hypervisor.

The image is the smallest that ECMA-119 allows (level 2, since the name is longer than 8.3): two descriptors,
two path tables, one directory, one file. The same seed always makes the same octets: nothing in it is dated.
"""

from __future__ import annotations

import struct

from causeway_wire import seed
from causeway_wire.seed import Seed

SECTOR = 2048
_IDENTIFIER = f"{seed.FILE.upper()};1".encode("ascii")
_PRIMARY, _TERMINATOR, _LITTLE_TABLE, _BIG_TABLE, _ROOT, _DATA = 16, 17, 18, 19, 20, 21
"""Sectors; those before 16 are for whoever boots from it."""
_DIRECTORY = 0x02
_UNDATED, _UNDATED_TEXT = bytes(7), b"0" * 16 + b"\0"  # ECMA-119, 9.1.5 and 8.4.26.1: not specified


def encode(envelope: Seed) -> bytes:
    """The seed as its appliance reads it; raises ProblemError when it would refuse it unread."""
    return seed.encode(envelope)


def iso(data: bytes) -> bytes:
    """An image labelled CAUSEWAY whose only file, `SEED.JSON`, has this content.

    Linux shows it as `seed.json`. Attach it to an IDE or SCSI drive.
    """
    sectors = _DATA + _sectors(len(data))
    root = _record(b"\0", _ROOT, SECTOR, flags=_DIRECTORY)
    parent = _record(b"\1", _ROOT, SECTOR, flags=_DIRECTORY)
    return b"".join(
        (
            bytes(_PRIMARY * SECTOR),
            _sector(_primary(sectors, root)),
            _sector(bytes([255]) + b"CD001\1"),
            _sector(struct.pack("<BBIH2s", 1, 0, _ROOT, 1, b"")),
            _sector(struct.pack(">BBIH2s", 1, 0, _ROOT, 1, b"")),
            _sector(root + parent + _record(_IDENTIFIER, _DATA, len(data), flags=0)),
            data.ljust(_sectors(len(data)) * SECTOR, b"\0"),
        )
    )


def _primary(sectors: int, root: bytes) -> bytes:
    """The primary volume descriptor (8.4)."""
    return b"".join(
        (
            b"\1CD001\1\0",
            b" " * 32,
            seed.LABEL.encode("ascii").ljust(32),
            bytes(8),
            _both(sectors),
            bytes(32),
            _both_short(1),
            _both_short(1),
            _both_short(SECTOR),
            _both(10),  # octets of a path table with the root alone
            struct.pack("<II", _LITTLE_TABLE, 0),
            struct.pack(">II", _BIG_TABLE, 0),
            root,
            b" " * (4 * 128 + 3 * 37),
            _UNDATED_TEXT * 4,
            b"\1",
        )
    )


def _record(identifier: bytes, sector: int, length: int, *, flags: int) -> bytes:
    """A directory record (9.1), padded to an even length."""
    body = b"".join(
        (
            _both(sector),
            _both(length),
            _UNDATED,
            bytes([flags, 0, 0]),
            _both_short(1),
            bytes([len(identifier)]),
            identifier,
        )
    )
    size = 2 + len(body) + len(body) % 2
    return bytes([size, 0]) + body.ljust(size - 2, b"\0")


def _both(number: int) -> bytes:
    """A number in both byte orders (7.3.3)."""
    return struct.pack("<I", number) + struct.pack(">I", number)


def _both_short(number: int) -> bytes:
    """The same of 16 bits (7.2.3)."""
    return struct.pack("<H", number) + struct.pack(">H", number)


def _sectors(octets: int) -> int:
    return max(1, -(-octets // SECTOR))


def _sector(content: bytes) -> bytes:
    return content.ljust(SECTOR, b"\0")
