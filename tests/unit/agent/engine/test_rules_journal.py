"""The table on the disk: what was answered survives, what was torn is ignored, what is damaged is told."""

from __future__ import annotations

import contextlib

import pytest

from causeway_agent.engine.rules_journal import LOG, SNAPSHOTS, RulesJournal
from causeway_agent.errors import BackendError
from causeway_wire import codec
from tests.fakes.fuse import Crash
from tests.fakes.storage import FakeStorage
from tests.rules import patch, rule, table

WHOLE = table(rule("web"), rule("mail", 25))
CHANGE, SECOND = patch(rule("more", 80)), patch(remove=("web",), base=2)


@pytest.fixture
def storage() -> FakeStorage:
    """A disk with a table and a change of it."""
    made = FakeStorage()
    journal = RulesJournal(made)
    journal.commit(journal.stage(1, codec.encode(WHOLE)))
    journal.append(CHANGE)
    return made


def test_an_empty_disk_holds_no_table_and_takes_no_change() -> None:
    journal = RulesJournal(FakeStorage())
    found = journal.recover()
    assert (found.table, found.patches, found.damage) == (None, (), ())
    assert not journal.sound
    assert not journal.long
    with pytest.raises(BackendError):
        journal.append(CHANGE)


def test_a_table_and_its_changes_are_read_in_order(storage: FakeStorage) -> None:
    journal = RulesJournal(storage)
    assert journal.recover().patches == (CHANGE,)
    journal.append(SECOND)
    found = RulesJournal(storage).recover()
    assert (found.table, found.patches, found.damage) == (WHOLE, (CHANGE, SECOND), ())


def test_what_is_staged_is_not_in_force_and_the_table_before_is_left_alone(storage: FakeStorage) -> None:
    RulesJournal(storage).stage(1, codec.encode(table()))
    assert RulesJournal(storage).recover().table == WHOLE


def test_a_new_table_forgets_the_one_before(storage: FakeStorage) -> None:
    journal = RulesJournal(storage)
    journal.commit(journal.stage(9, codec.encode(table(revision=9))))
    found = RulesJournal(storage).recover()
    assert (found.table, found.patches) == (table(revision=9), ())
    assert len(storage.names(SNAPSHOTS)) == 2


def test_a_torn_last_line_is_ignored_and_no_line_follows_it(storage: FakeStorage) -> None:
    journal = RulesJournal(storage)
    journal.recover()
    whole = storage.files[LOG]
    storage.append(LOG, b"0123abcd {")
    again = RulesJournal(storage)
    found = again.recover()
    assert (found.table, found.patches, found.damage) == (WHOLE, (CHANGE,), ())
    assert not again.sound
    assert again.long
    for cut in range(len(whole)):
        storage.files[LOG] = whole[:cut]
        assert RulesJournal(storage).recover().patches == ()


@pytest.mark.parametrize("bit", [0, 20, -2])
def test_a_line_that_changed_on_the_disk_is_not_believed(storage: FakeStorage, bit: int) -> None:
    lines = storage.files[LOG].splitlines(keepends=True)
    spoiled = bytearray(lines[1])
    spoiled[bit] ^= 1
    storage.files[LOG] = lines[0] + bytes(spoiled)
    found = RulesJournal(storage).recover()
    assert (found.table, found.patches) == (None, ())
    assert any("line 2" in sentence for sentence in found.damage)
    assert any("send the table again" in sentence for sentence in found.damage)


def test_a_damaged_line_in_the_middle_is_no_torn_tail(storage: FakeStorage) -> None:
    journal = RulesJournal(storage)
    journal.recover()
    journal.append(SECOND)
    lines = storage.files[LOG].splitlines(keepends=True)
    storage.files[LOG] = lines[0] + lines[1][:30] + lines[2]
    again = RulesJournal(storage)
    found = again.recover()
    assert (found.table, found.patches, found.epoch) == (None, (), WHOLE.epoch)
    assert found.damage
    assert not again.long, "what is damaged is not written over by an empty table"
    assert not again.sound
    again.commit(again.stage(7, codec.encode(table(revision=7))))
    assert RulesJournal(storage).recover().damage == ()


def test_a_damaged_table_is_told_and_not_used(storage: FakeStorage) -> None:
    (name,) = (name for name in storage.names(SNAPSHOTS) if name != LOG)
    storage.tear(name)
    found = RulesJournal(storage).recover()
    assert found.table is None
    assert any("not what was written" in sentence for sentence in found.damage)
    storage.unreadable.add(LOG)
    assert RulesJournal(storage).recover().damage


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("at", range(1, 5))
def test_a_crash_while_a_table_is_replaced_leaves_the_old_or_the_new(*, at: int, before: bool) -> None:
    fuse_storage = FakeStorage()
    journal = RulesJournal(fuse_storage)
    journal.commit(journal.stage(1, codec.encode(WHOLE)))
    fuse_storage._fuse.mend()
    fuse_storage._fuse.at, fuse_storage._fuse.before = at, before
    new = table(rule("new"), revision=2)
    with contextlib.suppress(Crash):
        journal.commit(journal.stage(2, codec.encode(new)))
    found = RulesJournal(fuse_storage).recover()
    assert found.table in (WHOLE, new)
    assert found.damage == ()
    assert (found.table == new) == (at > 2 or (at == 2 and not before))


def test_a_refused_change_asks_for_the_whole_table(storage: FakeStorage) -> None:
    journal = RulesJournal(storage)
    journal.recover()
    storage._fuse.refuse_all = True
    with pytest.raises(BackendError):
        journal.append(SECOND)
    assert not journal.sound
    storage._fuse.mend()
    journal.commit(journal.stage(3, codec.encode(table(revision=3))))
    assert journal.sound
