"""The digest that an image is known by on a host: its file is read once, not for each appliance."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path


def sha256(image: Path) -> str:
    """Return the SHA-256 of the file, lower-case hexadecimal. Raises OSError."""
    found = image.stat()
    return _sha256(image, found.st_size, found.st_mtime_ns, found.st_ino)


@functools.lru_cache(maxsize=8)
def _sha256(image: Path, _size: int, _written: int, _file: int) -> str:
    with image.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
