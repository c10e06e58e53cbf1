"""Files are replaced whole or not at all, and nothing outside the directory is ever touched."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from causeway_agent import errors
from causeway_agent.backends.host import storage


@pytest.fixture
def store(tmp_path: Path) -> storage.DirectoryStorage:
    return storage.DirectoryStorage(tmp_path / "state")


def test_what_is_written_is_read_and_what_is_deleted_is_gone(store: storage.DirectoryStorage) -> None:
    assert store.read("journal.json") is None
    store.write("journal.json", b"one")
    store.write("journal.json", b"two")
    assert store.read("journal.json") == b"two"
    store.delete("journal.json")
    store.delete("journal.json")
    assert store.read("journal.json") is None


def test_names_are_listed_by_prefix_in_order(store: storage.DirectoryStorage) -> None:
    assert store.names("") == ()
    for name in ("changes/b", "documents/1", "changes/a"):
        store.write(name, b"")
    assert store.names("changes/") == ("changes/a", "changes/b")
    assert len(store.names("")) == 3


def test_files_are_for_the_owner_alone(store: storage.DirectoryStorage, tmp_path: Path) -> None:
    store.write("documents/1", b"secret")
    assert (tmp_path / "state/documents/1").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "state/documents").stat().st_mode & 0o777 == 0o700


def test_a_cut_before_the_rename_leaves_the_old_content_and_no_new_name(
    store: storage.DirectoryStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(self: Path, target: Path) -> None:
        raise OSError(5, "Input/output error")

    store.write("journal.json", b"old")
    monkeypatch.setattr(Path, "replace", cut)
    with pytest.raises(errors.BackendError, match="Input/output error"):
        store.write("journal.json", b"new")
    monkeypatch.undo()
    assert store.read("journal.json") == b"old"
    assert store.names("") == ("journal.json",)
    store.write("journal.json", b"newer")
    assert store.read("journal.json") == b"newer"


def test_content_is_synced_before_its_name_and_the_name_after(
    store: storage.DirectoryStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def recorded_fsync(handle: int) -> None:
        steps.append("directory" if Path(f"/proc/self/fd/{handle}").is_dir() else "content")
        fsync(handle)

    def recorded_replace(self: Path, target: Path) -> Path:
        steps.append("name")
        return replace(self, target)

    store.write("journal.json", b"old")
    monkeypatch.setattr(os, "fsync", recorded_fsync)
    monkeypatch.setattr(Path, "replace", recorded_replace)
    store.write("journal.json", b"new")
    assert steps == ["content", "name", "directory"]


@pytest.mark.parametrize(
    "name", ["", "/etc/passwd", "../x", "a/../../x", "a//b", ".new-journal.json", "a/", "a b"]
)
def test_names_that_leave_the_directory_or_hide_are_bugs(store: storage.DirectoryStorage, name: str) -> None:
    with pytest.raises(errors.Bug):
        store.read(name)
    with pytest.raises(errors.Bug):
        store.write(name, b"")


def test_a_directory_in_the_way_is_an_error_that_names_it(store: storage.DirectoryStorage) -> None:
    store.write("documents/1", b"")
    with pytest.raises(errors.BackendError, match="documents: Is a directory"):
        store.read("documents")


def test_appending_lengthens_a_file_and_makes_a_missing_one(
    store: storage.DirectoryStorage, tmp_path: Path
) -> None:
    store.append("rules/log", b"one\n")
    store.append("rules/log", b"two\n")
    assert store.read("rules/log") == b"one\ntwo\n"
    assert (tmp_path / "state/rules/log").stat().st_mode & 0o777 == 0o600


def test_what_could_not_be_synced_is_not_left_in_the_file(
    store: storage.DirectoryStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: int) -> None:
        raise OSError(5, "Input/output error")

    store.append("log", b"one\n")
    monkeypatch.setattr(os, "fdatasync", broken)
    with pytest.raises(errors.BackendError, match=r"append to .*log: Input/output error"):
        store.append("log", b"two\n")
    monkeypatch.undo()
    assert store.read("log") == b"one\n"
