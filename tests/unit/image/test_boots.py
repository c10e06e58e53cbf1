"""Kinds of machine: what counts as having booted on one, and which file each is given."""

from __future__ import annotations

import contextlib
import json
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from causeway_lab.qemu.acceleration import TCG, Acceleration
from image import boot, boots
from image.boot import Booted, Machine
from image.boots import KINDS, Boot, Kind

CHOSEN = Acceleration(name=TCG, reason="")
ESXI = next(kind for kind in KINDS if kind.name == "esxi-like")


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    place = tmp_path / "dist"
    place.mkdir()
    for name in ("disk1.vmdk", "disk.vhdx"):
        (tmp_path / name).write_text(name)
    (place / "causeway-1.qcow2").write_text("disk.qcow2")
    with tarfile.open(place / "causeway-1.ova", "w") as archive:
        archive.add(tmp_path / "disk1.vmdk", "disk1.vmdk")
    with zipfile.ZipFile(place / "causeway-1.vhdx.zip", "w") as whole:
        whole.write(tmp_path / "disk.vhdx", "disk.vhdx")
    return place


def saying(answer: str, booted: list[tuple[str, Machine]] | None = None) -> Boot:
    """A boot of a machine that answers this to whatever it is asked."""

    class Said(Booted):
        __slots__ = ()

        def run(self, command: str) -> str:
            return answer

    @contextlib.contextmanager
    def start(disk: Path, machine: Machine) -> Iterator[Booted]:
        if booted is not None:
            booted.append((disk.read_text(), machine))
        yield Said(api=20.0, ssh=25.4, login=(), restarted=lambda: None)

    return start


def try_out(
    dist: Path, kind: Kind, start: Callable[[Path, Machine], AbstractContextManager[Booted]]
) -> boots.Outcome:
    return boots.try_out(dist, dist.parent / "build", kind, CHOSEN, start=start)


@pytest.mark.parametrize(
    ("name", "content"),
    [("qemu-uefi", "disk.qcow2"), ("esxi-like", "disk1.vmdk"), ("hyperv-gen1-like", "disk.vhdx")],
)
def test_each_kind_boots_the_disk_that_its_hypervisor_is_given(dist: Path, name: str, content: str) -> None:
    kind = next(each for each in KINDS if each.name == name)
    seen: list[tuple[str, Machine]] = []
    outcome = try_out(dist, kind, saying(json.dumps(sorted(kind.seen)), seen))
    assert outcome.held
    assert [disk for disk, _ in seen] == [content]
    assert list((dist.parent / "build").iterdir()) == []


def test_a_machine_that_runs_on_other_drivers_has_not_held(dist: Path) -> None:
    outcome = try_out(dist, ESXI, saying(json.dumps(["bios", "ata_piix", "vmxnet3"])))
    assert not outcome.held
    assert outcome.seen == "not on vmw_pvscsi"


def test_a_machine_that_says_nothing_sensible_has_not_held(dist: Path) -> None:
    assert not try_out(dist, ESXI, saying("sh: python3: not found")).held


def test_a_machine_that_does_not_come_up_has_not_held(dist: Path) -> None:
    def start(disk: Path, machine: Machine) -> AbstractContextManager[Booted]:
        raise boot.NotUpError("Kernel panic")

    outcome = try_out(dist, ESXI, start)
    assert not outcome.held
    assert "Kernel panic" in outcome.seen
    assert "FAILED" in boots.table([outcome])


def test_a_missing_file_has_not_held(dist: Path) -> None:
    (dist / "causeway-1.ova").unlink()
    assert not try_out(dist, ESXI, saying("[]")).held


def test_one_that_fails_does_not_keep_the_others_from_booting(
    dist: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    outcomes = iter([False, True])

    def try_next(_dist: Path, _work: Path, kind: Kind, _chosen: Acceleration) -> boots.Outcome:
        return boots.Outcome(kind=kind, held=next(outcomes), seen="-")

    monkeypatch.setattr(boots, "try_out", try_next)
    assert not boots.run(dist, dist, KINDS[:2], CHOSEN)
    assert "1 of 2 kinds of machine" in capsys.readouterr().out
