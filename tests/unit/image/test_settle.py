"""Fixed identifiers in disk files."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from image import settle


def made(path: Path, form: str, raw: Path, *options: str) -> Path:
    command = ["qemu-img", "convert", "-f", "raw", "-O", form, *options, str(raw), str(path)]
    subprocess.run(command, check=True)
    return path


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    path = tmp_path / "disk.raw"
    path.write_bytes(bytes(1 << 20) + b"content" * 1000 + bytes(1 << 20))
    subprocess.run(["truncate", "--size=8M", path], check=True)
    return path


def test_two_conversions_become_one_and_the_same(raw: Path, tmp_path: Path) -> None:
    contents = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        path = made(tmp_path / name / "disk", "vhdx", raw, "-o", "subformat=dynamic,block_size=1M")
        contents.append([path.read_bytes()])
        settle.vhdx(path)
        contents[-1].append(path.read_bytes())
        for check in (["check", str(path)], ["compare", "-f", "raw", "-F", "vhdx", str(raw), str(path)]):
            assert subprocess.run(["qemu-img", *check], capture_output=True, check=False).returncode == 0
    (drawn, fixed), (drawn_again, fixed_again) = contents
    assert drawn != drawn_again
    assert fixed == fixed_again


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(1 << 20))
    with pytest.raises(settle.UnexpectedFormatError):
        settle.vhdx(path)


def test_the_checksum_is_that_of_the_standard() -> None:
    assert settle.crc32c(b"123456789") == 0xE3069283
