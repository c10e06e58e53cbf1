"""Who asks first writes first, but for what is urgent; who waits writes into one transaction."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from causeway_controller.store.turns import Turns


class Notes:
    """A transaction that notes its parts."""

    def __init__(self, kept: list[list[str]], *, fails: bool = False) -> None:
        self.broken = False
        self._kept = kept
        self._parts: list[str] = []
        self._fails = fails

    @contextmanager
    def part(self) -> Iterator[list[str]]:
        mine: list[str] = []
        yield mine
        self._parts += mine

    def commit(self) -> None:
        if self._fails:
            raise OSError("the disk is full")
        self._kept.append(self._parts)


def write(turns: Turns[list[str]], begin: Callable[[], Notes], name: str) -> None:
    with turns.turn(begin, urgent=name == "lease") as part:
        part.append(name)


def all_wait(turns: Turns[list[str]], begin: Callable[[], Notes], *names: str) -> list[threading.Thread]:
    """Have the names wait for their turns, in this order."""
    threads = [threading.Thread(target=write, args=(turns, begin, name)) for name in names]
    for number, thread in enumerate(threads, 1):
        thread.start()
        deadline = time.monotonic() + 10
        while len(turns._waiting) < number and time.monotonic() < deadline:
            time.sleep(0.001)
    return threads


def test_turns_come_in_order_in_one_transaction_and_what_is_urgent_comes_next_and_ends_it() -> None:
    turns, kept = Turns[list[str]](), list[list[str]]()
    with turns.turn(lambda: Notes(kept)) as part:
        part.append("zeroth")
        threads = all_wait(turns, lambda: Notes(kept), "first", "second", "lease")
    for thread in threads:
        thread.join()
    assert kept == [["zeroth", "lease"], ["first", "second"]]


def test_who_fails_passes_its_turn_on() -> None:
    turns, kept = Turns[list[str]](), list[list[str]]()
    with pytest.raises(ValueError, match="in the middle"), turns.turn(lambda: Notes(kept)):
        raise ValueError("in the middle")
    with turns.turn(lambda: Notes(kept)) as part:
        part.append("next")
    assert kept[-1] == ["next"]


def test_nobody_goes_on_before_the_commit_and_its_failure_is_everybodys() -> None:
    turns, kept = Turns[list[str]](), list[list[str]]()
    failures: list[str] = []

    def written(name: str) -> None:
        try:
            write(turns, lambda: Notes(kept, fails=True), name)
        except OSError as error:
            failures.append(f"{name}: {error}")

    thread = threading.Thread(target=written, args=("second",))
    with pytest.raises(OSError, match="full"), turns.turn(lambda: Notes(kept, fails=True)):  # noqa: PT012
        thread.start()
        while not turns._waiting:
            time.sleep(0.001)
    thread.join()
    assert failures == ["second: the disk is full"]
    write(turns, lambda: Notes(kept), "third")
    assert kept == [["third"]], "the turn was passed on"


def test_who_cannot_begin_passes_its_turn_on() -> None:
    turns, kept = Turns[list[str]](), list[list[str]]()

    def broken() -> Notes:
        raise OSError("no file")

    with pytest.raises(OSError, match="no file"):
        write(turns, broken, "first")
    write(turns, lambda: Notes(kept), "second")
    assert kept == [["second"]]
