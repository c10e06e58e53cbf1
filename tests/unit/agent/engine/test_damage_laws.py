"""One bit that changed on the disk: told or without effect, never another document, epoch or table."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from causeway_agent.engine import journal, rules_journal, sealed
from causeway_agent.engine.journal import Journal
from causeway_agent.engine.rules_journal import LOG, RulesJournal
from causeway_agent.errors import DamagedError
from causeway_wire import codec
from causeway_wire.change import Change, ChangeState
from tests.agents import tenant
from tests.fakes.storage import FakeStorage
from tests.rules import patch, rule, table
from tests.unit.agent.engine.test_journal import apply, change

ENDS = st.sampled_from([ChangeState.DONE, ChangeState.FAILED, ChangeState.PREPARED])
HISTORIES = st.lists(st.tuples(ENDS, st.integers(0, 3)), min_size=1, max_size=5)
"""How each change ended, and by how much its epoch is higher."""


@dataclasses.dataclass(frozen=True)
class Truth:
    """What a disk without damage says."""

    document: object
    interrupted: object
    epoch: int
    changes: tuple[Change, ...]


def disk(history: list[tuple[ChangeState, int]]) -> FakeStorage:
    storage = FakeStorage()
    book, epoch = Journal(storage), 1
    for generation, (end, rise) in enumerate(history, 1):
        epoch += rise
        document = tenant(generation, epoch=epoch)
        if end is ChangeState.DONE:
            apply(book, document)
            continue
        book.prepare(change(document), document)
        if end is ChangeState.FAILED:
            book.conclude(change(document, end))
    return storage


def read(storage: FakeStorage) -> tuple[Truth, tuple[str, ...]]:
    book = Journal(storage)
    found = book.recover()
    return Truth(found.document, found.interrupted, book.pointer.epoch, found.changes), found.damage


def flipped(data: bytes, place: int) -> bytes:
    """With one bit of it changed."""
    place %= 8 * len(data)
    changed = bytearray(data)
    changed[place // 8] ^= 1 << place % 8
    return bytes(changed)


@settings(max_examples=400)
@given(HISTORIES, st.data())
def test_a_changed_bit_of_the_journal_is_harmless_or_told(
    history: list[tuple[ChangeState, int]], data: st.DataObject
) -> None:
    storage = disk(history)
    before, damage = read(storage)
    assert damage == ()
    name = data.draw(st.sampled_from(sorted(storage.files)))
    storage.files[name] = flipped(storage.files[name], data.draw(st.integers(0, 1 << 20)))
    after, damage = read(storage)
    assert after == before or damage
    assert after.document in (before.document, None)
    assert after.interrupted in (before.interrupted, None)
    assert after.epoch == before.epoch
    assert set(after.changes) <= set(before.changes)


@given(st.binary(min_size=2), st.text("abc./", min_size=1), st.integers(0, 1 << 20))
def test_no_changed_bit_of_a_sealed_record_is_believed(text: bytes, name: str, place: int) -> None:
    data = sealed.seal(name, text[:-1] + b"}")
    assert sealed.unseal(name, data) == text[:-1] + b"}"
    refused(lambda: sealed.unseal(name, flipped(data, place)))
    refused(lambda: sealed.unseal(name + "x", data))


def refused(act: Callable[[], Any]) -> None:
    try:
        act()
    except DamagedError:
        return
    raise AssertionError("it was believed")


@settings(max_examples=400)
@given(changes=st.integers(0, 4), place=st.integers(0, 1 << 20), log=st.booleans())
def test_a_changed_bit_of_the_public_rules_is_harmless_or_told(
    *, changes: int, place: int, log: bool
) -> None:
    storage = FakeStorage()
    book = RulesJournal(storage)
    book.commit(book.stage(1, codec.encode(table(rule("web"), rule("mail", 25)))))
    for number in range(changes):
        book.append(patch(rule(f"more-{number}", 80 + number), base=1 + number))
    before, damage = rules_journal.restore(RulesJournal(storage).recover())
    assert damage == ()
    name = LOG if log else next(name for name in storage.files if name != LOG)
    storage.files[name] = flipped(storage.files[name], place)
    after, damage = rules_journal.restore(RulesJournal(storage).recover())
    if damage:
        assert (len(after), after.revision) == (0, 0)
    else:
        assert after.document() == before.document()


def test_a_copy_is_never_older_than_the_pointer() -> None:
    storage = FakeStorage()
    book = Journal(storage)
    apply(book, tenant(1))
    written: list[str] = []
    write = storage.write

    def noted(name: str, data: bytes) -> None:
        written.append(name)
        write(name, data)

    storage.write = noted  # type: ignore[method-assign]
    apply(book, tenant(2))
    pointers = [name for name in written if name in (journal.POINTER, journal.COPY)]
    assert pointers == [journal.COPY, journal.POINTER] * 2
