"""The disk that ships, read without booting it: nobody's identity, signed boot files, slots as documented."""

from __future__ import annotations

import json
import re
import struct
import subprocess
from pathlib import Path

import pytest

from image import layout, verity
from image.layout import ESP, MIB, ROOT_A, ROOT_B, STATE
from image.subject import Subject

pytestmark = pytest.mark.booted

BOOT_FILES = {
    "causeway/a/initrd",
    "causeway/a/manifest.json",
    "loader/entries/a.conf",
    "loader/loader.conf",
    "syslinux.cfg",
}
"""Besides those signed. syslinux' own are hidden files."""
SIGNERS = {
    "EFI/BOOT/BOOTX64.EFI": b"Microsoft Corporation UEFI CA",
    "EFI/BOOT/grubx64.efi": b"Debian Secure Boot CA",
    "causeway/a/linux": b"Debian Secure Boot CA",
}


@pytest.fixture(scope="session")
def raw(machine: Subject, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The disk, partition by partition readable."""
    if machine.format == "raw":
        return machine.disk
    path: Path = tmp_path_factory.mktemp("pristine") / "disk.raw"
    subprocess.run(["qemu-img", "convert", "-O", "raw", machine.disk, path], check=True)
    return path


def test_partitions_are_the_documented_ones(raw: Path) -> None:
    shown = subprocess.run(["sfdisk", "--json", raw], check=True, capture_output=True, text=True)
    table = json.loads(shown.stdout)["partitiontable"]
    found = [
        (part["name"], part["uuid"].lower(), part["start"] * 512 // MIB, part["size"] * 512 // MIB)
        for part in table["partitions"]
    ]
    assert found == [(p.name, p.uuid, layout.starts()[p.name], p.mebibytes) for p in layout.PARTITIONS]
    assert table["label"] == "gpt"


def test_nobody_has_an_identity_yet(raw: Path) -> None:
    assert system(raw, "-cat", "etc/machine-id") == ""
    paths = {line.removeprefix("squashfs-root") for line in system(raw, "-lc").splitlines()}
    born = r"ssh_host|authorized_keys|/random-seed$|resolv\.conf"
    assert [path for path in paths if re.search(born, path)] == []
    assert {path for path in paths if re.match(r"/(root|var)(/|$)", path)} == {"/root", "/var"}
    assert "/etc/ssh/sshd_config" in paths


def test_the_hash_tree_is_that_of_the_system_and_the_entries_name_it(raw: Path, tmp_path: Path) -> None:
    option = re.search(rf"{verity.OPTION}=(\d+):\S+", esp(raw, "loader/entries/a.conf").decode())
    assert option is not None
    image, octets = tmp_path / "root.img", int(option[1]) * verity.BLOCK
    with raw.open("rb") as file:
        file.seek(layout.starts()[ROOT_A.name] * MIB)
        image.write_bytes(file.read(octets))
        assert verity.append(image).option == option[0]
        file.seek(layout.starts()[ROOT_A.name] * MIB)
        assert file.read(image.stat().st_size) == image.read_bytes()
    assert option[0] in esp(raw, "syslinux.cfg").decode()


def test_the_state_partition_and_the_other_slot_are_empty(raw: Path) -> None:
    names = {line.split("/")[5] for line in ext4(raw, STATE.name, "ls -p /").splitlines() if line}
    assert names == {".", "..", "lost+found"}
    start = layout.starts()[ROOT_B.name] * MIB
    with raw.open("rb") as file:
        file.seek(start)
        assert file.read(MIB) == bytes(MIB)


def test_the_state_is_clean(raw: Path) -> None:
    finished = subprocess.run(
        ["e2fsck", "-f", "-n", f"{raw}?offset={layout.starts()[STATE.name] * MIB}"],
        check=False,
        capture_output=True,
    )
    assert finished.returncode == 0, finished.stdout


def test_the_boot_partition_is_clean(raw: Path, tmp_path: Path) -> None:
    """No word about a boot sector's copy or anything else: each start checks it and logs what it finds."""
    esp = tmp_path / "esp.img"
    with raw.open("rb") as file:
        file.seek(layout.starts()[ESP.name] * MIB)
        esp.write_bytes(file.read(ESP.mebibytes * MIB))
    checked = subprocess.run(["fsck.fat", "-n", esp], check=False, capture_output=True, text=True)
    assert checked.returncode == 0
    assert len(checked.stdout.splitlines()) == 2, checked.stdout


def test_the_boot_partition_holds_the_slot_and_its_loaders(raw: Path) -> None:
    at = f"{raw}@@{layout.starts()[ESP.name] * MIB}"
    listed = subprocess.run(["mdir", "-/", "-b", "-i", at, "::"], check=True, capture_output=True, text=True)
    found = {line.removeprefix("::/") for line in listed.stdout.split() if not line.endswith("/")}
    assert found == BOOT_FILES | set(SIGNERS)
    assert ROOT_A.uuid in esp(raw, "loader/entries/a.conf").decode()
    assert ROOT_A.uuid in esp(raw, "syslinux.cfg").decode()


@pytest.mark.parametrize("name", sorted(SIGNERS))
def test_what_firmware_starts_is_signed(raw: Path, name: str) -> None:
    """That firmware accepts it is shown by `make image-boots`; this says by whom it is signed."""
    content = esp(raw, name)
    start, size = certificates(content)
    assert size > 512
    assert SIGNERS[name] in content[start : start + size]


def esp(raw: Path, name: str) -> bytes:
    """A file of the EFI system partition."""
    at = f"{raw}@@{layout.starts()[ESP.name] * MIB}"
    return subprocess.run(["mtype", "-i", at, f"::/{name}"], check=True, capture_output=True).stdout


def ext4(raw: Path, name: str, request: str) -> str:
    """What debugfs(8) prints for this request to a partition."""
    at = f"{raw}?offset={layout.starts()[name] * MIB}"
    finished = subprocess.run(["debugfs", "-R", request, at], check=True, capture_output=True, text=True)
    assert "File not found" not in finished.stderr
    return finished.stdout


def system(raw: Path, *request: str) -> str:
    """What unsquashfs(1) prints of slot a for this request."""
    command = ["unsquashfs", "-offset", str(layout.starts()[ROOT_A.name] * MIB)]
    command += [*request[:1], str(raw), *request[1:]]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def certificates(program: bytes) -> tuple[int, int]:
    """Place and size of a PE file's certificate table (PE format, Optional Header Data Directories)."""
    head = struct.unpack_from("<I", program, 0x3C)[0]
    assert program[head : head + 4] == b"PE\0\0"
    optional = head + 24
    assert struct.unpack_from("<H", program, optional)[0] == 0x20B  # PE32+
    start, size = struct.unpack_from("<II", program, optional + 112 + 4 * 8)
    return start, size
