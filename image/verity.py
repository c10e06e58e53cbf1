"""The hash tree by which the kernel verifies each block that it reads of a root file system.

Linux Documentation/admin-guide/device-mapper/verity.rst: format 1 without a superblock and without salt. The
lowest level holds a SHA-256 for each data block, each higher level one for each block of the level below; the
highest, which is one block, comes first. The hash of that block decides everything.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

BLOCK = 4096
OPTION = "causeway.verity"
"""Of the kernel's command line, for the initramfs: `BLOCKS:HASH`."""


@dataclass(frozen=True, slots=True)
class Tree:
    """What has to be known to verify an image: where its hash tree begins, and what is above it."""

    blocks: int
    """Of data; the tree follows them."""
    root: str
    """SHA-256 of the highest block, in hex."""

    @property
    def option(self) -> str:
        """The kernel's option."""
        return f"{OPTION}={self.blocks}:{self.root}"


def append(image: Path) -> Tree:
    """Pad the image, of more than one block, to whole blocks and write its hash tree behind it."""
    with image.open("r+b") as file:
        digests = bytearray()
        blocks = 0
        while block := file.read(BLOCK):
            digests += hashlib.sha256(block.ljust(BLOCK, b"\0")).digest()
            blocks += 1
        levels = _levels(bytes(digests))
        file.truncate(blocks * BLOCK)
        file.seek(blocks * BLOCK)
        for level in reversed(levels):
            file.write(level)
    return Tree(blocks, hashlib.sha256(levels[-1]).hexdigest())


def _levels(digests: bytes) -> list[bytes]:
    """The levels above these digests of the data, lowest first, each in whole blocks."""
    levels = [digests.ljust(-(-len(digests) // BLOCK) * BLOCK, b"\0")]
    while len(levels[-1]) > BLOCK:
        below = levels[-1]
        level = b"".join(
            hashlib.sha256(below[place : place + BLOCK]).digest() for place in range(0, len(below), BLOCK)
        )
        levels.append(level.ljust(-(-len(level) // BLOCK) * BLOCK, b"\0"))
    return levels
