"""What a machine shows of itself before anybody configured it."""

from __future__ import annotations

import errno
import ipaddress
import os
from pathlib import Path

import pytest

from causeway_agent.backends.host import block_devices, guestinfo, hardware
from causeway_agent.backends.host.block_devices import Disk
from causeway_agent.backends.kernel import interface_addresses
from causeway_agent.errors import BackendError


def tool(directory: Path, script: str) -> None:
    path = directory / guestinfo.TOOL
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.mark.parametrize(
    ("script", "value"),
    [
        ('[ "$1" = "info-get guestinfo.causeway.seed" ] && echo "{}"', b"{}"),
        ("echo 'No value found'", None),
        ("echo 'No value found' >&2; exit 1", None),
        ("exit 1", None),
        ("true", None),
    ],
)
def test_a_guestinfo_variable_is_set_or_not(
    script: str, value: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool(tmp_path, script)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert guestinfo.read("causeway.seed") == value


def test_a_missing_tool_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BackendError, match="not installed"):
        guestinfo.read("causeway.seed")


def test_only_vmware_is_vmware(tmp_path: Path) -> None:
    vendor = tmp_path / "sys_vendor"
    assert not guestinfo.is_vmware(vendor)
    vendor.write_text("QEMU\n")
    assert not guestinfo.is_vmware(vendor)
    vendor.write_text("VMware, Inc.\n")
    assert guestinfo.is_vmware(vendor)


def test_drives_are_looked_at_first_and_what_stands_for_others_never(tmp_path: Path) -> None:
    for name in ("vda", "sr1", "loop0", "zram0", "cciss!c0d0", "sr0", "dm-0", "ram1"):
        (tmp_path / name).mkdir()
    found = [str(disk.path) for disk in block_devices.disks(tmp_path)]
    assert found == ["/dev/sr0", "/dev/sr1", "/dev/cciss/c0d0", "/dev/vda"]
    assert block_devices.disks(tmp_path / "nothing") == ()


def test_a_disk_is_read_anywhere_and_never_past_its_end(tmp_path: Path) -> None:
    (tmp_path / "disk").write_bytes(bytes(range(100)))
    with Disk(tmp_path / "disk").opened() as reader:
        assert reader.read(90, 20) == bytes(range(90, 100))
        assert reader.read(1 << 40, 20) == b""


def test_what_is_no_drive_ejects_nothing(tmp_path: Path) -> None:
    (tmp_path / "disk").touch()
    assert not Disk(tmp_path / "disk").eject()
    assert not Disk(tmp_path / "gone").eject()


def test_no_medium_is_no_error_worth_telling() -> None:
    assert block_devices.is_empty(OSError(errno.ENOMEDIUM, os.strerror(errno.ENOMEDIUM)))
    assert not block_devices.is_empty(OSError(errno.EIO, os.strerror(errno.EIO)))


def test_adapters_and_addresses_name_devices_of_this_machine() -> None:
    names = {path.name for path in Path("/sys/class/net").iterdir()}
    assert set(hardware.adapters().values()) <= names - {"lo"}
    assert set(interface_addresses.read()) <= names
    for interfaces in interface_addresses.read().values():
        assert all(isinstance(each, ipaddress.IPv4Interface | ipaddress.IPv6Interface) for each in interfaces)


def test_vlans_need_their_module(tmp_path: Path) -> None:
    assert hardware.makes_vlans(tmp_path)
    assert not hardware.makes_vlans(tmp_path / "vlan")
