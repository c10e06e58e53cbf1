"""Files that matter: written beside, synced, renamed; the mode is set when the file is made."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

PRIVATE = 0o600
PUBLIC = 0o644


def write(path: Path, data: bytes, *, mode: int) -> None:
    """Replace a file, in a directory that is made if need be; after return it survives a power cut.

    No other process can open the new content with a wider mode in between. Raises OSError.
    """
    _make_directory(path)
    with _beside(path, mode) as (beside, file):
        file.write(data)
        _sync(file)
        beside.replace(path)


def create(path: Path, data: bytes, *, mode: int) -> None:
    """Write a file that was not there, as `write`. Raises FileExistsError when it was; it stays as it is."""
    _make_directory(path)
    with creating(path, mode=mode) as file:
        file.write(data)


@contextmanager
def creating(path: Path, *, mode: int) -> Iterator[BinaryIO]:
    """Write a file that was not there, piece by piece: as `create`, once the context ends well.

    Its directory must be there: who mistypes a path on a command line would look for the file in vain.
    """
    with _beside(path, mode) as (beside, file):
        yield file
        _sync(file)
        path.hardlink_to(beside)  # unlike a rename, it never takes the place of another file


@contextmanager
def _beside(path: Path, mode: int) -> Iterator[tuple[Path, BinaryIO]]:
    """A new file in the same directory, gone at the end unless it was renamed; the directory is synced."""
    if not path.name:  # `.`, and `` as a path
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    beside = path.with_name(f".{path.name}.{os.getpid()}.new")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield beside, file
    finally:
        beside.unlink(missing_ok=True)
        _sync_directory(path.parent)


def _make_directory(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
