"""The digest that an image is known by on a host: its file is read once, not for each appliance."""

from __future__ import annotations

import functools
import hashlib
import re
from pathlib import Path
from typing import Final

from causeway_controller.hypervisors.base import HypervisorError

SUMS: Final = "SHA256SUMS"
_LINE: Final = re.compile(r"(?P<digest>[0-9a-f]{64}) [ *](?P<name>.+)")
"""As sha256sum(1) writes them."""


def check(image: Path) -> None:
    """Raise HypervisorError where a release's sums lie beside the image, and it is none of its images.

    Sums of other kinds of file say nothing, nor does their absence. Its name may be another one.
    """
    try:
        lines = image.with_name(SUMS).read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return
    found = [line for each in lines if (line := _LINE.fullmatch(each))]
    known = {line["digest"] for line in found if line["name"].endswith(image.suffix)}
    if known and sha256(image) not in known:
        raise HypervisorError(
            f"{image} is none of the images in {SUMS} beside it: it arrived damaged, or in part, or is of "
            "another release; put both of one release there"
        )


def sha256(image: Path) -> str:
    """Return the SHA-256 of the file, lower-case hexadecimal. Raises OSError."""
    found = image.stat()
    return _sha256(image, found.st_size, found.st_mtime_ns, found.st_ino)


@functools.lru_cache(maxsize=8)
def _sha256(image: Path, _size: int, _written: int, _file: int) -> str:
    with image.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
