"""What weighs what: places of the tree, unpacked and compressed. No effects beyond reading."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

PLACES = (
    ("kernel", "efi/causeway/a/linux"),
    ("initramfs", "efi/causeway/a/initrd"),
    ("boot loaders", "efi/EFI"),
    ("kernel modules", "usr/lib/modules"),
    ("the agent's wheels", "opt/causeway"),
    ("Python", "usr/lib/python3"),
    ("systemd", "usr/lib/systemd"),
    ("shared libraries", "usr/lib/x86_64-linux-gnu"),
    ("programs", "usr/bin"),
    ("programs of root", "usr/sbin"),
    ("other of /usr/lib", "usr/lib"),
    ("licences", "usr/share/doc"),
    ("time zones", "usr/share/zoneinfo"),
    ("package database", "usr/share/causeway"),
    ("everything else", ""),
)
"""Names and path prefixes; a file counts where it is matched first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weight:
    """Octets of a place."""

    name: str
    files: int
    plain: int
    compressed: int
    """Each file by itself with deflate, as a stream-optimised VMDK does with grains of 64 KiB."""


def weigh(trees: Iterable[tuple[str, Path]]) -> tuple[Weight, ...]:
    """The weight of every place over these trees, each given with the prefix of its paths."""
    counted = {name: [0, 0, 0] for name, _ in PLACES}
    for prefix, tree in trees:
        for path in sorted(tree.rglob("*")):
            if path.is_file() and not path.is_symlink():
                row = counted[place(prefix + str(path.relative_to(tree)))]
                content = path.read_bytes()
                row[0] += 1
                row[1] += len(content)
                row[2] += len(zlib.compress(content, 6))
    return tuple(
        Weight(name=name, files=row[0], plain=row[1], compressed=row[2]) for name, row in counted.items()
    )


def place(path: str) -> str:
    """The name of the place that a path belongs to."""
    return next(name for name, prefix in PLACES if path.startswith(prefix))


def table(weights: Iterable[Weight]) -> str:
    """The weights as a Markdown table, heaviest first, in MB of a million octets."""
    rows = sorted(weights, key=lambda each: (-each.compressed, each.name))
    lines = ["| what | files | MB | MB compressed |", "| --- | ---: | ---: | ---: |"]
    lines += [f"| {r.name} | {r.files} | {r.plain / 1e6:.1f} | {r.compressed / 1e6:.1f} |" for r in rows]
    total = [sum(getattr(r, field) for r in rows) for field in ("files", "plain", "compressed")]
    lines.append(f"| all | {total[0]} | {total[1] / 1e6:.1f} | {total[2] / 1e6:.1f} |")
    return "\n".join(lines) + "\n"
