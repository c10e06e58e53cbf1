"""Storage in memory, with the faults of real disks on request."""

from __future__ import annotations

from causeway_agent.errors import BackendError, StorageError
from tests.fakes.fuse import Crash, Fuse


class FakeStorage:
    """Keeps files in a dictionary that outlives the agent, as a disk does. Replacement is atomic."""

    def __init__(self, fuse: Fuse | None = None) -> None:
        self.files: dict[str, bytes] = {}
        self.unreadable: set[str] = set()
        """Files on bad sectors."""
        self.full = False
        """Whether nothing more can be written."""
        self._fuse = fuse or Fuse()

    def read(self, name: str) -> bytes | None:
        """The file's content."""
        if name in self.unreadable:
            raise BackendError(f"read {name}", "Input/output error")
        return self.files.get(name)

    def write(self, name: str, data: bytes) -> None:
        """Replace the file."""
        self._check(f"write {name}")
        self._fuse.enter(f"write {name}")
        self.files[name] = data
        self._fuse.leave(f"write {name}")

    def append(self, name: str, data: bytes) -> None:
        """Lengthen the file; a crash before its end leaves half of what was to be added."""
        self._check(f"append to {name}")
        before = self.files.get(name, b"")
        try:
            self._fuse.enter(f"append to {name}")
        except Crash:
            self.files[name] = before + data[: len(data) // 2]
            raise
        self.files[name] = before + data
        self._fuse.leave(f"append to {name}")

    def delete(self, name: str) -> None:
        """Remove the file."""
        self._fuse.enter(f"delete {name}")
        self.files.pop(name, None)
        self._fuse.leave(f"delete {name}")

    def names(self, prefix: str) -> tuple[str, ...]:
        """Names that start with the prefix, sorted."""
        return tuple(sorted(name for name in self.files if name.startswith(prefix)))

    def _check(self, doing: str) -> None:
        if self.full:
            raise StorageError(doing, "No space left on device; make room")

    def tear(self, name: str) -> None:
        """Leave only the first half of a file, as a disk that lied about a sync does."""
        self.files[name] = self.files[name][: len(self.files[name]) // 2]
