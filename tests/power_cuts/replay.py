"""From a log of writes to what a disk can hold after a power cut.

Two kinds of cut. The machine alone dies (`lost=0`): the disk has what it was given up to then. Or the disk
loses its power too: of what it was given since its last flush, any sector may be missing.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tests.power_cuts.block_log import SECTOR, Entry


@dataclass(frozen=True, slots=True)
class Cut:
    """One power cut."""

    entry: int
    """So many entries of the log were done."""
    seed: int | None = None
    """Which sectors since the last flush are missing; None for none."""

    def __str__(self) -> str:
        return f"{self.entry}" if self.seed is None else f"{self.entry} with losses {self.seed}"


@dataclass(frozen=True, slots=True)
class State:
    """What it left."""

    cut: Cut
    step: str
    """The last marker before it."""


def cuts(entries: Sequence[Entry], *, count: int, seed: int) -> list[Cut]:
    """A cut after every flush, then random ones until there are `count`; in the log's order."""
    dice = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
    found = {Cut(number + 1) for number, entry in enumerate(entries) if entry.flush}
    found |= {Cut(number) for number, entry in enumerate(entries) if entry.flush}
    while len(found) < count:
        found.add(Cut(dice.randrange(len(entries) + 1), seed=dice.choice((None, dice.getrandbits(32)))))
    return sorted(found, key=lambda cut: (cut.entry, -1 if cut.seed is None else cut.seed))


def states(
    entries: Sequence[Entry], cuts: Sequence[Cut], disk: Path, *, marker: int, into: Path
) -> Iterator[State]:
    """Make each cut's disk `into` one file, from the `disk` as it was before all of them; cuts in order."""
    content = bytearray(disk.read_bytes())
    unflushed: list[Entry] = []
    done, step = 0, ""
    for cut in cuts:
        for entry in entries[done : cut.entry]:
            if entry.place == marker and entry.data:
                step = entry.data.rstrip(b"\0").decode()
            if entry.data:
                unflushed.append(entry)
            if entry.flush:
                _write(content, unflushed)
                unflushed.clear()
        done = cut.entry
        left = bytearray(content)
        _write(left, unflushed if cut.seed is None else survivors(unflushed, cut.seed))
        into.write_bytes(left)
        yield State(cut, step)


def survivors(entries: Sequence[Entry], seed: int) -> list[Entry]:
    """Sectors that reached the medium unasked; a disk may take the last ones first."""
    dice = random.Random(seed)  # noqa: S311
    chance = dice.random()
    return [
        replace(entry, place=entry.place + start, data=entry.data[start : start + SECTOR])
        for entry in entries
        for start in range(0, len(entry.data), SECTOR)
        if dice.random() < chance
    ]


def _write(content: bytearray, entries: Sequence[Entry]) -> None:
    for entry in entries:
        content[entry.place : entry.place + len(entry.data)] = entry.data
