"""Whether the units of a finished tree can start: judged by its own systemd, before a disk is made of it.

A diet that takes a program or a unit away and leaves what asks for it is an error of the build, also where
only one hypervisor's machines would ever start it.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

from image.workshop import Step

OURS, DEBIANS = "etc/systemd/system", "usr/lib/systemd/system"
_KINDS = {".automount", ".mount", ".path", ".service", ".slice", ".socket", ".target", ".timer"}
_MASK = "/dev/null"
# In a namespace of its own: the tree has neither devices nor a place for what runs.
_VERIFY = """\
mount --bind /dev "$1/dev"; mount -t tmpfs tmpfs "$1/run"
tree=$1; shift
said=$(chroot "$tree" systemd-analyze verify --man=no "$@" 2>&1) && [ -z "$said" ] && exit
printf '%s\\n' "$said" >&2
exit 1
"""


def judge(step: Step, tree: Path) -> None:
    """Verify every unit that is not masked (systemd-analyze(1), verify).

    Raises ValueError where one asks for a unit or a program that is not there.
    """
    if lost := sorted(dangling(tree)):
        raise ValueError(f"links to units that are not there: {', '.join(lost)}")
    alone = ("unshare", "--mount", "--propagation", "private")
    try:
        step.run(*alone, "sh", "-eu", "-c", _VERIFY, "sh", tree, *names(tree))
    except subprocess.CalledProcessError as error:
        raise ValueError("units that cannot start: the lines above name them") from error


def dangling(tree: Path) -> Iterator[str]:
    """Links below systemd's directories whose ends are missing; those to /dev/null are masks."""
    for place in ("etc/systemd", "usr/lib/systemd"):
        for path in (tree / place).rglob("*"):
            if path.is_symlink() and not _end(tree, path).exists() and not _masked(path):
                yield str(path.relative_to(tree))


def names(tree: Path) -> tuple[str, ...]:
    """Units that could be started: neither masked nor Debian's templates, ours with an instance. Another name
    of a masked unit is masked, too.
    """
    units = [path for place in (DEBIANS, OURS) for path in (tree / place).iterdir() if _is_unit(path, place)]
    masked = {path.name for path in units if _masked(path)}
    masked |= {path.name for path in units if path.is_symlink() and path.readlink().name in masked}
    return tuple(sorted({path.name.replace("@.", "@one.") for path in units if path.name not in masked}))


def _is_unit(path: Path, place: str) -> bool:
    return path.suffix in _KINDS and not (path.is_dir() or _is_template(path, place))


def _is_template(path: Path, place: str) -> bool:
    """Debian's templates are of instances that generators make; nobody can say of which."""
    return "@." in path.name and (place == DEBIANS or path.is_symlink())


def _masked(path: Path) -> bool:
    return path.is_symlink() and str(path.readlink()) == _MASK


def _end(tree: Path, link: Path) -> Path:
    """Where a link leads inside the tree."""
    end = link.readlink()
    return tree / end.relative_to("/") if end.is_absolute() else link.parent / end
