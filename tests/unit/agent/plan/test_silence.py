"""When silence of the far end is a doubt, when a loss, and when it has another cause."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest

from causeway_agent.plan.steer.silence import INTERVAL, LATE, LONGEST, SETTLING, Counted, Pulse, Verdict

Fate = Callable[[float], float | None]
"""From the moment a question leaves to the seconds its answer takes; None when none comes."""


class Line:
    """A far end behind a line, and a device that counts so much a tick besides our answers."""

    def __init__(self, fate: Fate, *, received: int = 0, sent: int = 1, dropped: int = 0) -> None:
        self.pulse = Pulse(0.0)
        self.now = 0.0
        self._fate, self._sequence = fate, 0
        self._a_tick = Counted(received, sent, dropped)
        self._counted = Counted(0, 0, 0)
        self._flying: list[tuple[float, int]] = []
        self.ticks = 0
        """Times that we were woken."""

    def until(self, end: float, *wanted: Verdict, stop: tuple[float, float] | None = None) -> float | None:
        """When the verdict is first one of these; `stop`: from when for how long we do not run."""
        while self.now < end:
            self._count(self._a_tick)
            if self.pulse.beat(self.now, self._counted if self.pulse.silent else None) in wanted:
                return self.now
            self._sequence += 1
            self.pulse.ask(self._sequence, self.now)
            takes = self._fate(self.now)
            if takes is not None:
                self._flying.append((self.now + takes, self._sequence))
            self._pass()
            if stop is not None and self.now >= stop[0]:
                self.now, stop = self.now + stop[1], None
        return None

    def _count(self, more: Counted) -> None:
        was = self._counted
        self._counted = Counted(
            was.received + more.received, was.sent + more.sent, was.dropped + more.dropped
        )

    def _pass(self) -> None:
        """Until the next tick. Answers that arrive before it move it."""
        tick = self.pulse.next_tick(self.now)
        while self._flying and min(self._flying)[0] <= tick:
            landed = min(self._flying)
            self._flying.remove(landed)
            self.pulse.hear(landed[1], landed[0])
            self._count(Counted(1, 0, 0))
            self.ticks += 1
            self.now = landed[0]
            tick = self.pulse.next_tick(self.now)
        self.now = tick
        self.ticks += 1


def dies(at: float, delay: float = 0.01) -> Fate:
    return lambda now: delay if now + delay < at else None


def pauses(every: float, length: float, delay: float = 0.01) -> Fate:
    """Nothing arrives during a pause; what was sent in it arrives at its end."""

    def fate(now: float) -> float:
        into = (now + delay) % every
        return delay if into > length or now < every else delay + length - into

    return fate


NOTHING = Counted(0, 0, 0)
DOUBTS = (Verdict.DOUBTFUL, Verdict.LOST)


def test_a_far_end_that_answers_is_never_doubted() -> None:
    assert Line(lambda _: 0.01).until(60.0, Verdict.LATE, *DOUBTS) is None


@pytest.mark.parametrize("at", [5.0 + n / 50 for n in range(10)])
def test_a_dead_one_is_doubted_within_three_tenths_of_a_second_and_lost_much_later(at: float) -> None:
    """Whenever it dies: between two questions, and between a question and its answer."""
    line = Line(dies(at=at))
    doubted = line.until(60.0, *DOUBTS)
    assert doubted is not None
    assert 0.05 < doubted - at < 0.3
    lost = line.until(60.0, Verdict.LOST)
    assert lost is not None
    assert at + LONGEST - INTERVAL <= lost <= at + LONGEST + INTERVAL


@pytest.mark.parametrize("length", [0.5, 0.8, 0.95])
def test_pauses_below_a_second_are_no_loss(length: float) -> None:
    assert Line(pauses(3.0, length)).until(60.0, Verdict.LOST) is None


@pytest.mark.parametrize("delay", [0.08, 0.3, 1.0])
def test_a_distant_far_end_gets_its_round_trip(delay: float) -> None:
    assert Line(lambda _: delay).until(30.0, *DOUBTS) is None


def test_jitter_is_learned() -> None:
    draw = random.Random(1)  # noqa: S311 - repeatable
    line = Line(lambda _: draw.uniform(0.0, 0.5))
    line.until(5.0)
    assert line.until(60.0, *DOUBTS) is None


def test_single_losses_are_no_doubt() -> None:
    draw = random.Random(2)  # noqa: S311 - repeatable
    assert Line(lambda _: None if draw.random() < 0.02 else 0.01).until(120.0, *DOUBTS) is None


def test_a_busy_tunnel_whose_answers_are_queued_is_not_doubted() -> None:
    line = Line(dies(at=5.0), received=1)
    assert line.until(5.0 + LONGEST - 0.2, *DOUBTS) is None


@pytest.mark.parametrize("delay", [0.0005, 0.02, 0.08, 0.3])
def test_while_all_is_well_there_are_five_questions_and_answers_a_second(delay: float) -> None:
    line = Line(lambda _: delay)
    line.until(10.0)
    line.ticks = 0
    line.until(20.0)
    assert line.ticks / 10 == pytest.approx(10, abs=1)


def test_a_line_that_is_sometimes_late_costs_a_few_questions_more() -> None:
    """Answers that are 20 ms late now and then: asked again at once, and no doubt."""
    draw = random.Random(3)  # noqa: S311 - repeatable
    line = Line(lambda _: 0.03 if draw.random() < 0.05 else 0.001)
    assert line.until(60.0, *DOUBTS) is None
    assert line.ticks / 60 < 15


def test_packets_in_one_direction_alone_are_no_tunnel() -> None:
    assert Line(dies(at=5.0), received=1).until(30.0, Verdict.LOST) == pytest.approx(5.0 + LONGEST, abs=0.2)


@pytest.mark.parametrize(
    ("received", "sent", "dropped"), [(0, 50, 500), (50, 0, 500), (5, 0, 0), (1000, 1, 0)]
)
def test_the_silence_of_a_tunnel_that_a_guest_floods_says_nothing(
    received: int, sent: int, dropped: int
) -> None:
    """Ours fills the queue; so does his with ours unread; what arrives leaves no time; his queue is full."""
    flooded = Line(dies(at=5.0), received=received, sent=sent, dropped=dropped)
    assert flooded.until(60.0, *DOUBTS) is None


def test_a_process_that_neither_reads_nor_delivers_is_lost_however_full_its_queue() -> None:
    lost = Line(dies(at=5.0), sent=0, dropped=500).until(30.0, Verdict.LOST)
    assert lost == pytest.approx(5.0 + LONGEST, abs=0.2)


def test_our_own_pause_is_not_the_far_end_s_silence() -> None:
    assert Line(lambda _: 0.01).until(30.0, *DOUBTS, stop=(5.0, 10.0)) is None


def test_a_new_tunnel_may_settle() -> None:
    doubted = Line(lambda _: None).until(30.0, *DOUBTS)
    assert doubted == pytest.approx(SETTLING, abs=LATE)


def test_a_far_end_that_need_not_answer_is_never_doubted_before_it_did() -> None:
    pulse = Pulse(0.0, settling=math.inf)
    now = 0.0
    for sequence in range(1000):
        assert pulse.beat(now, NOTHING) is Verdict.ALIVE
        pulse.ask(sequence, now)
        now = pulse.next_tick(now)
    pulse.hear(999, now)
    for _ in range(100):
        now = pulse.next_tick(now)
        if pulse.beat(now, NOTHING) in DOUBTS:
            return
        pulse.ask(1000, now)
    raise AssertionError("one that answered once must go on answering")
