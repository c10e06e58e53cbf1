"""The update file that a build made, taken apart, and made anew with a changed system in it."""

from __future__ import annotations

import lzma
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from causeway_wire import codec
from causeway_wire.update import Manifest
from image import update, verity


@dataclass(frozen=True)
class Parts:
    """The parts: `linux`, `initrd`, `root.img` in this directory, where others are made too."""

    directory: Path
    manifest: Manifest

    def remade(self, version: str, change: Callable[[Path], None]) -> Path:
        """An update file whose system, unpacked in a directory, was changed so."""
        root, tree = self.directory / f"{version}.img", self.directory / version
        self.unpack(tree)
        change(tree)
        packing = ("-noappend", "-quiet", "-no-progress", "-comp", "zstd", "-Xcompression-level", "1")
        subprocess.run(["mksquashfs", tree, root, *packing], check=True)
        shutil.rmtree(tree)
        words = [word for word in self.manifest.options.split() if not word.startswith(f"{verity.OPTION}=")]
        system = update.System(
            version=version,
            commit=self.manifest.commit,
            options=" ".join([*words, verity.append(root).option]),
            linux=self.directory / "linux",
            initrd=self.directory / "initrd",
            root=root,
        )
        file = self.directory / f"causeway-{version}.update"
        update.pack(
            file,
            system=system,
            text=update.manifest(system, epoch=_released(self.manifest)),
            epoch=0,
            key=None,
        )
        root.unlink()
        return file

    def unpack(self, tree: Path, *like: str) -> None:
        """Have the system's files in this directory: all, or those whose paths are like these (glob(7))."""
        root = self.directory / "root.img"
        subprocess.run(["unsquashfs", "-quiet", "-no-progress", "-dest", tree, root, *like], check=True)


def taken_apart(image: Path, directory: Path) -> Parts:
    """Return the parts of the update file beside this image, unpacked in this directory."""
    with tarfile.open(image.with_suffix(".update")) as whole:
        for name in ("manifest.json", "linux", "initrd", "root.xz"):
            packed_part = whole.extractfile(name)
            assert packed_part is not None
            with (directory / name).open("wb") as part:
                shutil.copyfileobj(packed_part, part)
    with lzma.open(directory / "root.xz") as packed, (directory / "root.img").open("wb") as root:
        shutil.copyfileobj(packed, root)
    return Parts(directory, codec.decode((directory / "manifest.json").read_bytes(), Manifest))


def _released(manifest: Manifest) -> int:
    """When the image was released, in seconds since 1970: what is made of it is as old."""
    return int(manifest.released.timestamp()) if manifest.released else 0
