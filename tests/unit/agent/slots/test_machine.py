"""Which slot runs is what is mounted; a machine without two slots is told from one with them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from causeway_agent.slots import machine
from causeway_wire.problem import ProblemError, ProblemType
from causeway_wire.update import Slot


def place(root: Path, **disks: str) -> None:
    """A machine whose slots are on these disks."""
    (root / "etc").mkdir()
    (root / "etc/machine-id").write_text("ab12\n")
    (root / "sys/firmware/efi").mkdir(parents=True)
    (root / "sys/class/block").mkdir(parents=True)
    (root / "dev/disk/by-partuuid").mkdir(parents=True)
    for slot, disk in disks.items():
        device = root / f"dev/{disk}{slot}"
        device.touch()
        (root / "dev/disk/by-partuuid" / machine.PARTITIONS[Slot(slot)]).symlink_to(device)
        there = root / f"sys/devices/{disk}/{disk}{slot}"
        there.mkdir(parents=True)
        (root / f"sys/class/block/{disk}{slot}").symlink_to(there)


def refusal(root: Path) -> str:
    with pytest.raises(ProblemError) as caught:
        machine.look(root)
    assert caught.value.problem.type == ProblemType.UPDATE_UNSUPPORTED.urn
    return caught.value.problem.detail


def test_the_mounted_slot_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place(tmp_path, a="vda", b="vda")
    monkeypatch.setattr(machine, "_number", lambda path: 7 if path.name in {tmp_path.name, "vdab"} else 8)
    here, devices = machine.look(tmp_path)
    assert (here.running, here.machine_id) == (Slot.B, "ab12")
    assert devices[Slot.A] == tmp_path / "dev/vdaa"


def test_what_is_below_a_verified_root_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """dm-verity's device is no partition: sysfs says which one it reads."""
    place(tmp_path, a="vda", b="vda")
    below = tmp_path / "sys/dev/block/253:0/slaves/vdaa"
    below.mkdir(parents=True)
    (below / "dev").write_text("254:2\n")
    mapped, read = os.makedev(253, 0), os.makedev(254, 2)
    numbers = {tmp_path.name: mapped, "vdaa": read, "vdab": os.makedev(254, 3)}
    monkeypatch.setattr(machine, "_number", lambda path: numbers[path.name])
    assert machine.look(tmp_path)[0].running is Slot.A


def test_one_that_was_started_by_bios_is_refused(tmp_path: Path) -> None:
    assert "BIOS" in refusal(tmp_path)


def test_one_with_one_slot_is_refused(tmp_path: Path) -> None:
    place(tmp_path, a="vda")
    assert "no two slots" in refusal(tmp_path)


def test_slots_on_two_disks_are_refused(tmp_path: Path) -> None:
    place(tmp_path, a="vda", b="vdb")
    assert "on two disks" in refusal(tmp_path)


def test_one_that_runs_from_elsewhere_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place(tmp_path, a="vda", b="vda")
    monkeypatch.setattr(machine, "_number", lambda path: len(path.name))
    assert "neither" in refusal(tmp_path)
