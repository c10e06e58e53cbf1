"""Our reader of images against our writer, against xorriso, and against whatever else may be on a disk."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from causeway_agent.first_boot import iso9660
from causeway_controller.hypervisors import seed_image

IMAGE = seed_image.iso(b'{"version": 1}')
LIMIT = 16 * 1024


def reader(image: bytes) -> iso9660.Read:
    return lambda offset, length: image[offset : offset + length]


@given(st.binary(max_size=3 * iso9660.SECTOR))
def test_what_we_write_we_read(content: bytes) -> None:
    read = reader(seed_image.iso(content))
    assert iso9660.label(read) == "CAUSEWAY"
    assert iso9660.file(read, "seed.json", limit=LIMIT) == content


@pytest.mark.parametrize(
    "options", [(), ("-r",), ("-J",), ("-J", "-r"), ("--norock", "-J"), ("-iso-level", "3")]
)
def test_what_xorriso_writes_we_read(options: tuple[str, ...], tmp_path: Path) -> None:
    """Without `-iso-level` it shortens the identifier to 8.3 characters, and the name is Rock Ridge's."""
    other, content, image = tmp_path / "other.txt", tmp_path / "seed.json", tmp_path / "x.iso"
    other.write_bytes(b"other")
    content.write_bytes(b"content")
    command = ("xorriso", "-as", "mkisofs", "-V", "CAUSEWAY", *options, "-o")
    subprocess.run([*command, image, other, content], check=True, capture_output=True)
    read = reader(image.read_bytes())
    assert iso9660.label(read) == "CAUSEWAY"
    assert iso9660.file(read, "seed.json", limit=LIMIT) == b"content"


def test_a_disk_of_another_kind_has_no_label() -> None:
    assert iso9660.label(reader(b"")) is None
    assert iso9660.label(reader(bytes(64 * 1024))) is None


def test_a_copy_that_ends_early_is_told() -> None:
    with pytest.raises(iso9660.DamagedError, match="not copied whole"):
        iso9660.file(reader(seed_image.iso(b"x" * 3000)[:-2048]), "seed.json", limit=LIMIT)


def test_a_long_file_is_not_read_whole() -> None:
    assert len(iso9660.file(reader(seed_image.iso(b"x" * 3 * LIMIT)), "seed.json", limit=LIMIT)) == LIMIT + 1


@given(st.lists(st.tuples(st.integers(16 * 2048, len(IMAGE) - 1), st.integers(0, 255)), max_size=20))
def test_a_damaged_image_is_told_and_nothing_worse(damages: list[tuple[int, int]]) -> None:
    image = bytearray(IMAGE)
    for at, octet in damages:
        image[at] = octet
    read = reader(bytes(image))
    iso9660.label(read)
    with contextlib.suppress(iso9660.DamagedError):
        assert len(iso9660.file(read, "seed.json", limit=LIMIT)) <= LIMIT + 1
