"""Who asks first writes first, but for what is urgent."""

from __future__ import annotations

import threading
import time

import pytest

from causeway_controller.store.turns import Turns


def test_turns_come_in_order_and_what_is_urgent_comes_next() -> None:
    turns, order = Turns(), list[str]()

    def write(name: str, *, urgent: bool) -> None:
        with turns.turn(urgent=urgent):
            order.append(name)

    threads = [
        threading.Thread(target=write, args=(name,), kwargs={"urgent": name == "lease"})
        for name in ("first", "second", "lease")
    ]
    with turns.turn():
        for number, thread in enumerate(threads, 1):
            thread.start()
            deadline = time.monotonic() + 10
            while len(turns._waiting) < number and time.monotonic() < deadline:
                time.sleep(0.001)
    for thread in threads:
        thread.join()
    assert order == ["lease", "first", "second"]


def test_who_fails_passes_its_turn_on() -> None:
    turns = Turns()
    with pytest.raises(ValueError, match="in the middle"), turns.turn():
        raise ValueError("in the middle")
    with turns.turn():
        pass
