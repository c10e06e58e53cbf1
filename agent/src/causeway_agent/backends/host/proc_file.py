"""Files of the kernel's that are read again and again: as octets, with the fewest system calls.

`Path.read_text` asks nine times of the kernel for what is one line, and makes a decoder for it. A file that
stays open is the one it was: of a network namespace, and of a process.
"""

from __future__ import annotations

import os
from typing import Final, Self

READ: Final = 1 << 16


def read(path: str | os.PathLike[str]) -> bytes:
    """The first 64 KiB of the file; raises OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(handle, READ)
    finally:
        os.close(handle)


class ProcFile:
    """One that stays open. A context manager; opened when it is made, which raises OSError."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self) -> bytes:
        """What is in it now, the first 64 KiB; raises OSError."""
        return os.pread(self._handle, READ, 0)

    def close(self) -> None:
        """Close it; nothing is read afterwards."""
        os.close(self._handle)
