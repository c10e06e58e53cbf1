"""The journal: what it promises after a crash, a torn file, and many changes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from causeway_agent.engine import journal, sealed
from causeway_agent.engine.journal import Journal
from causeway_wire.change import Change, ChangeState
from causeway_wire.desired import Desired
from tests.agents import tenant
from tests.fakes.fuse import Crash, Fuse
from tests.fakes.storage import FakeStorage


def change(document: Desired, state: ChangeState = ChangeState.PREPARED) -> Change:
    """A record for this document's change."""
    return Change(
        id=f"{document.generation:010d}-g{document.generation}",
        generation=document.generation,
        epoch=document.epoch,
        state=state,
        requested_by="tests",
        created=datetime(2026, 1, 1, tzinfo=UTC),
    )


def apply(book: Journal, document: Desired) -> None:
    """A whole change."""
    book.prepare(change(document), document)
    book.commit()
    book.conclude(change(document, ChangeState.DONE))


def test_an_empty_disk_is_an_empty_journal_without_damage() -> None:
    recovered = Journal(FakeStorage()).recover()
    assert (recovered.document, recovered.changes, recovered.damage) == (None, (), ())


def test_the_committed_document_is_recovered() -> None:
    storage = FakeStorage()
    apply(Journal(storage), tenant(1))
    recovered = Journal(storage).recover()
    assert recovered.document == tenant(1)
    assert recovered.damage == ()
    assert [c.state for c in recovered.changes] == [ChangeState.DONE]


def test_a_prepared_document_is_not_in_force_but_its_epoch_fences() -> None:
    storage = FakeStorage()
    book = Journal(storage)
    apply(book, tenant(1, epoch=3))
    book.prepare(change(tenant(2, epoch=9)), tenant(2, epoch=9))
    again = Journal(storage)
    recovered = again.recover()
    assert recovered.document == tenant(1, epoch=3)
    assert recovered.interrupted == tenant(2, epoch=9)
    assert again.pointer.epoch == 9


def test_two_documents_are_kept_and_the_one_before_does_not_replace_a_torn_one() -> None:
    storage = FakeStorage()
    book = Journal(storage)
    for generation in (1, 2, 3):
        apply(book, tenant(generation))
    assert storage.names("documents/") == ("documents/2.json", "documents/3.json")
    storage.tear("documents/3.json")
    recovered = Journal(storage).recover()
    assert recovered.document is None
    assert any("documents/3.json" in sentence for sentence in recovered.damage)


@pytest.mark.parametrize("name", ["journal.json", "documents/3.json", "changes/0000000003-g3.json"])
def test_a_bad_sector_never_stops_the_boot(name: str) -> None:
    storage = FakeStorage()
    book = Journal(storage)
    for generation in (1, 2, 3):
        apply(book, tenant(generation))
    storage.unreadable.add(name)
    recovered = Journal(storage).recover()
    assert recovered.document == (None if name.startswith("documents") else tenant(3))
    assert any("Input/output error" in sentence for sentence in recovered.damage)


def test_a_missing_document_is_reported_and_none_is_used() -> None:
    storage = FakeStorage()
    book = Journal(storage)
    apply(book, tenant(1))
    apply(book, tenant(2))
    del storage.files["documents/2.json"]
    recovered = Journal(storage).recover()
    assert recovered.document is None
    assert recovered.damage == ("documents/2.json: missing",)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b'{"schema": "x"}', b'{"schema": 99}'])
def test_the_copy_stands_in_for_an_unreadable_pointer(content: bytes) -> None:
    storage = FakeStorage()
    book = Journal(storage)
    apply(book, tenant(1, epoch=1))
    apply(book, tenant(2, epoch=5))
    storage.files[journal.POINTER] = content
    again = Journal(storage)
    recovered = again.recover()
    assert recovered.document == tenant(2, epoch=5)
    assert again.pointer.epoch == 5
    assert recovered.damage
    again.mend()
    assert Journal(storage).recover().damage == ()


def test_without_pointer_and_copy_nothing_is_in_force_but_the_epoch_still_fences() -> None:
    storage = FakeStorage()
    book = Journal(storage)
    apply(book, tenant(1, epoch=1))
    apply(book, tenant(2, epoch=5))
    for name in (journal.POINTER, journal.COPY):
        storage.tear(name)
    for _ in range(2):
        again = Journal(storage)
        recovered = again.recover()
        assert recovered.document is None
        assert again.pointer.epoch == 5
        assert any("send it again" in sentence for sentence in recovered.damage)
        again.mend()


def test_a_state_without_checksums_is_read_once_and_written_anew() -> None:
    storage = FakeStorage()
    book = Journal(storage)
    apply(book, tenant(1, epoch=3))
    storage.files.pop(journal.COPY)
    for name in (journal.POINTER, *storage.names("changes/")):
        storage.files[name] = sealed.unseal(name, storage.files[name])
    again = Journal(storage)
    recovered = again.recover()
    assert (recovered.document, recovered.damage) == (tenant(1, epoch=3), ())
    assert len(recovered.changes) == 1
    again.mend()
    assert all(sealed.is_sealed(data) for name, data in storage.files.items() if "documents" not in name)
    assert journal.COPY in storage.files
    # From now on a record without its checksum is damage.
    name = storage.names("changes/")[0]
    storage.files[name] = sealed.unseal(name, storage.files[name])
    assert Journal(storage).recover().damage


def test_an_unreadable_change_is_reported_and_left_out() -> None:
    storage = FakeStorage()
    apply(Journal(storage), tenant(1))
    storage.tear(storage.names("changes/")[0])
    recovered = Journal(storage).recover()
    assert recovered.document == tenant(1)
    assert recovered.changes == ()
    assert len(recovered.damage) == 1


def test_everything_unreadable_is_an_empty_journal_with_damage() -> None:
    storage = FakeStorage()
    apply(Journal(storage), tenant(1))
    for name in list(storage.files):
        storage.tear(name)
    recovered = Journal(storage).recover()
    assert recovered.document is None
    assert recovered.damage


def test_the_last_changes_are_kept_and_always_the_one_in_force() -> None:
    storage = FakeStorage()
    book = Journal(storage)
    apply(book, tenant(1))
    for generation in range(2, 2 + journal.CHANGES_KEPT + 10):
        book.record(change(tenant(generation), ChangeState.FAILED))
    names = storage.names("changes/")
    assert len(names) == journal.CHANGES_KEPT
    assert names[0] == "changes/0000000001-g1.json"
    assert names[-1] == f"changes/{1 + journal.CHANGES_KEPT + 10:010d}-g{1 + journal.CHANGES_KEPT + 10}.json"


@pytest.mark.parametrize("before", [True, False])
def test_a_crash_at_any_write_leaves_one_of_the_two_documents(*, before: bool) -> None:
    reached = set()
    for at in range(1, 20):
        fuse = Fuse()
        storage = FakeStorage(fuse)
        book = Journal(storage)
        apply(book, tenant(1))
        fuse.mend()
        fuse.at, fuse.before = at, before
        try:
            apply(book, tenant(2))
        except Crash:
            pass
        else:
            break
        recovered = Journal(storage).recover()
        assert recovered.damage == ()
        assert recovered.document is not None
        reached.add(recovered.document.generation)
    assert reached == {1, 2}


def test_an_older_schema_is_migrated_step_by_step() -> None:
    storage = FakeStorage()
    apply(Journal(storage), tenant(1))

    def rename(raw: dict[str, Any]) -> dict[str, Any]:
        return {**raw, "epoch": raw["epoch"] + 100}

    book = Journal(storage, migrations=(rename,))
    assert book.recover().document == tenant(1)
    assert book.pointer.epoch == 101
    assert book.pointer.schema == 2


def test_what_was_cut_is_still_known_when_the_pointer_is_torn() -> None:
    storage = FakeStorage()
    book = Journal(storage)
    apply(book, tenant(1))
    book.prepare(change(tenant(2)), tenant(2))
    storage.tear(journal.POINTER)
    recovered = Journal(storage).recover()
    assert (recovered.document, recovered.interrupted) == (tenant(1), tenant(2))
