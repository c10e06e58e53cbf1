"""How large a VHDX may grow is read out of it, and what is none is refused before anything is sent."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from causeway_controller.hypervisors.base import HypervisorError
from causeway_controller.hypervisors.hyperv import vhdx


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "appliance.vhdx"
    subprocess.run(["qemu-img", "create", "-q", "-f", "vhdx", path, "3G"], check=True)
    return path


def test_the_size_of_the_disk_is_the_images_not_the_files(image: Path) -> None:
    assert vhdx.capacity(image) == 3 << 30
    assert image.stat().st_size < 1 << 30


def test_the_second_copy_of_a_damaged_table_is_taken(image: Path) -> None:
    with image.open("r+b") as file:
        file.seek(192 << 10)
        file.write(bytes(64 << 10))
    assert vhdx.capacity(image) == 3 << 30
    with image.open("r+b") as file:
        file.seek(256 << 10)
        file.write(bytes(64 << 10))
    with pytest.raises(HypervisorError, match="damaged VHDX"):
        vhdx.capacity(image)


@pytest.mark.parametrize("content", [b"", b"QFI\xfb", bytes(4096)], ids=["empty", "qcow2", "raw"])
def test_what_is_no_vhdx_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "image"
    path.write_bytes(content)
    with pytest.raises(HypervisorError, match=r"is no VHDX; the appliance's VHDX stands beside"):
        vhdx.capacity(path)
    with pytest.raises(HypervisorError, match="cannot be read"):
        vhdx.capacity(tmp_path / "none")


def test_half_a_vhdx_is_damaged(image: Path) -> None:
    with image.open("r+b") as file:
        file.truncate(200 << 10)
    with pytest.raises(HypervisorError, match="damaged VHDX"):
        vhdx.capacity(image)
