"""From trees to a raw disk, without loop devices and without asking the host's kernel for any file system."""

from __future__ import annotations

import os
import shutil
import struct
from collections.abc import Sequence
from pathlib import Path

from image import boot_order, layout, update, verity
from image.layout import ESP, MIB, ROOT_A, SECTOR, STATE, Partition
from image.update import System
from image.workshop import Step

SYSLINUX_MBR = Path("/usr/lib/syslinux/mbr/gptmbr.bin")
MBR_CODE = 440
"""Octets of boot code before the disk signature."""
SQUASHFS_BLOCK = "1M"
"""A quarter of it takes 4 % more room."""
HIGHEST_RANK = 32767
_BACKUP_SECTOR = 50
"""Where a FAT32 boot sector names the sector of its copy (BPB_BkBootSec)."""
_BIOS_MENU = """\
DEFAULT {slot}
LABEL {slot}
  LINUX /causeway/{slot}/linux
  INITRD /causeway/{slot}/initrd
  APPEND {options}
"""


def assemble(
    step: Step, *, tree: Path, order: Path, work: Path, disk: Path, version: str, commit: str
) -> None:
    """Make the disk from the tree of the root file system, whose `/efi` becomes the EFI system partition.

    `order`: a file of paths in the tree that are read one after the other, behind those of `boot_order`.
    """
    esp = work / "esp"
    shutil.move(tree / "efi", esp)
    (tree / "efi").mkdir()
    os.utime(tree / "efi", (step.epoch, step.epoch))
    os.utime(tree, (step.epoch, step.epoch))
    images = {part.name: f"{part.name}.img" for part in (ESP, ROOT_A, STATE)}
    ranks = work / "ranks"
    ranks.write_text(ranked(boot_order.leave(tree, order.read_text().splitlines(), epoch=step.epoch)))
    make_squashfs(step, tree, work / images[ROOT_A.name], ranks=ranks)
    hashes = verity.append(work / images[ROOT_A.name])
    add_option(esp / "loader/entries/a.conf", hashes.option)
    add_bios_menu(esp, slot="a")
    described = update.manifest(system(work, version=version, commit=commit), epoch=step.epoch)
    (esp / "causeway/a/manifest.json").write_bytes(described)
    make_fat(step, esp, work / images[ESP.name])
    empty = work / "empty"
    empty.mkdir()
    os.utime(empty, (step.epoch, step.epoch))
    make_ext4(step, empty, STATE, work / images[STATE.name], tools=tree)
    config = work / "genimage.cfg"
    config.write_text(layout.genimage_config(disk=disk.name, images=images))
    step.run(
        "genimage",
        *("--config", config, "--rootpath", empty, "--tmppath", work / "tmp"),
        *("--inputpath", work, "--outputpath", disk.parent),
    )
    make_bios_bootable(step, disk)


def system(work: Path, *, version: str, commit: str) -> System:
    """The system in slot a, as `assemble` left its files in its directory."""
    esp = work / "esp"
    return System(
        version=version,
        commit=commit,
        options=update.options_of((esp / "loader/entries/a.conf").read_text()),
        linux=esp / "causeway/a/linux",
        initrd=esp / "causeway/a/initrd",
        root=work / f"{ROOT_A.name}.img",
    )


def add_option(entry: Path, option: str) -> None:
    """One more word for the kernel in this loader entry."""
    lines = entry.read_text().splitlines()
    entry.write_text("".join(f"{x} {option}\n" if x.startswith("options ") else f"{x}\n" for x in lines))


def add_bios_menu(esp: Path, *, slot: str) -> None:
    """syslinux starts the same kernel with the same options as the loader entry says."""
    entry = (esp / f"loader/entries/{slot}.conf").read_text()
    options = next(
        line.removeprefix("options ") for line in entry.splitlines() if line.startswith("options ")
    )
    (esp / "syslinux.cfg").write_text(_BIOS_MENU.format(slot=slot, options=options))


def make_fat(step: Step, tree: Path, image: Path) -> None:
    """A FAT32 image of the tree, files in the order of their names."""
    with image.open("wb") as file:
        file.truncate(ESP.mebibytes * MIB)
    step.run("mkfs.fat", "--invariant", "-F", "32", "-n", "ESP", "-i", layout.ESP_VOLUME_ID, image)
    for path in sorted(tree.rglob("*")):
        os.utime(path, (step.epoch, step.epoch))
        inside = f"::/{path.relative_to(tree)}"
        if path.is_dir():
            step.run("mmd", "-i", image, inside)
        else:
            step.run("mcopy", "-m", "-i", image, path, inside)
    # -m of mcopy keeps the date of modification; mmd takes SOURCE_DATE_EPOCH for everything.
    step.run("syslinux", "--install", image)
    back_up_boot_sector(image)


def back_up_boot_sector(image: Path) -> None:
    """Make the copy equal to the boot sector that syslinux changed: the check at each start compares them."""
    with image.open("r+b") as file:
        sector = file.read(SECTOR)
        (place,) = struct.unpack_from("<H", sector, _BACKUP_SECTOR)
        file.seek(place * SECTOR)
        file.write(sector)


def ranked(paths: Sequence[str]) -> str:
    """The order in which these files are written before all others (mksquashfs(1), -sort).

    Many small files share a block, which is unpacked whole for each of them unless it still is at hand.
    """
    return "".join(f"{path} {HIGHEST_RANK - place}\n" for place, path in enumerate(paths[:HIGHEST_RANK]))


def make_squashfs(step: Step, tree: Path, image: Path, *, ranks: Path) -> None:
    """A squashfs of the tree as it is; its own date is SOURCE_DATE_EPOCH (mksquashfs(1))."""
    step.run(
        *("mksquashfs", tree, image, "-noappend", "-no-progress", "-comp", "zstd"),
        *("-Xcompression-level", "19", "-b", SQUASHFS_BLOCK, "-sort", ranks),
    )


def make_ext4(step: Step, tree: Path, partition: Partition, image: Path, *, tools: Path) -> None:
    """An ext4 image of the tree by the image's own mke2fs: no byte depends on the builder's version."""
    with image.open("wb") as file:
        file.truncate(partition.mebibytes * MIB)
    libraries = tools / "usr/lib/x86_64-linux-gnu"
    options = f"hash_seed={partition.file_system},lazy_itable_init=0,lazy_journal_init=0,nodiscard"
    step.run(
        tools / "usr/lib64/ld-linux-x86-64.so.2",
        *("--library-path", libraries, tools / "usr/sbin/mke2fs"),
        *("-q", "-F", "-t", "ext4", "-m", "0", "-b", "4096", "-I", "256", "-L", partition.name),
        *("-U", partition.file_system, "-E", options, "-d", tree, image),
        environment={"MKE2FS_CONFIG": str(tools / "etc/mke2fs.conf"), "E2FSPROGS_FAKE_TIME": str(step.epoch)},
    )


def make_bios_bootable(step: Step, disk: Path) -> None:
    """The boot code that finds the partition marked as bootable and starts the syslinux in it."""
    step.run("sfdisk", "--quiet", "--part-attrs", disk, "1", "LegacyBIOSBootable")
    with disk.open("r+b") as file:
        file.write(SYSLINUX_MBR.read_bytes()[:MBR_CODE])
