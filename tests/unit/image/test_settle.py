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


@pytest.mark.parametrize("form", ["vhdx", "vmdk"])
def test_two_conversions_become_one_and_the_same(raw: Path, tmp_path: Path, form: str) -> None:
    contents = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        path = made(tmp_path / name / "disk", form, raw, "-o", f"subformat={SUBFORMATS[form]}")
        contents.append([path.read_bytes()])
        getattr(settle, form)(path)
        contents[-1].append(path.read_bytes())
        for check in (["check", str(path)], ["compare", "-f", "raw", "-F", form, str(raw), str(path)]):
            assert subprocess.run(["qemu-img", *check], capture_output=True, check=False).returncode == 0
    (drawn, fixed), (drawn_again, fixed_again) = contents
    assert drawn != drawn_again
    assert fixed == fixed_again


SUBFORMATS = {"vhdx": "dynamic,block_size=1M", "vmdk": "streamOptimized"}


@pytest.mark.parametrize("drawn", [b"1", b"abc", b"0badcafe"])
def test_a_content_identifier_of_any_length_becomes_the_same(tmp_path: Path, drawn: bytes) -> None:
    path = tmp_path / "disk.vmdk"
    text = b"# Disk DescriptorFile\nversion=1\nCID=" + drawn + b"\nparentCID=ffffffff\n"
    path.write_bytes(b"KDMV".ljust(512, b"\0") + text.ljust(20 * 512, b"\0") + b"grains")
    settle.vmdk(path)
    settled = text.replace(b"\nCID=" + drawn, b"\nCID=" + settle.CONTENT_ID)
    assert path.read_bytes() == b"KDMV".ljust(512, b"\0") + settled.ljust(20 * 512, b"\0") + b"grains"


def test_what_a_longer_descriptor_left_behind_goes(tmp_path: Path) -> None:
    path = tmp_path / "disk.vmdk"
    text = b"# Disk DescriptorFile\nversion=1\nCID=a8141b\nparentCID=ffffffff\n"
    path.write_bytes(b"KDMV".ljust(512, b"\0") + (text + b"\0\n").ljust(20 * 512, b"\0") + b"grains")
    settle.vmdk(path)
    settled = text.replace(b"a8141b", settle.CONTENT_ID)
    assert path.read_bytes() == b"KDMV".ljust(512, b"\0") + settled.ljust(20 * 512, b"\0") + b"grains"


@pytest.mark.parametrize("form", ["vhdx", "vmdk"])
def test_another_file_is_refused(tmp_path: Path, form: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(1 << 20))
    with pytest.raises(settle.UnexpectedFormatError):
        getattr(settle, form)(path)


def test_the_checksum_is_that_of_the_standard() -> None:
    assert settle.crc32c(b"123456789") == 0xE3069283
