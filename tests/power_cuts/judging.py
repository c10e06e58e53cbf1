"""Whether a disk, as a power cut left it, boots, keeps what was promised, and can be repaired.

Read twice: as the boot loader finds it, damaged as it may be, and after the repair that precedes each mount.
"""

from __future__ import annotations

import hashlib
import subprocess
from dataclasses import dataclass
from pathlib import Path

from causeway_agent.slots import loader
from causeway_agent.slots.disk import ENTRIES
from causeway_wire import codec
from causeway_wire.problem import ProblemError
from causeway_wire.update import Manifest, Slot
from causeway_wire.update_file import INITRD, LINUX

REPAIRED = {0, 1}
"""fsck.fat(8): nothing to do, or mended."""


@dataclass(frozen=True, slots=True)
class Found:
    """What is on an EFI system partition."""

    entry: loader.Entry | None
    """Starts next."""
    whole: frozenset[Slot]
    """Slots whose kernel and initramfs are those of their manifests."""


def complaints(disk: Path, step: str) -> list[str]:
    """What is wrong with this disk after a cut in this step; the disk is repaired."""
    wrong = [f"as found: {why}" for why in broken_promises(look(disk), step)]
    mended = subprocess.run(["fsck.fat", "-a", disk], check=False, capture_output=True, text=True)
    again = subprocess.run(["fsck.fat", "-n", disk], check=False, capture_output=True, text=True)
    if mended.returncode not in REPAIRED or again.returncode:
        wrong.append(f"not repaired: {mended.stdout} {again.stdout}")
    return wrong + [f"once repaired: {why}" for why in broken_promises(look(disk), step)]


def broken_promises(found: Found, step: str) -> list[str]:
    """What must hold, by the step that was cut: some whole system starts, and the one that was promised."""
    if found.entry is None:
        return ["no system starts"]
    starts, wrong = found.entry.slot, []
    if starts not in found.whole:
        wrong.append(f"slot {starts} starts and is not whole")
    word, _, name = step.rpartition(" ")
    if name and starts is not Slot(name) and word in {"activated", "bless", "blessed"}:
        wrong.append(f"slot {starts} starts, not {name}")
    if name and starts is Slot(name) and word == "receive":
        wrong.append(f"slot {starts} starts, which is being written")
    if word == "blessed" and found.entry.left is not None:
        wrong.append(f"the blessing of slot {name} is lost")
    return wrong


def look(disk: Path) -> Found:
    """Read it without the kernel; file by file, as a boot loader does, which minds no damage elsewhere."""
    listed = _tool(disk, "mdir", "-b", f"::/{ENTRIES}/").decode("utf-8", "replace").splitlines()
    names = sorted(line.rpartition("/")[2] for line in listed)
    entries = [loader.parse(name, _tool(disk, "mtype", f"::/{ENTRIES}/{name}")) for name in names]
    return Found(
        entry=loader.first(entry for entry in entries if entry is not None),
        whole=frozenset(slot for slot in Slot if _whole(disk, slot)),
    )


def _whole(disk: Path, slot: Slot) -> bool:
    def content(name: str) -> bytes:
        return _tool(disk, "mtype", f"::/causeway/{slot}/{name}")

    try:
        members = codec.decode(content("manifest.json"), Manifest).members
    except ProblemError:
        return False
    parts = ((LINUX, members.linux), (INITRD, members.initrd))
    return all(hashlib.sha256(content(name)).hexdigest() == member.sha256 for name, member in parts)


def _tool(disk: Path, program: str, *words: str) -> bytes:
    """What one of mtools prints, nothing where it fails."""
    command: list[str | Path] = [program, *words[:-1], "-i", disk, words[-1]]
    return subprocess.run(command, check=False, capture_output=True, stdin=subprocess.DEVNULL).stdout
