"""A byte changed on the root partition does not run: the disk as it ships, its kernel, its initramfs."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from image import boot, layout, verity
from image.layout import MIB, ROOT_A
from image.subject import Subject
from tests.power_cuts import small_machine
from tests.power_cuts.small_machine import Image

pytestmark = pytest.mark.booted

READ_ALL = "init=/usr/bin/dd -- if=/dev/dm-0 of=/dev/null bs=1M"
"""The first program reads every block of the root file system and says how many octets it read."""
SECONDS = 300.0
WRONG = "dm-verity device corrupted"


@dataclass(frozen=True, slots=True)
class Small:
    """What starts, and where its system lies."""

    image: Image
    work: Path
    blocks: int

    def says(self, place: int | None = None) -> str:
        """The console of a start with the octet of the slot at `place` changed; as it shipped without one."""
        disk = self.work / "disk.qcow2"
        base = ("-b", self.image.disk, "-F", self.image.format)
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *base, disk], check=True)
        if place is not None:
            at = layout.starts()[ROOT_A.name] * MIB + place
            change = f"write -q -P {octet(disk, at) ^ 1} {at} 1"
            subprocess.run(["qemu-io", "-f", "qcow2", "-c", change, disk], check=True)
        words = f"{small_machine.options(self.image)} panic=-1 console=ttyS0 {READ_ALL}"
        command: list[str | Path] = [
            "qemu-system-x86_64",
            *boot.choose("auto").options,
            # one processor: with two, an emulated kernel that patches itself can trap in its own change
            *("-machine", "q35", "-smp", "1", "-m", "256", "-no-reboot", "-nic", "none"),
            *("-display", "none", "-monitor", "none", "-serial", "stdio"),
            *("-kernel", self.image.kernel, "-initrd", self.image.initrd, "-append", words),
            *("-drive", f"file={disk},format=qcow2,if=virtio"),
        ]
        finished = subprocess.run(
            command, check=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=SECONDS
        )
        return finished.stdout.decode(errors="replace")


@pytest.fixture(scope="module")
def small(machine: Subject, tmp_path_factory: pytest.TempPathFactory) -> Small:
    work = tmp_path_factory.mktemp("verified")
    image = small_machine.open_image(machine.disk.resolve(), work)
    option = re.search(rf"{verity.OPTION}=(\d+):", small_machine.options(image))
    assert option is not None
    return Small(image, work, int(option[1]))


def octet(disk: Path, at: int) -> int:
    """The one at this place."""
    said = subprocess.run(
        ["qemu-io", "-r", "-f", "qcow2", "-c", f"read -v {at} 1", disk],
        check=True,
        capture_output=True,
        text=True,
    )
    found = re.match(r"[0-9a-f]+:\s+([0-9a-f]{2}) ", said.stdout)
    assert found is not None, said.stdout
    return int(found[1], 16)


def test_the_system_as_it_shipped_can_be_read_whole(small: Small) -> None:
    said = small.says()
    assert f"{small.blocks * verity.BLOCK} bytes" in said
    assert WRONG not in said


@pytest.mark.parametrize("where", ["a file", "the hash tree"])
def test_a_changed_byte_does_not_run(small: Small, where: str) -> None:
    places = {
        "a file": small.blocks * verity.BLOCK // 2,
        # behind its highest block, the first of those that cover the data
        "the hash tree": (small.blocks + 1) * verity.BLOCK,
    }
    said = small.says(places[where])
    assert WRONG in said
    assert "bytes" not in said.rpartition(WRONG)[2]
