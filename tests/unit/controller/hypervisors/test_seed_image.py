"""The image that carries a seed: small, the same every time, and read by those who read such images."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from causeway_controller.hypervisors import seed_image
from tests import seeds


def test_the_same_seed_makes_the_same_octets() -> None:
    data = seed_image.encode(seeds.seed())
    image = seed_image.iso(data)
    assert image == seed_image.iso(data)
    assert len(image) < 64 * 1024
    assert len(image) % seed_image.SECTOR == 0


@pytest.mark.parametrize("length", [0, 1, seed_image.SECTOR, seed_image.SECTOR + 1, 16 * 1024])
def test_xorriso_finds_the_file_whole(length: int, tmp_path: Path) -> None:
    content = bytes(n % 251 for n in range(length))
    image, copy = tmp_path / "seed.iso", tmp_path / "copy"
    image.write_bytes(seed_image.iso(content))
    file = f"stdio:{image}"  # below /dev it would be taken for a drive
    done = subprocess.run(
        ["xorriso", "-indev", file, "-osirrox", "on", "-pvd_info", "-extract", "/SEED.JSON", copy],
        check=True,
        capture_output=True,
        text=True,
    )
    assert "Volume Id    : CAUSEWAY\n" in done.stdout + done.stderr
    assert copy.read_bytes() == content
