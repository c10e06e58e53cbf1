"""What weighs what, and what differs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from image import compare, rootfs, weights


def test_every_file_counts_once(tmp_path: Path) -> None:
    for name in ("usr/lib/modules/a.ko", "usr/lib/other", "srv/x"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"0" * 1000)
    found = {each.name: (each.files, each.plain) for each in weights.weigh([("", tmp_path)]) if each.files}
    assert found == {
        "kernel modules": (1, 1000),
        "other of /usr/lib": (1, 1000),
        "everything else": (1, 1000),
    }


@pytest.fixture
def trees(tmp_path: Path) -> tuple[Path, Path]:
    for name in ("one", "other"):
        (tmp_path / name / "etc").mkdir(parents=True)
        (tmp_path / name / "etc/file").write_text("text")
        rootfs.date(tmp_path / name, 1000)
    return tmp_path / "one", tmp_path / "other"


def test_equal_trees_are_equal(trees: tuple[Path, Path]) -> None:
    assert compare.differing_paths(*trees) == []


def test_a_difference_is_named_whatever_its_kind(trees: tuple[Path, Path]) -> None:
    one, other = trees
    (other / "etc/file").write_text("Text")
    os.utime(other / "etc/file", (1000, 1000))
    (other / "etc/more").touch()
    (one / "etc").chmod(0o700)
    found = compare.differing_paths(*trees)
    assert [line.partition(":")[0] for line in found] == ["etc", "etc/file", "etc/more"]


def test_dates_younger_than_the_epoch_become_the_epoch(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    for path, when in ((old, 10), (new, 5000)):
        path.touch()
        os.utime(path, (when, when))
    rootfs.date(tmp_path, 1000)
    assert (old.stat().st_mtime, new.stat().st_mtime, tmp_path.stat().st_mtime) == (10, 1000, 1000)
