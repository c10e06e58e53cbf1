"""Tells when a disk that the controller writes to is nearly full: once it is, the controller ends itself."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from causeway_controller.contract.status import Trouble
from causeway_controller.store.database import file_of

LEAST: Final = 256 << 20
"""Octets that are to be free: the store's journal, an update file, and time to make room."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskWatch:
    """Looks at the disks of these directories each time it is asked."""

    directories: tuple[Path, ...]
    least: int = LEAST

    async def troubles(self) -> tuple[Trouble, ...]:
        """A trouble for each disk with less than that left."""
        return tuple(await asyncio.to_thread(lambda: list(self._found())))

    def _found(self) -> Iterator[Trouble]:
        seen = set[int]()
        for directory in self.directories:
            try:
                left, disk = os.statvfs(directory), directory.stat().st_dev
            except OSError:
                continue  # what is not there is told by who needs it
            free = left.f_bavail * left.f_frsize
            if disk not in seen and free < self.least:
                detail = (
                    f"{free >> 20} MiB are left on the disk of {directory}; when it is full nothing is "
                    "written, no run goes on and this controller ends itself: make room there"
                )
                yield Trouble(subject="disk of this controller", detail=detail)
            seen.add(disk)


def written(state: Path, store: str) -> tuple[Path, ...]:
    """Return the directories that a controller writes to; `store` is the URL of its database."""
    file = file_of(store)
    return tuple(dict.fromkeys((state, *(() if file is None else (file.parent,)))))
