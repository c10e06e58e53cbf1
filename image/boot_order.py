"""Which files a start reads, so that they lie together in the root file system and are read once through.

Files smaller than a block share blocks of 1 MiB. The kernel verifies and unpacks the whole of one for any
file in it, and keeps the last three (squashfs, fragments). Programs that start side by side read a file here
and a file there: each of them cost a block. So the initramfs reads all of them before anything runs, as they
lie there, and what programs read then is at hand.

How the list was made is said at its head. What is missing in it costs time, and nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

LIST = Path(__file__).with_name("boot-order.txt")
PLACE = "usr/share/causeway/boot-order"
"""In the tree: what the initramfs reads."""


def paths(tree: Path, lines: Iterable[str] | None = None) -> list[str]:
    """The listed files that are in the tree, relative to it, in order; versions differ in what is `*` there.

    `lines`: those of the list unless given.
    """
    found: dict[str, None] = {}
    for line in LIST.read_text().splitlines() if lines is None else lines:
        if line and not line.startswith("#"):
            found.update(dict.fromkeys(str(path.relative_to(tree)) for path in sorted(tree.glob(line))))
    return list(found)


def leave(tree: Path, behind: Sequence[str], *, epoch: int) -> tuple[str, ...]:
    """Leave the files' names in the tree, in lines dated `epoch`; return them in order, `behind` last."""
    # What a module calls its bytecode is not there where only its source is.
    there = (path for path in behind if (tree / path).is_file())
    read = tuple(dict.fromkeys((*paths(tree), *there)))
    place = tree / PLACE
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("".join(f"{path}\n" for path in read))
    place.chmod(0o644)
    for path in (place, place.parent):
        os.utime(path, (epoch, epoch))
    return read
