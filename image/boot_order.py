"""Which files a start reads, in which order, so that they can lie together in the root file system.

Files smaller than a block share blocks of 1 MiB. The kernel unpacks the whole of one for any file in it, and
keeps the last three (squashfs, fragments). Files that are read one after the other but lie apart cost as many
times a megabyte as there are files.

How the list was made is said at its head. What is missing in it costs time, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

LIST = Path(__file__).with_name("boot-order.txt")


def paths(tree: Path, lines: Iterable[str] | None = None) -> list[str]:
    """The listed files that are in the tree, relative to it, in order; versions differ in what is `*` there.

    `lines`: those of the list unless given.
    """
    found: dict[str, None] = {}
    for line in LIST.read_text().splitlines() if lines is None else lines:
        if line and not line.startswith("#"):
            found.update(dict.fromkeys(str(path.relative_to(tree)) for path in sorted(tree.glob(line))))
    return list(found)
