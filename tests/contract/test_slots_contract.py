"""The disk that installing is tested with behaves as the real one does; both take a whole update."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from causeway_agent.slots import installing, machine
from causeway_agent.slots.disk import ENTRIES, Disk, NoRoomError
from causeway_agent.slots.medium import Medium
from causeway_wire.update import Activation, Slot, SlotState
from image import layout
from tests.fakes.disk import FakeDisk
from tests.update_files import FIRST_ENTRY, HERE, ROOT_OCTETS, make, receive


def medium(directory: Path) -> Medium:
    """A directory for the EFI system partition, files for the root partitions."""
    roots = {slot: directory / f"root-{slot}" for slot in Slot}
    for root in roots.values():
        root.write_bytes(b"\xff" * ROOT_OCTETS)
    (directory / "esp" / ENTRIES).mkdir(parents=True)
    (directory / "esp" / ENTRIES / "a.conf").write_bytes(FIRST_ENTRY)
    return Medium(directory / "esp", roots)


@pytest.fixture(params=["medium", "fake"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Disk:
    return medium(tmp_path) if request.param == "medium" else FakeDisk()


@pytest.fixture(autouse=True)
def order(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Calls that bring something to the medium, in order; those for the whole host are not made."""
    found: list[str] = []
    fsync = os.fsync

    def one(descriptor: int) -> None:
        found.append("directory" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    monkeypatch.setattr(os, "sync", lambda: found.append("all"))
    monkeypatch.setattr(os, "fsync", one)
    return found


def test_a_change_is_over_when_the_whole_file_system_is_written_and_the_disk_has_it(
    tmp_path: Path, order: list[str]
) -> None:
    """That this is enough on FAT, and less is not, is shown by `make power-cuts`."""
    disk = medium(tmp_path)
    disk.write("some/where", [b"one"])
    assert order == ["file", "all", "directory"]
    order.clear()
    disk.delete("some/where")
    assert order == ["all", "directory"]


def test_files_are_written_read_listed_and_deleted(disk: Disk) -> None:
    assert disk.read("some/where") is None
    assert disk.size("some/where") == 0
    assert disk.names("some") == ()
    disk.write("some/where", [b"on", b"e"])
    disk.write("some/else", [])
    assert (disk.read("some/where"), disk.size("some/where")) == (b"one", 3)
    assert disk.names("some") == ("else", "where")
    disk.write("some/where", [b"two!"])
    assert disk.read("some/where") == b"two!"
    for _ in range(2):
        disk.delete("some/where")
    assert disk.names("some") == ("else",)


def test_a_file_whose_content_fails_is_not_there(disk: Disk) -> None:
    def broken() -> Iterator[bytes]:
        yield b"half"
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 - it is the test's own
        disk.write("some/where", broken())
    assert disk.read("some/where") is None
    assert disk.names("some") == ()


def test_a_root_is_what_was_written_and_zeros(disk: Disk) -> None:
    disk.fill(Slot.B, [b"first" * 1000, bytes(3_000_000), b"last"])
    whole = b"first" * 1000 + bytes(3_000_000) + b"last"
    assert disk.root_octets(Slot.B) == ROOT_OCTETS
    known = FakeDisk()
    known.roots[Slot.B] = bytearray(whole.ljust(ROOT_OCTETS, b"\0"))
    for octets in (5, len(whole), ROOT_OCTETS):
        assert disk.root_digest(Slot.B, octets) == known.root_digest(Slot.B, octets)
    disk.write("x", [whole])
    assert disk.digest("x") == disk.root_digest(Slot.B, len(whole))


def test_a_root_that_does_not_fit_is_refused(disk: Disk) -> None:
    with pytest.raises(NoRoomError):
        disk.fill(Slot.B, [bytes(ROOT_OCTETS), b"more"])


def test_an_update_arrives_is_activated_and_blessed(disk: Disk, tmp_path: Path) -> None:
    made = make(tmp_path)
    receive(disk, made)
    installing.activate(disk, HERE, Activation(build=made.build))
    assert disk.names(ENTRIES) == ("a.conf", "b+3.conf")
    there = installing.Here(running=Slot.B, architecture="x86_64", machine_id="", partitions=HERE.partitions)
    installing.bless(disk, there)
    assert disk.names(ENTRIES) == ("a.conf", "b.conf")
    assert installing.status(disk, there).report(Slot.B).state is SlotState.GOOD
    assert disk.names("causeway/b") == ("initrd", "linux", "manifest.json")


def test_agent_units_and_builder_mean_the_same_partitions() -> None:
    assert [machine.PARTITIONS[slot] for slot in Slot] == [layout.ROOT_A.uuid, layout.ROOT_B.uuid]
    units = Path(__file__).parents[2] / "image/elements/causeway-update/static/etc/systemd/system"
    writer = (units / "causeway-slots@.service").read_text()
    allowed = [line for line in writer.splitlines() if line.startswith("DeviceAllow=")]
    assert allowed == [f"DeviceAllow=/dev/disk/by-partuuid/{uuid} rw" for uuid in machine.PARTITIONS.values()]
    assert f"What=/dev/disk/by-partuuid/{layout.ESP.uuid}\n" in (units / "efi.mount").read_text()
