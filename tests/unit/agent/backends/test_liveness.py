"""When a silent peer counts as lost, and when silence has another cause."""

from __future__ import annotations

import math

import pytest

from causeway_agent.backends import liveness
from causeway_agent.backends.liveness import INTERVAL, LIMIT, SETTLING, Pulse


class Line:
    """A peer that answers after `delay` until `dies`, and a device that counts `busy` packets a tick."""

    def __init__(self, *, delay: float = 0.01, dies: float = 1e9, busy: int = 0) -> None:
        self.pulse = Pulse(0.0)
        self.now = 0.0
        self.received = 0
        self._delay, self._dies, self._busy = delay, dies, busy
        self._sequence = 0
        self._flying: list[tuple[float, int]] = []

    def lost_at(self, until: float, *, pause: tuple[float, float] | None = None) -> float | None:
        while self.now < until:
            landed = [f for f in self._flying if f[0] <= self.now]
            for moment, sequence in landed:
                self._flying.remove((moment, sequence))
                self.pulse.answered(sequence, moment)
                self.received += 1
            self.received += self._busy
            if self.pulse.beat(self.now, self.received if self.pulse.silent else None):
                return self.now
            self._sequence += 1
            self.pulse.sent(self._sequence, self.now)
            if self.now + self._delay < self._dies:
                self._flying.append((self.now + self._delay, self._sequence))
            self.now += self.pulse.next_tick(self.now)
            if pause is not None and self.now >= pause[0]:
                self.now, pause = self.now + pause[1], None
        return None


def test_a_peer_that_answers_is_not_lost() -> None:
    assert Line().lost_at(60.0) is None


def test_a_dead_peer_is_lost_after_the_limit() -> None:
    lost = Line(dies=5.0).lost_at(60.0)
    assert lost is not None
    assert 5.0 + LIMIT - INTERVAL <= lost <= 5.0 + LIMIT + INTERVAL


def test_a_distant_peer_gets_four_round_trips() -> None:
    assert Line(delay=0.29).lost_at(30.0) is None
    lost = Line(delay=0.29, dies=5.0).lost_at(30.0)
    assert lost is not None
    assert lost >= 5.0 - INTERVAL - 0.29 + 4 * 0.29


def test_other_packets_from_the_tunnel_are_life_too() -> None:
    assert Line(dies=5.0, busy=1).lost_at(30.0) is None


def test_our_own_pause_is_not_the_peer_s_silence() -> None:
    assert Line().lost_at(30.0, pause=(5.0, 10.0)) is None


def test_a_new_tunnel_may_settle() -> None:
    lost = Line(dies=0.0).lost_at(30.0)
    assert lost == pytest.approx(SETTLING, abs=INTERVAL)


@pytest.mark.parametrize(("identifier", "sequence"), [(0, 0), (0xFFFF, 0xFFFF), (4711, 12)])
def test_an_echo_request_has_a_right_checksum(identifier: int, sequence: int) -> None:
    request = liveness._request(4, identifier, sequence)
    total = sum(int.from_bytes(request[i : i + 2], "big") for i in range(0, 8, 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    assert total == 0xFFFF
    assert liveness._request(6, identifier, sequence)[:4] == bytes((128, 0, 0, 0))


def test_a_peer_that_need_not_answer_is_never_lost_before_it_did() -> None:
    pulse = Pulse(0.0, settling=math.inf)
    now = 0.0
    for sequence in range(1000):
        assert not pulse.beat(now, 0)
        pulse.sent(sequence, now)
        wait = pulse.next_tick(now)
        assert 0 < wait <= INTERVAL
        now += wait
    pulse.answered(999, now)
    for _ in range(10):
        now += pulse.next_tick(now)
        if pulse.beat(now, 0):
            return
    raise AssertionError("a peer that answered once must go on answering")
