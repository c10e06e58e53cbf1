"""Takes the chance out of disk files: identifiers that qemu-img draws for every file become fixed ones.

VHDX: MS-VHDX 2.2.2 (headers), 2.3 (log), 2.6.2.4 (virtual disk identifier). qcow2 files hold nothing of the
kind.
"""

from __future__ import annotations

import struct
from pathlib import Path

FILE_ID = bytes.fromhex("5c0a7e6a0d154d8e9c4f0000000000f1")
DISK_ID = bytes.fromhex("5c0a7e6a0d154d8e9c4f0000000000f2")

_HEADERS = (64 << 10, 128 << 10)
_HEADER_OCTETS = 4096
_LOG_ID = slice(48, 64)
_LOG_PLACE = 68
"""Offset in a header of the log's length (32 bits) and place (64 bits)."""
_REGIONS = 192 << 10
_REGION_ROW = 32
# GUIDs as they lie in the file, their first three fields little-endian
_METADATA_REGION = bytes.fromhex("06a27c8b90479a4bb8fe575f050f886e")
_DISK_ID_ITEM = bytes.fromhex("ab12cabee6b2234593efc309e000c746")


class UnexpectedFormatError(ValueError):
    """The file is not what qemu-img writes."""


def vhdx(path: Path) -> None:
    """Give the VHDX fixed identifiers and an empty log; its log must have been played."""
    with path.open("r+b") as file:
        headers = []
        for place in _HEADERS:
            file.seek(place)
            headers.append(bytearray(file.read(_HEADER_OCTETS)))
        newest = max(range(2), key=lambda index: int(struct.unpack_from("<Q", headers[index], 8)[0]))
        if any(header[:4] != b"head" for header in headers) or any(headers[newest][_LOG_ID]):
            raise UnexpectedFormatError(f"{path}: no two headers with a played log")
        for index, (place, header) in enumerate(zip(_HEADERS, headers, strict=True)):
            struct.pack_into("<Q", header, 8, 2 if index == newest else 1)
            header[16:48] = FILE_ID * 2
            header[_LOG_ID] = bytes(16)
            header[4:8] = bytes(4)
            header[4:8] = struct.pack("<I", crc32c(bytes(header)))
            file.seek(place)
            file.write(header)
        length, log = struct.unpack_from("<IQ", headers[newest], _LOG_PLACE)
        file.seek(log)
        file.write(bytes(length))
        file.seek(_REGIONS)
        metadata = _place(file.read(64 << 10), _METADATA_REGION, 16, _REGION_ROW, "<Q")
        file.seek(metadata)
        item = _place(file.read(64 << 10), _DISK_ID_ITEM, 32, _REGION_ROW, "<I")
        file.seek(metadata + item)
        file.write(DISK_ID)


def _place(table: bytes, name: bytes, first: int, row: int, form: str) -> int:
    """The offset that a table of rows, each a GUID and an offset, gives for a name."""
    for start in range(first, len(table) - row, row):
        if table[start : start + 16] == name:
            return int(struct.unpack_from(form, table, start + 16)[0])
    raise UnexpectedFormatError(f"no row {name.hex()} in a table of the file")


def crc32c(data: bytes) -> int:
    """CRC-32C (Castagnoli, RFC 3720 appendix B.4)."""
    register = 0xFFFFFFFF
    for octet in data:
        register ^= octet
        for _ in range(8):
            register = (register >> 1) ^ (0x82F63B78 if register & 1 else 0)
    return register ^ 0xFFFFFFFF
