"""Update files with little in them, made by the image's own builder, and machines to put them on."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from causeway_agent.slots import installing
from causeway_agent.slots.archive import Archive
from causeway_agent.slots.disk import Disk
from causeway_agent.slots.installing import Here
from causeway_agent.slots.machine import PARTITIONS
from causeway_wire import update_file
from causeway_wire.update import Slot, UpdateStatus
from image import update

ROOT_OCTETS = 8 * 1024 * 1024
RELEASED = 1_000_000_000
"""Seconds since 1970."""
HERE = Here(running=Slot.A, architecture="x86_64", machine_id="0" * 32, partitions=PARTITIONS)
FIRST_ENTRY = (
    b"title Causeway (a)\nsort-key causeway\nversion 1\nlinux /causeway/a/linux\n"
    b"initrd /causeway/a/initrd\noptions root=PARTUUID=x rw\n"
)


@dataclass(frozen=True)
class Made:
    """An update file, and what is in it."""

    content: bytes = field(repr=False)
    sha256: str
    manifest: bytes = field(repr=False)

    @property
    def build(self) -> str:
        """Its name."""
        return update_file.build_of(self.manifest)


def make(
    directory: Path,
    *,
    version: str = "2",
    root: bytes | None = None,
    key: Path | None = None,
    released: int = RELEASED,
) -> Made:
    """A whole update; its root file system is mostly zeros, as real ones are."""
    content = root if root is not None else (version.encode() * 5000).ljust(4 * 1024 * 1024, b"\0") + b"end!"
    linux, initrd = f"kernel {version}".encode() * 3000, f"initramfs {version}".encode() * 1111
    return make_of(directory, version, linux=linux, initrd=initrd, root=content, key=key, released=released)


def make_of(
    directory: Path,
    version: str,
    *,
    linux: bytes,
    initrd: bytes,
    root: bytes,
    key: Path | None = None,
    released: int = RELEASED,
) -> Made:
    """An update of these files."""
    system = update.System(
        version=version,
        commit=f"commit-{version}",
        options="rw quiet",
        linux=directory / "linux",
        initrd=directory / "initrd",
        root=directory / "root.img",
    )
    system.linux.write_bytes(linux)
    system.initrd.write_bytes(initrd)
    system.root.write_bytes(root)
    text = update.manifest(system, epoch=released)
    file = directory / f"causeway-{version}.update"
    update.pack(file, system=system, text=text, epoch=1, key=key)
    return of(file.read_bytes(), text)


def renamed(file: Path, version: str, target: Path) -> Path:
    """The update in this file under another version, without a signature: another build of equal parts."""
    return changed(file, target, lambda text: json.dumps({**json.loads(text), "version": version}))


def changed(file: Path, target: Path, change: Callable[[str], str]) -> Path:
    """The update in this file with its manifest changed so, without a signature, and equal parts."""
    with file.open("rb") as source, target.open("wb") as made:
        head = update_file.unpack_head(source.read(update_file.BLOCK))
        text = change(source.read(head.octets + head.padding)[: head.octets].decode()).encode()
        new = update_file.Head(head.name, len(text))
        made.write(update_file.pack_head(new, epoch=0) + text + bytes(new.padding))
        following = source.read(update_file.BLOCK)
        signature = update_file.unpack_head(following)
        if signature.name == update_file.SIGNATURE:
            source.seek(signature.octets + signature.padding, os.SEEK_CUR)
        else:
            made.write(following)
        shutil.copyfileobj(source, made)
    return target


def of(content: bytes, manifest: bytes) -> Made:
    """These octets as a file that arrives as it was sent."""
    return Made(content, hashlib.sha256(content).hexdigest(), manifest)


def lenient(_manifest: bytes, _signature: bytes | None) -> None:
    """A system without a publisher's key."""


def receive(
    disk: Disk, made: Made, here: Here = HERE, *, sha256: str | None = None, allow_older: bool = False
) -> UpdateStatus:
    """What the program does with a file that arrives."""
    archive = Archive(io.BytesIO(made.content).read, octets=len(made.content))
    sha256 = sha256 or made.sha256
    installing.receive(disk, here, archive, sha256, verify=lenient, allow_older=allow_older)
    return installing.status(disk, here)
