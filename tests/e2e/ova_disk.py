"""The disk that an OVA carries, in the format that libvirt's hosts are given."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import subprocess
import tarfile
from pathlib import Path

from causeway_controller.hypervisors.vsphere import ova
from causeway_lab.demo.claims import require

CLAIM = "What is deployed is the OVA's own disk, and the same as the qcow2 in dist"


async def taken(image: Path, directory: Path) -> Path:
    """Return the disk of the OVA beside this qcow2, converted in this directory, an empty one."""
    return await asyncio.to_thread(_taken, image.with_suffix(".ova"), directory)


async def same(image: Path, disk: Path) -> str:
    """Prove that this disk, taken out of the OVA, is the qcow2's, octet by octet."""
    return await asyncio.to_thread(_compared, image, disk)


def _taken(path: Path, directory: Path) -> Path:
    told = ova.read(path)
    disk = directory / told.disk
    with tarfile.open(path) as archive, disk.open("wb") as file:
        member = archive.extractfile(told.disk)
        assert member is not None
        shutil.copyfileobj(member, file)
    with disk.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    require(digest == told.digest, f"{told.disk} of {path} has the SHA-256 {digest}, not its manifest's")
    converted = directory / f"{path.stem}.qcow2"
    _qemu_img("convert", "-c", "-O", "qcow2", str(disk), str(converted))
    disk.unlink()
    return converted


def _compared(image: Path, disk: Path) -> str:
    _qemu_img("compare", str(image), str(disk))
    return f"its SHA-256 is the manifest's; each octet is as in {image.name}"


def _qemu_img(*words: str) -> None:
    done = subprocess.run(["qemu-img", *words], check=False, capture_output=True, text=True)
    require(done.returncode == 0, f"qemu-img {words[0]}: {done.stdout}{done.stderr}".strip())
