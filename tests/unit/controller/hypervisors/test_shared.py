"""A connection that is given up while somebody still asks on it."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from causeway_controller.hypervisors.shared import DroppedError, Shared

pytestmark = pytest.mark.timeout(20)


def test_it_ends_after_its_last_question_and_once() -> None:
    ended: list[str] = []
    shared = Shared("login", ended.append)
    asked, answer = threading.Event(), threading.Event()

    def slow(_: str) -> bool:
        asked.set()
        return answer.wait(5)

    one = threading.Thread(target=lambda: shared.ask(slow))
    one.start()
    assert asked.wait(5)
    shared.drop()
    shared.drop()
    assert not shared.wait(0.05), "somebody asks"
    assert ended == []
    with pytest.raises(DroppedError):
        shared.ask(len)
    answer.set()
    one.join(5)
    assert shared.wait(5)
    assert ended == ["login"]


def test_one_that_nobody_uses_ends_at_once_elsewhere() -> None:
    where: list[threading.Thread] = []
    shared = Shared("login", lambda _: where.append(threading.current_thread()))
    assert shared.ask(len) == 5
    shared.drop()
    assert shared.wait(5)
    assert where != [threading.current_thread()]


def test_a_question_that_fails_lets_go() -> None:
    shared = Shared("login", lambda _: None)
    with pytest.raises(AttributeError):
        shared.ask(lambda login: login.nothing)  # type: ignore[attr-defined]
    shared.drop()
    assert shared.wait(5)


def test_an_answer_waits_for_no_end() -> None:
    """To end it asks the host, which may be what hangs: its last answer would come too late."""
    go_on, asked, answer = threading.Event(), threading.Event(), threading.Event()

    def end(_: str) -> None:
        go_on.wait(10)

    shared = Shared("login", end)
    answers: list[bool] = []

    def slow(_: str) -> bool:
        asked.set()
        return answer.wait(5)

    one = threading.Thread(target=lambda: answers.append(shared.ask(slow)))
    one.start()
    assert asked.wait(5)
    shared.drop()
    answer.set()
    one.join(2)
    assert answers == [True]
    assert not shared.wait(0)
    go_on.set()
    assert shared.wait(5)


def test_one_that_is_let_go_of_as_the_process_ends_does_not_keep_it() -> None:
    """A thread that is started then never runs, and who starts one waits for it for ever."""
    program = """
from causeway_controller.hypervisors.shared import Shared
class Held(Shared):
    def __del__(self):
        print("let go", flush=True)
        self.drop()
circle = [Held("login", lambda _: None)]
circle.append(circle)
"""
    command = [sys.executable, "-c", program]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=15)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "let go\n", "")
