"""Entries are read as systemd-boot reads them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from causeway_agent.slots import loader
from causeway_agent.slots.loader import Entry
from causeway_wire.update import Slot


def entry(name: str, serial: int = 1) -> Entry:
    slot = Slot(name[0])
    found = loader.parse(name, loader.render(slot, version="1", serial=serial, options="rw"))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("name", "left"),
    [("a.conf", None), ("b+3.conf", 3), ("b+2-1.conf", 2), ("a+0-3.conf", 0)],
)
def test_names_tell_slot_and_tries(name: str, left: int | None) -> None:
    found = entry(name, serial=7)
    assert (found.slot, found.left, found.serial, found.sorted) == (name[0], left, 7, True)


@pytest.mark.parametrize("name", ["c.conf", "a.conf.new", "a+.conf", "a+3-.conf", "linux.conf", "A.conf"])
def test_other_names_are_not_ours(name: str) -> None:
    assert loader.parse(name, b"linux /x\n") is None


def test_an_entry_that_starts_nothing_is_none() -> None:
    assert loader.parse("b+3.conf", b"title Causeway\n") is None
    assert loader.parse("b+3.conf", b"") is None


@pytest.mark.parametrize(
    ("entries", "first"),
    [
        ([("a.conf", 1), ("b+3.conf", 2)], "b+3.conf"),
        ([("a.conf", 1), ("b+0-3.conf", 2)], "a.conf"),
        ([("a.conf", 3), ("b.conf", 2)], "a.conf"),
        ([("a+1.conf", 3), ("b.conf", 2)], "a+1.conf"),
        ([("a.conf", 10), ("b.conf", 9)], "a.conf"),
        ([("a+0-1.conf", 1), ("b+0-3.conf", 2)], "b+0-3.conf"),
    ],
)
def test_the_newest_activation_that_has_tries_left_starts(entries: list[tuple[str, int]], first: str) -> None:
    found = loader.first(entry(name, serial) for name, serial in entries)
    assert found is not None
    assert found.name == first


def test_an_entry_without_our_key_comes_after_those_with_it() -> None:
    foreign = loader.parse("b.conf", b"version 99\nlinux /x\n")
    assert foreign is not None
    assert loader.first([foreign, entry("a.conf")]) == entry("a.conf")


@given(st.lists(st.tuples(st.sampled_from(["a.conf", "b.conf", "b+2.conf"]), st.integers(0, 99))))
def test_a_new_activation_comes_first(entries: list[tuple[str, int]]) -> None:
    found = [entry(name, serial) for name, serial in entries]
    new = entry("a+3.conf", loader.next_serial(found))
    assert loader.first([*found, new]) == new
