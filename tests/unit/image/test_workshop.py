"""A step that fails: what is said, and where to read on."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from image.workshop import BuildError, Inputs, Workshop

INPUTS = Inputs(commit="c" * 40, epoch=1, version="1", modified=False)
TRACE = "2026-11-28 00:16:07.767 | + functions:unmount_dir:453     :   sudo umount -fl /mnt/dev"


def shop(place: Path) -> Workshop:
    return Workshop(inputs=INPUTS, build=place / "build", dist=place / "dist")


def test_a_failed_step_is_named_with_its_log_and_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(BuildError) as caught, shop(tmp_path).step("convert") as step:
        step.run(sys.executable, "-c", "import sys; sys.exit('the disk is full')")
    said = str(caught.value)
    assert "the disk is full" in said
    assert "image: step convert failed" in said
    assert f"image: its log is {tmp_path / 'build/convert.log'}" in said


def test_what_went_wrong_is_shown_and_not_the_tracing_behind_it(tmp_path: Path) -> None:
    said_by_it = tmp_path / "said"
    said_by_it.write_text("\n".join(["2026-11-28 00:16:07.076 | libraries are missing", *[TRACE] * 40, ""]))
    with pytest.raises(BuildError) as caught, shop(tmp_path).step("rootfs") as step:
        step.run("sh", "-c", f"cat {said_by_it}; exit 3")
    said = str(caught.value)
    assert "libraries are missing" in said
    assert "unmount_dir" not in said
