"""Whether two builds from the same inputs gave the same bytes, and if not, which files differ. Reads only."""

from __future__ import annotations

import filecmp
import os
import stat
from pathlib import Path


def differing_files(first: Path, second: Path) -> list[str]:
    """Names, below two directories of finished files, of what differs or is missing in one."""
    names = sorted({path.name for place in (first, second) for path in place.iterdir() if path.is_file()})
    _, different, missing = filecmp.cmpfiles(first, second, names, shallow=False)
    return sorted((*different, *missing))


def differing_paths(first: Path, second: Path) -> list[str]:
    """Paths below two trees that differ in kind, owner, mode, date or content, each with what differs."""
    seen = {str(path.relative_to(tree)) for tree in (first, second) for path in tree.rglob("*")}
    found = []
    for name in sorted(seen):
        one, other = first / name, second / name
        if not (os.path.lexists(one) and os.path.lexists(other)):
            found.append(f"{name}: only in one")
        elif what := _difference(one, other):
            found.append(f"{name}: {what}")
    return found


def _difference(one: Path, other: Path) -> str:
    left, right = one.lstat(), other.lstat()
    for what in ("st_mode", "st_uid", "st_gid", "st_mtime", "st_nlink"):
        if getattr(left, what) != getattr(right, what):
            return f"{what} {getattr(left, what)} {getattr(right, what)}"
    if stat.S_ISLNK(left.st_mode):
        return "" if one.readlink() == other.readlink() else "link"
    if stat.S_ISREG(left.st_mode) and not filecmp.cmp(one, other, shallow=False):
        return "content"
    return ""
