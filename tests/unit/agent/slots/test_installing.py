"""Whatever happens to an update on its way in, something good starts afterwards."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path

import msgspec
import pytest

from causeway_agent.slots import age, installing
from causeway_agent.slots.archive import Archive, refused
from causeway_agent.slots.disk import ENTRIES
from causeway_wire import codec
from causeway_wire.problem import ProblemError, ProblemType
from causeway_wire.update import Activation, Manifest, Slot, SlotState, UpdateState
from tests.fakes.disk import FakeDisk, KilledError, start
from tests.update_files import HERE, RELEASED, Made, make, receive

THERE = dataclasses.replace(HERE, running=Slot.B)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make(tmp_path_factory.mktemp("update"))


@pytest.fixture(scope="module")
def next_one(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make(tmp_path_factory.mktemp("update"), version="3")


@pytest.fixture
def disk(tmp_path: Path) -> FakeDisk:
    found = FakeDisk()
    found.files["causeway/a/manifest.json"] = make(tmp_path, version="1").manifest
    return found


def updated(disk: FakeDisk, made: Made) -> None:
    """The update runs in slot b and has proven good."""
    receive(disk, made)
    installing.activate(disk, HERE, Activation(build=made.build))
    assert start(disk) is Slot.B
    assert installing.bless(disk, THERE)


def replaced(disk: FakeDisk, made: Made) -> None:
    """From slot b, slot a is replaced and starts next."""
    receive(disk, made, THERE)
    installing.activate(disk, THERE, Activation(build=made.build))


def refusal(disk: FakeDisk, made: Made, **changes: object) -> str:
    here = dataclasses.replace(HERE, **changes)  # type: ignore[arg-type]
    with pytest.raises(ProblemError) as caught:
        receive(disk, made, here)
    assert caught.value.problem.type == ProblemType.UPDATE_REFUSED.urn
    return caught.value.problem.detail


def test_what_was_received_is_in_the_other_slot_and_starts_only_when_activated(
    disk: FakeDisk, made: Made
) -> None:
    status = receive(disk, made)
    assert (status.state, status.next) == (UpdateState.READY, Slot.A)
    assert status.report(Slot.B).build == made.build
    assert start(disk) is Slot.A
    installing.activate(disk, HERE, Activation(build=made.build, tries=2, seconds=60, confirm=False))
    status = installing.status(disk, HERE)
    assert (status.state, status.next, status.report(Slot.B).tries_left) == (UpdateState.TRYING, Slot.B, 2)
    text = disk.files[f"{ENTRIES}/b+2.conf"].decode()
    assert "linux /causeway/b/linux\n" in text
    assert f"root=PARTUUID={HERE.partitions[Slot.B]} rw quiet systemd.machine_id={'0' * 32}" in text
    assert text.endswith(" causeway.trial=60\n")


def test_a_controller_has_to_find_the_new_system_unless_told_otherwise(disk: FakeDisk, made: Made) -> None:
    receive(disk, made)
    installing.activate(disk, HERE, Activation(build=made.build))
    assert disk.files[f"{ENTRIES}/b+3.conf"].endswith(b" causeway.trial=300 causeway.confirm\n")


def test_a_system_that_never_becomes_healthy_gives_way_after_its_tries(disk: FakeDisk, made: Made) -> None:
    receive(disk, made)
    installing.activate(disk, HERE, Activation(build=made.build, tries=3))
    assert [start(disk) for _ in range(5)] == [Slot.B, Slot.B, Slot.B, Slot.A, Slot.A]
    status = installing.status(disk, HERE)
    assert (status.state, status.report(Slot.B).state) == (UpdateState.FAILED, SlotState.FAILED)
    receive(disk, made)
    assert installing.status(disk, HERE).state is UpdateState.READY


def test_a_system_on_its_last_try_is_still_being_tried_and_can_prove_good(disk: FakeDisk, made: Made) -> None:
    receive(disk, made)
    installing.activate(disk, HERE, Activation(build=made.build, tries=1))
    assert start(disk) is Slot.B
    assert installing.status(disk, THERE).state is UpdateState.TRYING
    installing.bless(disk, THERE)
    assert [start(disk) for _ in range(3)] == [Slot.B] * 3
    assert installing.status(disk, THERE).report(Slot.B).state is SlotState.GOOD


def test_the_slot_before_can_be_activated_again(disk: FakeDisk, made: Made) -> None:
    updated(disk, made)
    first = installing.status(disk, THERE).report(Slot.A).build
    assert first is not None
    installing.activate(disk, THERE, Activation(build=first, allow_older=True))
    assert start(disk) is Slot.A
    installing.bless(disk, HERE)
    assert start(disk) is Slot.A


def test_updates_go_to_and_fro(disk: FakeDisk, made: Made, next_one: Made) -> None:
    updated(disk, made)
    receive(disk, next_one, THERE)
    assert start(disk) is Slot.B
    installing.activate(disk, THERE, Activation(build=next_one.build))
    assert start(disk) is Slot.A
    assert installing.status(disk, HERE).report(Slot.A).version == "3"


def test_during_a_trial_the_way_back_is_left_alone(disk: FakeDisk, made: Made, next_one: Made) -> None:
    receive(disk, made)
    installing.activate(disk, HERE, Activation(build=made.build))
    start(disk)
    before = dict(disk.files)
    for asked in (
        lambda: receive(disk, next_one, THERE),
        lambda: installing.abandon(disk, THERE),
        lambda: installing.activate(disk, THERE, Activation(build=made.build)),
    ):
        with pytest.raises(ProblemError) as caught:
            asked()
        assert caught.value.problem.type == ProblemType.UPDATE_IN_PROGRESS.urn
    assert disk.files == before


def test_another_build_than_expected_is_not_started(disk: FakeDisk, made: Made) -> None:
    with pytest.raises(ProblemError, match="slot b holds no system"):
        installing.activate(disk, HERE, Activation(build=made.build))
    receive(disk, made)
    with pytest.raises(ProblemError) as caught:
        installing.activate(disk, HERE, Activation(build="0" * 64))
    assert caught.value.problem.type == ProblemType.UPDATE_NOT_READY.urn
    assert start(disk) is Slot.A


def test_a_manifest_that_nobody_can_read_is_none(disk: FakeDisk, made: Made) -> None:
    receive(disk, made)
    disk.files["causeway/b/manifest.json"] = b"{"
    assert installing.status(disk, HERE).report(Slot.B).state is SlotState.EMPTY
    with pytest.raises(ProblemError, match="holds no system"):
        installing.activate(disk, HERE, Activation(build=made.build))


def test_abandoned_is_empty(disk: FakeDisk, made: Made) -> None:
    receive(disk, made)
    installing.activate(disk, HERE, Activation(build=made.build))
    installing.abandon(disk, HERE)
    status = installing.status(disk, HERE)
    assert (status.state, status.report(Slot.B).state) == (UpdateState.IDLE, SlotState.EMPTY)
    assert start(disk) is Slot.A


def test_what_is_not_for_this_machine_is_refused_before_anything_is_touched(
    disk: FakeDisk, made: Made, next_one: Made, tmp_path: Path
) -> None:
    updated(disk, made)
    before = dict(disk.files)
    large = make(tmp_path, version="9", root=bytes(9 * 1024 * 1024))
    there = {"running": Slot.B}
    assert "is for x86_64, this machine is riscv64" in refusal(
        disk, next_one, architecture="riscv64", **there
    )
    assert "does not fit into slot a" in refusal(disk, large, **there)
    disk._room = 200_000
    assert "partition lacks" in refusal(disk, next_one, **there)
    assert disk.files == before


def test_one_that_the_publisher_did_not_sign_is_refused_before_anything_is_touched(
    disk: FakeDisk, made: Made, next_one: Made
) -> None:
    def stranger(_manifest: bytes, _signature: bytes | None) -> None:
        raise refused("a stranger's")

    updated(disk, made)
    before = dict(disk.files)
    file = Archive(io.BytesIO(next_one.content).read, octets=len(next_one.content))
    with pytest.raises(ProblemError, match="a stranger's"):
        installing.receive(disk, THERE, file, next_one.sha256, verify=stranger)
    assert disk.files == before


OLDER = {"a lower version": ("1.9", RELEASED), "an earlier release": ("2.1", RELEASED - 1)}


@pytest.mark.parametrize("kind", OLDER)
def test_an_older_one_is_refused_before_anything_is_touched_and_taken_when_told(
    disk: FakeDisk, made: Made, tmp_path: Path, kind: str
) -> None:
    version, released = OLDER[kind]
    old = make(tmp_path, version=version, released=released)
    updated(disk, made)
    before = dict(disk.files)
    with pytest.raises(ProblemError, match="allow_older") as caught:
        receive(disk, old, THERE)
    assert caught.value.problem.type == ProblemType.UPDATE_OLDER.urn
    assert disk.files == before
    receive(disk, old, THERE, allow_older=True)
    received = dict(disk.files)
    for said in (Activation(build=old.build), Activation(build=old.build, allow_older=False)):
        with pytest.raises(ProblemError) as caught:
            installing.activate(disk, THERE, said)
        assert caught.value.problem.type == ProblemType.UPDATE_OLDER.urn
    assert disk.files == received
    installing.activate(disk, THERE, Activation(build=old.build, allow_older=True))
    assert start(disk) is Slot.A


def test_the_slot_before_is_not_gone_back_to_without_a_word(disk: FakeDisk, made: Made) -> None:
    updated(disk, made)
    first = installing.status(disk, THERE).report(Slot.A).build
    with pytest.raises(ProblemError) as caught:
        installing.activate(disk, THERE, Activation(build=first or ""))
    assert caught.value.problem.type == ProblemType.UPDATE_OLDER.urn
    assert start(disk) is Slot.B


def test_after_a_failed_trial_older_is_what_is_older_than_the_system_that_came_back(
    disk: FakeDisk, made: Made, next_one: Made
) -> None:
    """The newer one never proved good: it may be followed by what it would have refused."""
    receive(disk, next_one)
    installing.activate(disk, HERE, Activation(build=next_one.build, tries=1))
    assert [start(disk) for _ in range(2)] == [Slot.B, Slot.A]
    receive(disk, made)
    installing.activate(disk, HERE, Activation(build=made.build))
    assert start(disk) is Slot.B


def test_where_the_manifest_was_lost_the_running_program_knows_its_version(
    disk: FakeDisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installing, "__version__", "1.5")
    for lost in (None, b"{"):
        disk.files.pop("causeway/a/manifest.json", None)
        if lost is not None:
            disk.files["causeway/a/manifest.json"] = lost
        with pytest.raises(ProblemError, match=r"version 1\.4 is older than 1\.5"):
            receive(disk, make(tmp_path, version="1.4"))
        receive(disk, make(tmp_path, version="1.5"))


def test_a_system_from_before_releases_were_dated_gives_way_to_any_and_follows_none(
    disk: FakeDisk, made: Made, tmp_path: Path
) -> None:
    undated = json.loads(disk.files["causeway/a/manifest.json"])
    del undated["released"]
    disk.files["causeway/a/manifest.json"] = json.dumps(undated).encode()
    receive(disk, make(tmp_path, version="1", released=1))
    running = codec.decode(made.manifest, Manifest)
    assert "does not say when" in (age.older(msgspec.structs.replace(running, released=None), running) or "")


def test_a_file_changed_on_its_way_leaves_an_empty_slot(disk: FakeDisk, made: Made) -> None:
    with pytest.raises(ProblemError, match="changed on its way"):
        receive(disk, made, sha256="0" * 64)
    assert installing.status(disk, HERE).report(Slot.B).state is SlotState.EMPTY
    assert start(disk) is Slot.A


@pytest.mark.parametrize("part", ["linux", "initrd", "root"])
def test_a_disk_that_keeps_something_else_is_noticed(
    disk: FakeDisk, made: Made, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    if part == "root":
        monkeypatch.setattr(disk, "root_digest", lambda *_: "0" * 64)
    else:
        honest = disk.digest
        monkeypatch.setattr(disk, "digest", lambda path: "0" * 64 if path.endswith(part) else honest(path))
    with pytest.raises(ProblemError, match=f"{part} as read back from slot b"):
        receive(disk, made)
    assert installing.status(disk, HERE).report(Slot.B).state is SlotState.EMPTY


def test_killed_at_any_step_a_good_system_starts_and_a_repeat_gets_there(
    disk: FakeDisk, made: Made, next_one: Made
) -> None:
    """From slot b, whose fallback a is: the harder way round."""
    updated(disk, made)
    good = dict(disk.files)
    began = disk.taken
    replaced(disk, next_one)
    steps = disk.taken - began
    assert steps > 20
    for step in range(steps):
        again = FakeDisk()
        again.files, again.steps = dict(good), step
        with pytest.raises(KilledError):
            replaced(again, next_one)
        again.steps = None
        started = start(again)
        if started is Slot.A:
            assert complete(again, next_one), f"step {step}: slot a starts and is not whole"
            continue
        assert again.touched <= {Slot.A}
        replaced(again, next_one)
        assert start(again) is Slot.A
        assert complete(again, next_one)


def test_killed_while_it_is_blessed_it_starts_again_and_is_blessed_then(disk: FakeDisk, made: Made) -> None:
    receive(disk, made)
    installing.activate(disk, HERE, Activation(build=made.build, tries=2))
    start(disk)
    on_trial = dict(disk.files)
    for step in range(4):
        disk.files, disk.steps = dict(on_trial), step
        with pytest.raises(KilledError):
            installing.bless(disk, THERE)
        disk.steps = None
        assert start(disk) is Slot.B
        installing.bless(disk, THERE)
        assert disk.names(ENTRIES) == ("a.conf", "b.conf")


def test_an_entry_that_a_power_cut_left_empty_counts_as_none_and_goes_with_the_others(
    disk: FakeDisk, made: Made
) -> None:
    receive(disk, made)
    disk.files[f"{ENTRIES}/b+1-2.conf"] = b""
    installing.activate(disk, HERE, Activation(build=made.build, tries=2))
    assert disk.names(ENTRIES) == ("a.conf", "b+2.conf")
    assert start(disk) is Slot.B
    disk.files[f"{ENTRIES}/b.conf"] = b""
    assert installing.bless(disk, THERE)
    assert disk.names(ENTRIES) == ("a.conf", "b.conf")
    assert start(disk) is Slot.B


def test_a_forgotten_slot_leaves_no_file_that_the_next_update_would_write_over(
    disk: FakeDisk, made: Made
) -> None:
    receive(disk, made)
    installing.abandon(disk, HERE)
    assert disk.names("causeway/b") == ()


def complete(disk: FakeDisk, made: Made) -> bool:
    """Whether slot a holds what the update holds."""
    status = installing.status(disk, THERE)
    return status.report(Slot.A).build == made.build and disk.roots[Slot.A].rstrip(b"\0").endswith(b"end!")
