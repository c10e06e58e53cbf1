"""Which sockets a process has, as the kernel tells (proc(5))."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

LISTEN = "0A"


def tcp(pid: int, state: str) -> set[str]:
    """Return the local addresses, as in /proc/net/tcp, of the process's TCP sockets in this state."""
    own = set(_opened(pid))
    rows = [
        line.split()
        for name in ("tcp", "tcp6")
        for line in Path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:]
    ]
    return {row[1] for row in rows if row[3] == state and f"socket:[{row[9]}]" in own}


def _opened(pid: int) -> Iterator[str]:
    """What its descriptors are."""
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            yield str(link.readlink())
        except FileNotFoundError:  # closed since it was listed
            continue
