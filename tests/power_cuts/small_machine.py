"""The small machine: the image's kernel and programs without firmware, service manager and network.

`guest.py` is its first program. The image's disk is not changed.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from image import boot, layout, verity
from image.layout import ESP, MIB
from tests.power_cuts import block_log
from tests.update_files import Made

MARKER = ESP.mebibytes * MIB
"""Behind the file system; disks are one MiB larger than it."""
DISKS = 16
"""Most disks of one machine: there are 32 places on its bus."""
ROOT_OCTETS = 8 * MIB
SECONDS = 900.0
_GUEST = Path(__file__).with_name("guest.py")


@dataclass(frozen=True, slots=True)
class Image:
    """What boots."""

    disk: Path
    format: str
    kernel: Path
    initrd: Path
    esp: Path
    """A disk that holds nothing but its EFI system partition."""


class SilentError(Exception):
    """The machine did not come to its end; carries its console."""


def open_image(disk: Path, work: Path) -> Image:
    """Take kernel, initramfs and EFI system partition out of the disk."""
    form = boot.FORMATS.get(disk.suffix, "raw")
    esp = work / "esp.img"
    part = f"offset={layout.starts()[ESP.name] * MIB},size={ESP.mebibytes * MIB}"
    source = f"driver=raw,{part},file.driver={form},file.file.filename={disk}"
    subprocess.run(["qemu-img", "convert", "--image-opts", "-O", "raw", source, esp], check=True)
    for name in ("linux", "initrd"):
        subprocess.run(["mcopy", "-n", "-i", esp, f"::/causeway/a/{name}", work / name], check=True)
    with esp.open("r+b") as file:
        file.truncate(MARKER + MIB)
    return Image(disk, form, work / "linux", work / "initrd", esp)


def options(image: Image) -> str:
    """Which root file system the kernel takes, as the loader entry of slot a says."""
    entry = subprocess.run(
        ["mtype", "-i", image.esp, "::/loader/entries/a.conf"], check=True, capture_output=True, text=True
    ).stdout
    words = next(line for line in entry.splitlines() if line.startswith("options ")).split()
    return " ".join(word for word in words if word.startswith(("root=", f"{verity.OPTION}="))) + " quiet"


def run(
    image: Image, work: Path, esps: Sequence[Path], updates: Sequence[Made], *, log: Path | None
) -> list[str]:
    """Update both slots on each of these disks; what came of each. The first one's writes are logged."""
    console = work / "console"
    _write_given(work, esps, updates)
    command = _command(image, work, esps, console)
    if log is not None:
        log.write_bytes(b"")
    command += _disks(esps, log)
    finished = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, timeout=SECONDS)
    said = console.read_text(errors="replace").splitlines()
    results = [line.split(" ", 2)[2] for line in said if line.startswith("RESULT ")]
    if finished.returncode or "END" not in said or len(results) != len(esps):
        raise SilentError("\n".join(said[-40:]) or "nothing on the console")
    return results


def _write_given(work: Path, esps: Sequence[Path], updates: Sequence[Made]) -> None:
    """Two disks: the program, padded with empty lines to whole sectors, and the updates, one by one."""
    place, rows = 0, []
    with (work / "updates").open("wb") as file:
        for made in updates:
            file.write(made.content.ljust(-(-len(made.content) // 512) * 512, b"\0"))
            rows.append(
                {"place": place, "octets": len(made.content), "sha256": made.sha256, "build": made.build}
            )
            place = file.tell()
    given = {
        "esps": [f"/dev/vd{chr(ord('d') + index)}" for index in range(len(esps))],
        "updates": rows,
        "updates_device": "/dev/vdc",
        "marker": MARKER,
        "root_octets": ROOT_OCTETS,
    }
    source = _GUEST.read_text().replace(
        "GIVEN: dict[str, Any] = {}\n", f"GIVEN: dict[str, Any] = {json.dumps(given)}\n", 1
    )
    text = source.encode()
    (work / "program").write_bytes(text.ljust(-(-len(text) // 512) * 512, b"\n"))


def _command(image: Image, work: Path, esps: Sequence[Path], console: Path) -> list[str | Path]:
    words = f"{options(image)} panic=-1 console=ttyS0 init=/opt/causeway/bin/python -- -B /dev/vdb"
    return [
        "qemu-system-x86_64",
        *boot.choose("auto").options,
        *("-machine", "q35", "-smp", "2", "-m", "512", "-no-reboot", "-nic", "none"),
        *("-display", "none", "-monitor", "none", "-serial", f"file:{console}"),
        *("-kernel", image.kernel, "-initrd", image.initrd, "-append", words),
        *_plugged("system", f"file={image.disk},format={image.format},snapshot=on"),
        *_plugged("program", f"file={work / 'program'},format=raw,readonly=on"),
        *_plugged("updates", f"file={work / 'updates'},format=raw,readonly=on"),
    ]


def _plugged(name: str, drive: str) -> list[str]:
    """A device of its own for each, so that they get their names in this order."""
    return ["-drive", f"{drive},if=none,id={name}", "-device", f"virtio-blk-pci,drive={name}"]


def _disks(esps: Sequence[Path], log: Path | None) -> list[str | Path]:
    words: list[str | Path] = []
    for index, esp in enumerate(esps):
        words += ["-blockdev", f"driver=file,filename={esp},node-name=file{index}"]
        kind = "driver=raw"
        if log is not None and index == 0:
            words += ["-blockdev", f"driver=file,filename={log},node-name=log"]
            kind = f"driver=blklogwrites,log=log,log-sector-size={block_log.SECTOR}"
        words += ["-blockdev", f"{kind},file=file{index},node-name=esp{index}"]
        words += ["-device", f"virtio-blk-pci,drive=esp{index}"]
    return words
