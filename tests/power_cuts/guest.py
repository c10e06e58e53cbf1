"""Runs as the first program of a small machine: the image's kernel, its drivers, its Python and its updates.

The host puts `GIVEN`, what is to be done, in front of this text. Each disk of `esps` is an EFI system
partition; on each one both slots are updated, to and fro, and blessed. Everything is done as the image's own
units do it: checked, mounted, written. What came of it is told on the console.

Before and after each step a marker goes to the same disk, behind the file system, and so into the host's log
of what was written.
"""

from __future__ import annotations

import mmap
import os
import re
import signal
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

from causeway_agent.slots import installing, loader
from causeway_agent.slots.archive import Archive
from causeway_agent.slots.disk import ENTRIES
from causeway_agent.slots.installing import Here
from causeway_agent.slots.machine import ESP, PARTITIONS
from causeway_agent.slots.medium import Medium
from causeway_wire.update import Activation, Slot

GIVEN: dict[str, Any] = {}
UNITS = Path("/etc/systemd/system")
ROOTS = Path("/run/roots")


def main() -> None:
    """Do all that was given, then switch the machine off."""
    # The initramfs hands over the one of its own; systemd would set this.
    os.environ["PATH"] = "/usr/sbin:/usr/bin"
    try:
        for name in ("vfat", "nls_ascii", "nls_cp437"):
            subprocess.run(["modprobe", name], check=False)
        for mount in ("proc", "sysfs"):
            place = {"proc": "/proc", "sysfs": "/sys"}[mount]
            if not os.path.ismount(place):
                subprocess.run(["mount", "-t", mount, mount, place], check=True)
        if not os.path.ismount("/run"):
            subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
        ROOTS.mkdir()
        for number, device in enumerate(GIVEN["esps"]):
            told(f"RESULT {number} {attempt(device)}")
        told("END")
    except BaseException:  # noqa: BLE001 - nobody is above to see it
        told(traceback.format_exc())
    finally:
        os.sync()
        Path("/proc/sysrq-trigger").write_text("o")
        while True:
            signal.pause()


def attempt(device: str) -> str:
    """Update both slots on this disk, whatever state it is in; what went wrong, or `good`."""
    try:
        check(device)
        options = setting("efi.mount", "Options")
        subprocess.run(["mount", "-t", "vfat", "-o", options, device, ESP], check=True)
        try:
            to_and_fro(device)
        finally:
            subprocess.run(["umount", ESP], check=True)
    except Exception as error:  # noqa: BLE001 - whatever it is, the next disk has its turn
        return " ".join(f"{type(error).__name__}: {error}".split())
    return "good"


def check(device: str) -> None:
    """What the unit that checks the partition does; nothing where the image has none."""
    unit = "causeway-esp-check.service"
    if not (UNITS / unit).exists():
        return
    words = setting(unit, "ExecStart").split()
    finished = subprocess.run([*words[:-1], device], check=False, capture_output=True, text=True)
    if finished.returncode not in {0, int(setting(unit, "SuccessExitStatus"))}:
        raise RuntimeError(f"{words[0]} says {finished.returncode}: {finished.stdout} {finished.stderr}")


def setting(unit: str, name: str) -> str:
    """The value of this setting in one of the image's units."""
    found = re.search(rf"^{name}=(.*)$", (UNITS / unit).read_text(), re.MULTILINE)
    assert found is not None, f"{unit} has no {name}"
    return found[1]


def to_and_fro(device: str) -> None:
    """From the slot that the boot loader would start now into the other one, and from there back."""
    roots = {slot: ROOTS / slot for slot in Slot}
    for root in roots.values():
        root.write_bytes(b"")
        os.truncate(root, GIVEN["root_octets"])
    disk = Medium(ESP, roots)
    for update in GIVEN["updates"]:
        entry = loader.first(installing._entries(disk))
        if entry is None:
            raise RuntimeError("no entry starts")
        update_to(disk, device, entry, update)


def update_to(disk: Medium, device: str, running: loader.Entry, update: dict[str, Any]) -> None:
    """Receive, activate, start it as the boot loader does, bless."""
    here = Here(running=running.slot, architecture="x86_64", machine_id="0" * 32, partitions=PARTITIONS)
    slot = running.slot.other
    if running.left is not None:
        mark(device, f"bless {running.slot}")
        installing.bless(disk, here)
    mark(device, f"receive {slot}")
    with Path(GIVEN["updates_device"]).open("rb") as file:
        file.seek(update["place"])
        archive = Archive(file.read, octets=update["octets"])
        installing.receive(disk, here, archive, update["sha256"], verify=lambda _manifest, _signature: None)
    mark(device, f"activate {slot}")
    installing.activate(disk, here, Activation(build=update["build"], tries=2))
    mark(device, f"activated {slot}")
    counted = ESP / ENTRIES / f"{slot}+2.conf"
    counted.rename(counted.with_name(f"{slot}+1-1.conf"))
    os.sync()
    settle(counted.parent)
    there = Here(running=slot, architecture="x86_64", machine_id="0" * 32, partitions=PARTITIONS)
    mark(device, f"bless {slot}")
    installing.bless(disk, there)
    mark(device, f"blessed {slot}")
    status = installing.status(disk, there)
    if (status.next, status.report(slot).build) != (slot, update["build"]):
        raise RuntimeError(f"after the update {status}")


def mark(device: str, words: str) -> None:
    """Behind the file system, where nobody else writes. Directly: no flush of the disk goes with it."""
    told(f"{words} on {device}")
    descriptor = os.open(device, os.O_WRONLY | os.O_DIRECT)
    try:
        with mmap.mmap(-1, mmap.PAGESIZE) as page:  # where direct writes are aligned
            page.write(words.encode())
            os.pwrite(descriptor, page, GIVEN["marker"])
    finally:
        os.close(descriptor)


def settle(directory: Path) -> None:
    """The disk writes down what it was given."""
    descriptor = os.open(directory, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def told(line: str) -> None:
    """One line for the host."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
