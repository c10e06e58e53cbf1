"""Who is listened to when a segment says more than there is time for."""

from __future__ import annotations

import itertools

from causeway_agent.backends.segment import audience
from causeway_agent.backends.segment.audience import EVERYBODY, Audience

QUIET, LOUD = b"\2\0\0\0\0\1", b"\2\0\0\0\0\2"


def strangers(count: int, first: int = 0) -> list[bytes]:
    return [b"\6" + (first + number).to_bytes(5, "big") for number in range(count)]


def test_nobody_is_left_out_in_quiet_times() -> None:
    listening = Audience()
    for number in range(100_000):
        listening.spoke(LOUD, number / 1000)
    assert listening.heard(100.0) == EVERYBODY
    assert listening.due(100.0) is None


def test_who_says_most_of_too_much_is_not_heard_and_the_others_are() -> None:
    listening = Audience()
    listening.spoke(QUIET, 1.0)
    for _ in range(100):
        listening.spoke(LOUD, 1.0)
    listening.crowded(1.0)
    heard = listening.heard(1.0)
    assert LOUD not in heard
    assert QUIET in heard
    assert strangers(1)[0] in heard
    assert listening.due(1.0) == 1.0 + audience.MUTED_SECONDS
    assert listening.heard(1.0 + audience.MUTED_SECONDS) == EVERYBODY


def test_what_somebody_asked_long_before_does_not_make_him_loud() -> None:
    listening = Audience()
    for number in range(60):
        listening.spoke(QUIET, number / 10)
    for _ in range(60):
        listening.spoke(LOUD, 10.0)
    listening.crowded(10.0)
    assert QUIET in listening.heard(10.0)


def test_who_goes_on_is_heard_ever_more_rarely_and_at_last_as_before() -> None:
    listening, now, found = Audience(), 0.0, []
    for _ in range(6):
        for _ in range(100):
            listening.spoke(LOUD, now)
        listening.crowded(now)
        until = listening.due(now)
        assert until is not None
        found.append(until - now)
        now = until
    assert found == [1.0, 2.0, 4.0, 8.0, 8.0, 8.0]
    now += 2 * audience.LONGEST_SECONDS
    for _ in range(100):
        listening.spoke(LOUD, now)
    listening.crowded(now)
    assert listening.due(now) == now + audience.MUTED_SECONDS


def test_under_a_crowd_of_strangers_those_are_heard_who_were_there_before() -> None:
    listening = Audience()
    listening.spoke(QUIET, 1.0)
    for mac in strangers(1000):
        listening.spoke(mac, 30.0)
    listening.crowded(30.0)
    heard = listening.heard(30.0)
    assert QUIET in heard
    assert strangers(1, 999)[0] not in heard
    due = listening.due(30.0)
    assert due == 30.0 + audience.ALONE_SECONDS
    assert listening.heard(due) == EVERYBODY, "newcomers have a chance"


def test_strangers_who_go_on_have_ever_rarer_chances_and_at_last_as_before() -> None:
    listening, now, found = Audience(), 0.0, []
    for turn in range(6):
        for mac in strangers(100, first=100 * turn):
            listening.spoke(mac, now)
        listening.crowded(now)
        until = listening.due(now)
        assert until is not None
        found.append(round(until - now, 3))
        now = until + 0.1
    assert found == [0.2, 0.4, 0.8, 1.6, 1.6, 1.6]
    now += audience.LONGEST_ALONE_SECONDS
    for mac in strangers(100, first=1000):
        listening.spoke(mac, now)
    listening.crowded(now)
    until = listening.due(now)
    assert until is not None
    assert round(until - now, 3) == audience.ALONE_SECONDS


def test_a_regular_keeps_its_place_however_many_come() -> None:
    listening = Audience()
    listening.spoke(QUIET, 0.0)
    numbers = itertools.count()
    for second in range(1, 300):
        for mac in strangers(100, first=100 * next(numbers)):
            listening.spoke(mac, float(second))
        listening.spoke(QUIET, float(second))
    listening.crowded(300.0)
    heard = listening.heard(300.0)
    assert heard.alone is not None
    assert len(heard.alone) == audience.REGULARS
    assert QUIET in heard


def test_places_of_those_who_fell_silent_are_given_away() -> None:
    listening = Audience()
    for second in range(100):
        for mac in strangers(20, first=20 * second):
            listening.spoke(mac, float(second))
    listening.spoke(QUIET, 100.0 + audience.SILENT_SECONDS)
    for mac in strangers(200, first=1_000_000):
        listening.spoke(mac, 100.0 + audience.SILENT_SECONDS)
    listening.crowded(100.0 + audience.SILENT_SECONDS)
    assert QUIET in listening.heard(100.0 + audience.SILENT_SECONDS)


def test_regulars_of_an_enemy_are_silenced_among_the_regulars() -> None:
    listening = Audience()
    listening.spoke(QUIET, 0.0)
    several = strangers(50)
    for mac in several:
        listening.spoke(mac, 0.0)
    for _ in range(2):
        for mac in 2 * several:
            listening.spoke(mac, 1.0)
        listening.spoke(QUIET, 1.0)
        listening.crowded(1.0)
    heard = listening.heard(1.0)
    assert QUIET in heard
    assert not any(mac in heard for mac in several)


def test_what_is_remembered_is_bounded() -> None:
    listening = Audience()
    for mac in strangers(2 * audience.MOST_MUTED):
        for _ in range(10):
            listening.spoke(mac, 1.0)
        listening.crowded(1.0)
    assert len(listening.heard(1.0).muted) == audience.MOST_MUTED
