"""Looks whose intervals are multiples of each other fall together."""

from __future__ import annotations

import random

import pytest

from causeway_agent.plan.steer import beats


@pytest.mark.parametrize("interval", [0.02, 0.1, 0.2, 0.5, 1.0])
def test_the_next_beat_is_later_and_at_most_an_interval_away(interval: float) -> None:
    draw = random.Random(3)  # noqa: S311 - repeatable
    for now in (0.0, interval, 7 * interval, *(draw.uniform(0, 1e7) for _ in range(1000))):
        assert now < beats.following(now, interval) <= now + interval * (1 + 1e-5)


@pytest.mark.parametrize("longer", [0.2, 0.5, 1.0])
def test_a_longer_interval_s_beats_are_among_those_of_a_shorter_one(longer: float) -> None:
    draw = random.Random(4)  # noqa: S311 - repeatable
    for _ in range(1000):
        beat = beats.following(draw.uniform(0, 1e7), longer)
        assert beats.following(beat - 0.05, 0.1) == pytest.approx(beat, abs=1e-6)


def test_following_the_beats_counts_them() -> None:
    now = 0.0
    for _ in range(10_000):
        now = beats.following(now, 0.1)
    assert now == pytest.approx(1000.0)
