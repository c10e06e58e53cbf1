"""Which slot this machine runs, and where its partitions are."""

from __future__ import annotations

import os
import platform
import stat
from collections.abc import Mapping
from pathlib import Path

from causeway_agent.slots.installing import Here
from causeway_wire.problem import ProblemError, ProblemType, problem
from causeway_wire.update import Slot

ESP = Path("/efi")
PARTITIONS = {
    Slot.A: "5c0a7e6a-0d15-4d8e-9c4f-00000000000a",
    Slot.B: "5c0a7e6a-0d15-4d8e-9c4f-00000000000b",
}
"""GPT identifiers, as the image's builder lays them out."""


def look(root: Path = Path("/")) -> tuple[Here, Mapping[Slot, Path]]:
    """This machine and the block devices of its slots; raises ProblemError where it has none.

    `root`: where `dev`, `sys` and `etc` are.
    """
    if not (root / "sys/firmware/efi").exists():
        detail = "it was started by BIOS, whose boot loader counts no tries; deploy a new appliance instead"
        raise _unsupported(detail)
    try:
        devices = {
            slot: (root / "dev/disk/by-partuuid" / name).resolve(strict=True)
            for slot, name in PARTITIONS.items()
        }
    except OSError as error:
        raise _unsupported("its disk has no two slots") from error
    # Another appliance's disk, plugged in beside ours, has the same identifiers.
    if len({_disk(root, device) for device in devices.values()}) != 1:
        raise _unsupported("its slots are on two disks; unplug the one that is not its own")
    running = _running(root, devices)
    here = Here(
        running=running,
        architecture=platform.machine(),
        machine_id=(root / "etc/machine-id").read_text().strip(),
        partitions=PARTITIONS,
    )
    return here, devices


def _running(root: Path, devices: Mapping[Slot, Path]) -> Slot:
    carriers = _carriers(root)
    for slot, device in devices.items():
        if _number(device) in carriers:
            return slot
    raise _unsupported("it runs from neither of its slots")


def _carriers(root: Path) -> set[int]:
    """Numbers of the devices that the root file system is on: its own, and where dm-verity maps that, the one
    below (sysfs: `slaves` of a mapped device).
    """
    number = _number(root)
    below = root / f"sys/dev/block/{os.major(number)}:{os.minor(number)}/slaves"
    words = [(path / "dev").read_text().split(":") for path in below.glob("*")]
    return {number, *(os.makedev(int(major), int(minor)) for major, minor in words)}


def _number(path: Path) -> int:
    """Of a block device, or of the one that a directory is on."""
    found = path.stat()
    return found.st_rdev if stat.S_ISBLK(found.st_mode) else found.st_dev


def _disk(root: Path, device: Path) -> Path:
    """The disk that a partition is on (sysfs: a partition lies below its disk)."""
    return (root / "sys/class/block" / device.name).resolve().parent


def _unsupported(detail: str) -> ProblemError:
    return ProblemError(problem(ProblemType.UPDATE_UNSUPPORTED, detail))
