"""A file system in memory at a directory, with as much room as a test wants; only the sandbox sees it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_WHOLE: Final = 1 << 30
"""Octets that it may have when nobody takes room away; memory is used for what is in it."""


@contextmanager
def mounted(place: Path) -> Iterator[Path]:
    """It, at this directory, which is made if it is not there."""
    place.mkdir(exist_ok=True)
    command = ("mount", "-t", "tmpfs", "-o", f"size={_WHOLE}", "tmpfs", str(place))
    subprocess.run(command, check=True)
    try:
        yield place
    finally:
        subprocess.run(("umount", "--lazy", str(place)), check=True)


def leave(place: Path, octets: int | None) -> None:
    """Have so much room left on it; None: as much as usual."""
    taken = place / "taken"
    taken.unlink(missing_ok=True)
    size = _WHOLE
    if octets is not None:
        # Somebody's: a size of nothing would mean no limit (tmpfs(5)).
        taken.write_bytes(b"\1")
        size = shutil.disk_usage(place).used + octets
    subprocess.run(("mount", "-o", f"remount,size={size}", str(place)), check=True)
