"""A system is good when it was healthy for a while, in time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise

import pytest

from causeway_agent.slots import trial


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds since boot; sleeping moves it on."""
    now = [20.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr(time, "clock_gettime", lambda _: now[0])
    monkeypatch.setattr(time, "sleep", sleep)
    return now


def passes(answers: Iterator[str | None], until: float = 60.0) -> tuple[bool, list[str]]:
    said: list[str] = []
    return trial.passes(lambda: next(answers), until=until, say=said.append), said


def test_healthy_for_ten_seconds_is_good(clock: list[float]) -> None:
    good, said = passes(iter(["not yet"] * 5 + [None] * 30))
    assert good
    assert clock == [35.0]
    assert said == ["not yet", "healthy", "healthy for 10 s, 35 s after the start: this system stays"]


@pytest.mark.parametrize(
    ("options", "wanted"),
    [("rw causeway.trial=60 causeway.confirm\n", True), ("rw causeway.confirmed", False), ("rw", False)],
)
def test_the_kernels_options_say_whether_a_controller_has_to_ask(options: str, wanted: bool) -> None:  # noqa: FBT001
    assert trial.wants_controller(options) is wanted


@pytest.mark.parametrize(("took", "between"), [(0.01, 1.01), (0.8, 4.0), (10.0, 15.0)])
def test_a_slow_machine_is_asked_more_rarely(clock: list[float], took: float, between: float) -> None:
    asked: list[float] = []

    def ask() -> str:
        asked.append(clock[0])
        clock[0] += took
        return "not yet"

    assert not trial.passes(ask, until=70.0, say=lambda _: None)
    assert {round(after - before, 2) for before, after in pairwise(asked)} == {between}


def test_never_healthy_is_not() -> None:
    good, said = passes(iter(["no"] * 100))
    assert not good
    assert said == ["no", "not healthy within 60 s of the start: restarting"]


def test_what_falls_over_again_and_again_is_not() -> None:
    assert not passes(iter(([None] * 9 + ["down"]) * 20))[0]


def test_healthy_too_late_is_not() -> None:
    assert not passes(iter(["no"] * 35 + [None] * 100))[0]


@pytest.mark.parametrize(
    ("options", "seconds"),
    [
        ("quiet causeway.trial=60\n", 60),
        ("causeway.trial=60 rw causeway.trial=90", 90),
        ("rw quiet", trial.SECONDS),
        ("xcauseway.trial=60 causeway.trial=abc causeway.trial=", trial.SECONDS),
    ],
)
def test_the_kernels_options_say_how_long(options: str, seconds: float) -> None:
    assert trial.deadline(options) == seconds
