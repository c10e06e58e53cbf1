"""The VMDK of the OVA: what is written is read again by two others, octet by octet, and as a stream."""

from __future__ import annotations

import hashlib
import random
import re
import shutil
import struct
import subprocess
import zlib
from pathlib import Path

import pytest

from image import vmdk

GRAIN = vmdk.GRAIN * vmdk.SECTOR
HEADER = struct.Struct("<4sIIQQQQIQQQB4sH")
READ = """
import hashlib, pyvmdk, sys
disk = pyvmdk.open(sys.argv[1]); disk.open_extent_data_files()
print(disk.get_media_size(), hashlib.sha256(disk.read(disk.get_media_size())).hexdigest())
"""


def disk(tmp_path: Path, octets: int, *, seed: int = 1) -> Path:
    """A third of its grains noise, a third text, a third holes; the last always noise."""
    chance = random.Random(seed)  # noqa: S311 - the same every time
    content = bytearray(octets)
    for start in range(0, octets, GRAIN):
        end = min(start + GRAIN, octets)
        kind = 0 if end == octets else chance.randrange(3)
        if kind == 0:
            content[start:end] = chance.randbytes(end - start)
        elif kind == 1:
            content[start:end] = (b"text %d " % start * GRAIN)[: end - start]
    path = tmp_path / "disk.raw"
    path.write_bytes(content)
    return path


SIZES = [512, GRAIN - 512, GRAIN, 40 * GRAIN + 512, 600 * GRAIN + 3 * 512]
"""Less than a grain, a grain, a table that is not full, more than one table."""


@pytest.mark.parametrize("octets", SIZES)
def test_qemu_reads_the_same_octets(tmp_path: Path, octets: int) -> None:
    raw = disk(tmp_path, octets)
    vmdk.write(raw, tmp_path / "disk.vmdk")
    for command in (
        ["check", "disk.vmdk"],
        ["compare", "-f", "raw", "-F", "vmdk", raw.name, "disk.vmdk"],
    ):
        finished = subprocess.run(["qemu-img", *command], cwd=tmp_path, capture_output=True, check=False)
        assert finished.returncode == 0, finished.stdout + finished.stderr


@pytest.mark.parametrize("octets", SIZES)
def test_libvmdk_reads_the_same_octets(tmp_path: Path, octets: int) -> None:
    raw = disk(tmp_path, octets)
    vmdk.write(raw, tmp_path / "disk.vmdk")
    command = ["/usr/bin/python3", "-c", READ, str(tmp_path / "disk.vmdk")]
    said = subprocess.run(command, capture_output=True, check=True, text=True).stdout.split()
    assert said == [str(octets), hashlib.sha256(raw.read_bytes()).hexdigest()]


def test_vmwares_converter_reads_the_same_octets(tmp_path: Path) -> None:
    converter = shutil.which("vmdk-convert")
    if converter is None:
        pytest.skip("needs VMware's vmdk-convert (open-vmdk), which Debian does not have")
    raw = disk(tmp_path, SIZES[-1])
    vmdk.write(raw, tmp_path / "disk.vmdk")
    command = [converter, str(tmp_path / "disk.vmdk"), str(tmp_path / "again.raw")]
    subprocess.run(command, capture_output=True, check=True)
    assert (tmp_path / "again.raw").read_bytes() == raw.read_bytes()


@pytest.mark.parametrize("octets", SIZES)
def test_a_reader_of_the_stream_that_looks_at_no_table_gets_the_same(tmp_path: Path, octets: int) -> None:
    """As a host takes it in while it arrives: grains in order, a footer, the end, and nothing after it."""
    raw = disk(tmp_path, octets)
    vmdk.write(raw, tmp_path / "disk.vmdk")
    file = (tmp_path / "disk.vmdk").read_bytes()
    header = HEADER.unpack_from(file)
    at, seen, content, last = header[10] * vmdk.SECTOR, [], bytearray(octets), -1
    while True:
        number, size, kind = struct.unpack_from("<QII", file, at)
        if size:
            assert number > last
            last = number
            grain = zlib.decompress(file[at + 12 : at + 12 + size])
            assert len(grain) == GRAIN
            start = number * vmdk.SECTOR
            content[start : start + GRAIN] = grain[: octets - start]
            at += -(-(12 + size) // vmdk.SECTOR) * vmdk.SECTOR
        else:
            seen.append(kind)
            at += vmdk.SECTOR * (1 + number)
            if kind == 0:
                break
    assert bytes(content) == raw.read_bytes()
    assert seen == [3, 0]
    assert at == len(file)


def test_the_header_is_that_of_vmwares_converter_and_the_footer_says_the_same(tmp_path: Path) -> None:
    raw = disk(tmp_path, SIZES[-1])
    vmdk.write(raw, tmp_path / "disk.vmdk")
    file = (tmp_path / "disk.vmdk").read_bytes()
    magic, version, flags, capacity, grain, *_, lines, deflate = HEADER.unpack_from(file)
    assert (magic, version, flags) == (b"KDMV", 3, 0x30001)
    assert (capacity, grain, lines, deflate) == (SIZES[-1] // 512, 128, b"\n \r\n", 1)
    assert file[-2 * 512 : -512] == file[:512]
    assert file[-3 * 512 : -2 * 512] == struct.pack("<QII", 1, 0, 3).ljust(512, b"\0")
    assert file[-512:] == bytes(512)


def test_the_descriptor_names_the_file_and_a_scsi_adapter(tmp_path: Path) -> None:
    vmdk.write(disk(tmp_path, SIZES[-1]), tmp_path / "some name.vmdk")
    text = (tmp_path / "some name.vmdk").read_bytes()[512 : 21 * 512].rstrip(b"\0").decode()
    assert f'RW {SIZES[-1] // 512} SPARSE "some name.vmdk"' in text
    assert 'createType="streamOptimized"' in text
    assert 'ddb.adapterType = "lsilogic"' in text
    content = re.search(r"^CID=([0-9a-f]{8})$", text, re.MULTILINE)
    assert content is not None
    assert re.search(rf'^ddb\.longContentID = "[0-9a-f]{{24}}{content[1]}"$', text, re.MULTILINE)


def test_equal_disks_make_equal_files_and_others_another_identifier(tmp_path: Path) -> None:
    files = []
    for number, seed in enumerate((1, 1, 2)):
        place = tmp_path / str(number)
        place.mkdir()
        vmdk.write(disk(place, 3 * GRAIN, seed=seed), place / "disk.vmdk")
        files.append((place / "disk.vmdk").read_bytes())
    assert files[0] == files[1]
    assert files[0][512 : 21 * 512] != files[2][512 : 21 * 512]


@pytest.mark.parametrize("octets", [0, 100])
def test_what_is_no_disk_is_refused(tmp_path: Path, octets: int) -> None:
    (tmp_path / "raw").write_bytes(bytes(octets))
    with pytest.raises(ValueError, match="whole number of sectors"):
        vmdk.write(tmp_path / "raw", tmp_path / "disk.vmdk")
