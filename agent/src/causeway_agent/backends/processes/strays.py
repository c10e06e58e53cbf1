"""Processes of ours that no record tells of: an agent ended between starting one and noting it.

They would hold their tun device or port for ever, and whatever is started in their place would fail.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection
from pathlib import Path

import structlog

from causeway_agent.backends.processes import spawn

_PROC = Path("/proc")

_log = structlog.get_logger()


async def end(root: Path, known: Collection[int]) -> None:
    """End every process started in a directory right below `root` whose session no known process leads."""
    for pid, directory in _marked(root):
        with contextlib.suppress(OSError):
            started = spawn.start_time(pid)
            stray = spawn.adopt(pid, started) if started and os.getsid(pid) not in known else None
            if stray is not None:
                _log.warning("process_stray", process=directory.name, pid=pid)
                await stray.terminate()


def _marked(root: Path) -> list[tuple[int, Path]]:
    """Processes that carry our mark in their environment (proc(5), environ), with their directory."""
    found = []
    for entry in _PROC.iterdir():
        if not entry.name.isdecimal():
            continue
        with contextlib.suppress(OSError):
            for variable in (entry / "environ").read_bytes().split(b"\0"):
                name, _, value = variable.partition(b"=")
                directory = Path(os.fsdecode(value))
                if name == spawn.MARK.encode() and directory.parent == root:
                    found.append((int(entry.name), directory))
    return found
