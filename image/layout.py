"""What is where on the disk. No effects.

All identifiers are fixed: the same inputs give the same bytes. They are equal on every appliance, as on every
copy of a virtual disk; nothing but the appliance itself looks for them.
"""

from __future__ import annotations

from dataclasses import dataclass

SECTOR = 512
MIB = 1 << 20

# UEFI specification 5.3.3, Discoverable Partitions Specification
TYPE_ESP = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
TYPE_ROOT_X86_64 = "4f68bce3-e8cd-4db1-96e7-fbcaf984b709"
TYPE_LINUX = "0fc63daf-8483-4772-8e79-3d69d8477de4"

DISK_UUID = "5c0a7e6a-0d15-4d8e-9c4f-000000000000"
ESP_VOLUME_ID = "CA05E0A7"
"""FAT serial number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """One partition; `uuid` names it in GPT, `file_system` what is in it."""

    name: str
    type: str
    mebibytes: int
    uuid: str
    file_system: str = ""


ESP = Partition(name="esp", type=TYPE_ESP, mebibytes=128, uuid="5c0a7e6a-0d15-4d8e-9c4f-000000000001")
ROOT_A = Partition(
    name="root-a", type=TYPE_ROOT_X86_64, mebibytes=512, uuid="5c0a7e6a-0d15-4d8e-9c4f-00000000000a"
)
ROOT_B = Partition(
    name="root-b", type=TYPE_ROOT_X86_64, mebibytes=512, uuid="5c0a7e6a-0d15-4d8e-9c4f-00000000000b"
)
STATE = Partition(
    name="state",
    type=TYPE_LINUX,
    mebibytes=512,
    uuid="5c0a7e6a-0d15-4d8e-9c4f-00000000000c",
    file_system="5c0a7e6a-0d15-4d8e-9c4f-0000000000fc",
)
PARTITIONS = (ESP, ROOT_A, ROOT_B, STATE)
"""In the order of the disk. Slot B is empty until an update writes it."""


def starts() -> dict[str, int]:
    """First MiB of each partition; the first MiB of the disk holds the partition table."""
    found = {}
    position = 1
    for partition in PARTITIONS:
        found[partition.name] = position
        position += partition.mebibytes
    return found


def disk_mebibytes() -> int:
    """Size of the whole disk, with a last MiB for the second partition table."""
    return 1 + sum(partition.mebibytes for partition in PARTITIONS) + 1


def genimage_config(*, disk: str, images: dict[str, str]) -> str:
    """Input of genimage(1): the partition table, and the partitions that have content by name."""
    parts = []
    for partition in PARTITIONS:
        content = f'    image = "{images[partition.name]}"\n' if partition.name in images else ""
        # `bootable` sets bit 2 of a GPT attribute, legacy BIOS bootable: syslinux's gptmbr.bin looks for it.
        boot = "    bootable = true\n" if partition is ESP else ""
        parts.append(
            f"  partition {partition.name} {{\n{content}{boot}"
            f'    partition-type-uuid = "{partition.type}"\n'
            f'    partition-uuid = "{partition.uuid}"\n'
            f"    offset = {starts()[partition.name]}M\n"
            f"    size = {partition.mebibytes}M\n  }}\n"
        )
    head = f'image {disk} {{\n  size = {disk_mebibytes()}M\n  hdimage {{\n    partition-table-type = "gpt"\n'
    return f'{head}    disk-uuid = "{DISK_UUID}"\n  }}\n{"".join(parts)}}}\n'
