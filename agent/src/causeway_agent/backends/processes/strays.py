"""Processes of ours that no record tells of: an agent ended between starting one and noting it.

They would hold their tun device or port for ever, and whatever is started in their place would fail.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection
from pathlib import Path

import structlog

from causeway_agent.backends.host import proc_file
from causeway_agent.backends.processes import process_age, spawn

_PROC = Path("/proc")

_log = structlog.get_logger()


async def end(root: Path, known: Collection[int]) -> None:
    """End every process started in a directory right below `root` whose session no known process leads."""
    for pid, directory in _marked(root):
        with contextlib.suppress(OSError):
            started = process_age.start_time(pid)
            stray = spawn.adopt(pid, started) if started and os.getsid(pid) not in known else None
            if stray is not None:
                _log.warning("process_stray", process=directory.name, pid=pid)
                await stray.terminate()


def _marked(root: Path) -> list[tuple[int, Path]]:
    """Processes that carry our mark in their environment (proc(5), environ), with their directory.

    Of all processes of the machine at each start: a path is made of no variable but ours.
    """
    mark, found = f"{spawn.MARK}=".encode(), []
    for name in os.listdir(_PROC):  # noqa: PTH208
        if not name.isdecimal():
            continue
        with contextlib.suppress(OSError):
            for variable in proc_file.read(f"{_PROC}/{name}/environ").split(b"\0"):
                if not variable.startswith(mark):
                    continue
                directory = Path(os.fsdecode(variable[len(mark) :]))
                if directory.parent == root:
                    found.append((int(name), directory))
    return found
