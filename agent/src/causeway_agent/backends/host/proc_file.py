"""Files of the kernel's that are read again and again: as octets, with few system calls.

`Path.read_text` asks nine times of the kernel for what is one line, and makes a decoder for it. Each is read
until nothing more comes: what the kernel makes record by record (fs/seq_file.c) it gives out by the page,
however much is asked for; of /proc/net/dev that is some thirty devices. A file that stays open is the one it
was: of a network namespace, and of a process.
"""

from __future__ import annotations

import os
from typing import Final, Self

_READ: Final = 1 << 16


def read(path: str | os.PathLike[str]) -> bytes:
    """What is in the file; raises OSError."""
    with ProcFile(path) as file:
        return file.read()


class ProcFile:
    """One that stays open. A context manager; opened when it is made, which raises OSError."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self) -> bytes:
        """What is in it now; raises OSError."""
        data = b""
        while more := os.pread(self._handle, _READ, len(data)):
            data += more
        return data

    def close(self) -> None:
        """Close it; nothing is read afterwards."""
        os.close(self._handle)
