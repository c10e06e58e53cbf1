"""What is read together lies together on the root file system."""

from __future__ import annotations

from image import disk


def test_files_are_written_in_the_order_they_are_read_in() -> None:
    assert disk.ranked(["b.pyc", "a.pyc"]) == "b.pyc 32767\na.pyc 32766\n"


def test_no_rank_is_one_that_mksquashfs_refuses() -> None:
    lines = disk.ranked([str(n) for n in range(70_000)]).splitlines()
    ranks = [int(line.split()[1]) for line in lines]
    assert ranks == sorted(ranks, reverse=True)
    assert min(ranks) > 0
