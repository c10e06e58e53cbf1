"""The tree of the root file system: made by diskimage-builder, then put in order."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from pathlib import Path

from image import layout, mirrors
from image.flavour import Flavour
from image.workshop import Step

MOUNT_POINTS = {
    "dev": 0o755,
    "proc": 0o555,
    "root": 0o700,
    "run": 0o755,
    "sys": 0o555,
    "tmp": 0o1777,
    "var": 0o755,
}
"""Left out of the tar, left over from the builder, or mounted upon: empty directories with these modes."""
OWNERS, ORDER = "usr/share/causeway/owners", "usr/share/causeway/load-order"

# Mounts and processes of the build live in namespaces of their own and end with it, whatever ends it.
_ALONE = ("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc")


def make(
    step: Step,
    *,
    elements: Path,
    flavour: Flavour,
    house: Path,
    cache: Path,
    work: Path,
    tar: Path,
    publisher: Path | None,
) -> None:
    """Run diskimage-builder in the empty directory `work`; leaves a tar of the whole tree.

    `publisher`: public key of who may sign updates, where not everybody may make them.
    """
    chosen = mirrors.environment(step.output(*mirrors.TARGETS), os.environ)
    scripts = str(Path(sys.executable).parent)
    step.run(
        *_ALONE,
        "disk-image-create",
        *("-n", "-x", "-t", "tar", "--image-cache", cache, "-o", tar.with_suffix("")),
        *flavour.elements,
        environment={
            **chosen,
            "ELEMENTS_PATH": str(elements),
            "TMP_DIR": str(work),
            "PATH": f"{scripts}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "CAUSEWAY_WHEELHOUSE": str(house),
            "CAUSEWAY_ROOT_PARTUUID": layout.ROOT_A.uuid,
            "CAUSEWAY_STATE_PARTUUID": layout.STATE.uuid,
            **({} if publisher is None else {"CAUSEWAY_PUBLISHER_PEM": str(publisher)}),
        },
        seconds=1200.0,
    )


def unpack(step: Step, *, tar: Path, tree: Path, owners: Path, order: Path) -> None:
    """Unpack into the empty directory and put in order: mount points, dates.

    `owners`, `order`: where the lists go of which package each file came from, and of what is read in which
    order; they are no part of the image.
    """
    step.run("tar", "--numeric-owner", "--xattrs", "--xattrs-include=*", "-xf", tar, "-C", tree)
    shutil.move(tree / OWNERS, owners)
    shutil.move(tree / ORDER, order)
    # diskimage-builder puts the builder's back after every hook.
    (tree / "etc/resolv.conf").unlink(missing_ok=True)
    for name, mode in MOUNT_POINTS.items():
        shutil.rmtree(tree / name, ignore_errors=True)
        (tree / name).mkdir()
        (tree / name).chmod(mode)
    shutil.rmtree(tree / "lost+found", ignore_errors=True)
    date(tree, step.epoch)


def unpack_initramfs(step: Step, archive: Path, tree: Path) -> None:
    """Unpack what the kernel is given before any disk into a new directory."""
    unpack = 'zstd -qdc "$1" | cpio --quiet -id --no-absolute-filenames --directory "$2"'
    tree.mkdir()
    step.run("sh", "-eu", "-c", unpack, "sh", archive, tree)


def date(tree: Path, epoch: int) -> None:
    """Give directories, and what is younger than the epoch, the epoch as their date."""
    for directory, names, files in os.walk(tree, topdown=False):
        for name in (*names, *files):
            path = Path(directory, name)
            found = path.lstat()
            if stat.S_ISDIR(found.st_mode) or found.st_mtime > epoch:
                os.utime(path, (epoch, epoch), follow_symlinks=False)
    os.utime(tree, (epoch, epoch))
