"""The judge of power cuts sees what it is there to see."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from causeway_agent.slots.loader import Entry
from causeway_wire.update import Slot
from tests.power_cuts import block_log, judging, replay
from tests.power_cuts.block_log import SECTOR
from tests.power_cuts.judging import Found
from tests.power_cuts.replay import Cut

MARKER = 4 * SECTOR
FLUSH = 1


def sector(text: str) -> bytes:
    return text.encode().ljust(SECTOR, b"\0")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """One sector written and flushed, the marker, two more sectors written."""
    rows = [
        (0, sector("one"), 0),
        (0, b"", FLUSH),
        (MARKER, sector("bless b"), 0),
        (SECTOR, sector("two"), 0),
        (2 * SECTOR, sector("three"), 0),
    ]
    text = struct.pack("<QQQI", block_log.MAGIC, 1, len(rows), SECTOR).ljust(SECTOR, b"\0")
    for place, data, flags in rows:
        head = struct.pack("<QQQQ", place // SECTOR, len(data) // SECTOR, flags, 0)
        text += head.ljust(SECTOR, b"\0") + data
    path = tmp_path / "log"
    path.write_bytes(text)
    return path


def left(log: Path, *cuts: Cut) -> list[tuple[str, str]]:
    """The step of each cut, and what is on the disk's first sectors."""
    disk, into = log.with_name("disk"), log.with_name("state")
    disk.write_bytes(bytes(5 * SECTOR))
    entries = list(block_log.read(log))
    return [
        (state.step, " ".join(into.read_bytes()[: 3 * SECTOR].replace(b"\0", b" ").decode().split()))
        for state in replay.states(entries, cuts, disk, marker=MARKER, into=into)
    ]


def test_a_cut_has_what_was_written_before_it(log: Path) -> None:
    found = left(log, Cut(0), Cut(1), Cut(4), Cut(5))
    assert found == [("", ""), ("", "one"), ("bless b", "one two"), ("bless b", "one two three")]


def test_what_a_flush_was_asked_for_is_never_lost_and_anything_since_may_be(log: Path) -> None:
    found = {text for seed in range(60) for _, text in left(log, Cut(5, seed=seed))}
    assert found == {"one", "one two", "one three", "one two three"}


def test_every_flush_is_among_the_cuts_and_a_seed_gives_the_same_ones(log: Path) -> None:
    entries = list(block_log.read(log))
    found = replay.cuts(entries, count=9, seed=3)
    assert len(found) == 9
    assert {Cut(1), Cut(2)} <= set(found)
    assert found == replay.cuts(entries, count=9, seed=3)
    assert found != replay.cuts(entries, count=9, seed=4)


def test_another_file_is_no_log(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(bytes(SECTOR))
    with pytest.raises(ValueError, match="no log of writes"):
        list(block_log.read(tmp_path / "log"))


GOOD_A, GOOD_B = Entry(name="a.conf", slot=Slot.A), Entry(name="b.conf", slot=Slot.B)
TRIED_B = Entry(name="b+1-1.conf", slot=Slot.B, left=1)
BOTH, ONLY_A = frozenset(Slot), frozenset({Slot.A})


@pytest.mark.parametrize(
    ("entry", "whole", "step"),
    [
        (GOOD_A, ONLY_A, ""),
        (GOOD_A, ONLY_A, "receive b"),
        (GOOD_A, BOTH, "activate b"),
        (TRIED_B, BOTH, "activate b"),
        (TRIED_B, BOTH, "bless b"),
        (GOOD_B, BOTH, "bless b"),
        (GOOD_B, BOTH, "blessed b"),
    ],
)
def test_kept_promises(entry: Entry, whole: frozenset[Slot], step: str) -> None:
    assert judging.broken_promises(Found(entry, whole), step) == []


@pytest.mark.parametrize(
    ("entry", "whole", "step", "why"),
    [
        (None, BOTH, "receive b", "no system starts"),
        (GOOD_B, ONLY_A, "activate b", "slot b starts and is not whole"),
        (GOOD_B, BOTH, "receive b", "slot b starts, which is being written"),
        (GOOD_A, BOTH, "bless b", "slot a starts, not b"),
        (GOOD_A, BOTH, "blessed b", "slot a starts, not b"),
        (TRIED_B, BOTH, "blessed b", "the blessing of slot b is lost"),
    ],
)
def test_broken_promises(entry: Entry | None, whole: frozenset[Slot], step: str, why: str) -> None:
    assert judging.broken_promises(Found(entry, whole), step) == [why]
