"""When a process started: with its number, that means one process, for as long as the machine runs.

Loads nothing: first boot asks for it, and has no use for what starts and watches processes.
"""

from __future__ import annotations

from pathlib import Path

_START_TIME_FIELD = 19
"""Of /proc/PID/stat, counted from behind the name (proc_pid_stat(5))."""


def start_time(pid: int) -> int | None:
    """When the process started, in clock ticks since boot; None when it is gone or a zombie."""
    try:
        fields = (
            Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        )
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[_START_TIME_FIELD])
