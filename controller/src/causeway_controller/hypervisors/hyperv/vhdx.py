"""The appliance's VHDX (MS-VHDX): whether it is one, and how large its disk may grow. Only read."""

from __future__ import annotations

import struct
import uuid
from pathlib import Path
from typing import BinaryIO, Final

from causeway_controller import system_words
from causeway_controller.hypervisors.base import HypervisorError

_SIGNATURE: Final = b"vhdxfile"
_REGIONS: Final = (192 << 10, 256 << 10)
"""Where the two copies of the region table are (2.2)."""
_METADATA: Final = uuid.UUID("8b7ca206-4790-4b9a-b8fe-575f050f886e").bytes_le
_DISK_SIZE: Final = uuid.UUID("2fa54224-cd1b-4876-b211-5dbed83bf4b8").bytes_le
_TABLE: Final = 64 << 10
_HEAD: Final = struct.Struct("<4s4xI4x")
_REGION: Final = struct.Struct("<16sQII")
_METADATA_HEAD: Final = struct.Struct("<8s2xH20x")
_ITEM: Final = struct.Struct("<16sIII4x")


def capacity(path: Path) -> int:
    """Return how many octets the image's disk has. Raises HypervisorError for what is no VHDX."""
    hint = (
        "the appliance's VHDX stands beside the file of the setting appliances.image, with the ending .vhdx"
    )
    try:
        with path.open("rb") as file:
            if file.read(len(_SIGNATURE)) != _SIGNATURE:
                raise HypervisorError(f"{path} is no VHDX; {hint}")
            return _disk_size(file)
    except OSError as error:
        raise HypervisorError(
            f"the appliance's image cannot be read ({system_words.why(error)}); {hint}"
        ) from error
    except (struct.error, ValueError) as error:
        raise HypervisorError(f"{path} is a damaged VHDX; fetch it again, and verify it") from error


def _disk_size(file: BinaryIO) -> int:
    for place in _REGIONS:
        file.seek(place)
        table = file.read(_TABLE)
        signature, count = _HEAD.unpack_from(table)
        if signature == b"regi":
            break
    else:
        raise ValueError("there is no region table")
    for number in range(count):
        kind, offset, _, _ = _REGION.unpack_from(table, _HEAD.size + number * _REGION.size)
        if kind == _METADATA:
            return _item(file, offset)
    raise ValueError("there is no metadata region")


def _item(file: BinaryIO, metadata: int) -> int:
    file.seek(metadata)
    table = file.read(_TABLE)
    signature, count = _METADATA_HEAD.unpack_from(table)
    if signature != b"metadata":
        raise ValueError("there is no metadata table")
    for number in range(count):
        kind, offset, _, _ = _ITEM.unpack_from(table, _METADATA_HEAD.size + number * _ITEM.size)
        if kind == _DISK_SIZE:
            file.seek(metadata + offset)
            return int(struct.unpack("<Q", file.read(8))[0])
    raise ValueError("the disk's size is not said")
