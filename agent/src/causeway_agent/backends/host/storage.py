"""Small files in one directory tree that survive a power cut: written beside, synced, renamed, synced.

After `write` returns, the new content is on the disk; before, the old one is. Nothing in between is read:
what a cut left half-written has a name that `read` and `names` do not know.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
from pathlib import Path

from causeway_agent import errors

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
"""Relative paths without hidden parts, so without `..` too."""
_BESIDE = ".new-"
_ADVICE = {
    errno.ENOSPC: "make room: `df -h {place}` and `df -i {place}` show what is full",
    errno.EDQUOT: "make room: `df -h {place}` and `df -i {place}` show what is full",
    errno.EROFS: "`dmesg` says why {place} became read-only; mend or replace the disk, then restart",
    errno.EIO: "the disk under {place} fails, see `dmesg`; replace it",
}
"""What to do about it, by errno(3)."""


class DirectoryStorage:
    """Implements `engine.ports.Storage`. Files are for the owner alone; directories are made as needed."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def read(self, name: str) -> bytes | None:
        path = self._path(name)
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _failed("read", path, error) from error

    def write(self, name: str, data: bytes) -> None:
        path = self._path(name)
        beside = path.with_name(_BESIDE + path.name)
        try:
            self._prepare(path.parent)
            _write_synced(beside, data)
            beside.replace(path)
            _sync(path.parent)
        except OSError as error:
            raise _failed("write", path, error) from error

    def append(self, name: str, data: bytes) -> None:
        path = self._path(name)
        try:
            self._prepare(path.parent)
            made = not path.exists()
            _append_synced(path, data)
            if made:
                _sync(path.parent)
        except OSError as error:
            raise _failed("append to", path, error) from error

    def delete(self, name: str) -> None:
        path = self._path(name)
        try:
            path.unlink()
            _sync(path.parent)
        except FileNotFoundError:
            return
        except OSError as error:
            raise _failed("delete", path, error) from error

    def names(self, prefix: str) -> tuple[str, ...]:
        try:
            found = [
                str(path.relative_to(self._root))
                for path in self._root.rglob("*")
                if not path.name.startswith(_BESIDE) and path.is_file()
            ]
        except OSError as error:
            raise _failed("list", self._root, error) from error
        return tuple(sorted(name for name in found if name.startswith(prefix)))

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise errors.Bug(f"not a name for a file: {name!r}")
        return self._root / name

    def _prepare(self, directory: Path) -> None:
        """Make missing directories, each durable in the one above it."""
        if directory.is_dir():
            return
        self._prepare(directory.parent)
        with contextlib.suppress(FileExistsError):
            directory.mkdir(mode=0o700)
        _sync(directory.parent)


def _write_synced(path: Path, data: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _append_synced(path: Path, data: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
    with os.fdopen(os.open(path, flags, 0o600), "ab", buffering=0) as file:
        before = os.fstat(file.fileno()).st_size
        try:
            _write_all(file, data)
            os.fdatasync(file.fileno())
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(file.fileno(), before)
            raise


def _write_all(file: io.FileIO, data: bytes) -> None:
    """write(2) may take less than it is given."""
    left = memoryview(data)
    while left:
        left = left[file.write(left) or 0 :]


def _sync(directory: Path) -> None:
    """Make names in a directory durable (fsync(2): syncing a file does not sync its entry)."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _failed(verb: str, path: Path, error: OSError) -> errors.StorageError:
    reason = error.strerror or str(error)
    if (advice := _ADVICE.get(error.errno or 0)) is not None:
        reason = f"{reason}; {advice.format(place=path.parent)}"
    return errors.StorageError(f"{verb} {path}", reason)
