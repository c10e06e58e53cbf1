"""When silence of a tunnel's far end means something: the judgement, without sockets or clock.

The line is learned as TCP learns it (RFC 6298): an answer is overdue after the smoothed round trip and four
times its variation. While all is well questions leave rarely: each costs an idle appliance a waking, and its
answer one more. The first that is not answered when it should be is followed by others at once; three in a
row overdue are a doubt, which costs nothing: another way is tried beside this one. Only a much longer silence
is called a loss. Times are monotonic seconds.

A guest can send more than the tunnel's process can carry. Then our own questions wait or are thrown away, or
the answers, and the silence says nothing of the far end: to restart the process, or to change to another way,
would take the tunnel from all others, again and again, and end no flood. What the device has counted tells.
If the far end dies meanwhile, or one direction does, OpenVPN's own ping notices, at either end: it waits
behind nobody's packets.
"""

from __future__ import annotations

import enum
import math
from collections import deque
from dataclasses import dataclass
from typing import Final

from causeway_agent.plan.steer import beats

INTERVAL: Final = 0.2
"""Seconds between questions..."""
FIRST: Final = 0.1
"""...until the first answer..."""
FAST: Final = 0.015
"""...and while an answer is late."""
OVERDUE: Final = 3
"""Questions in a row without an answer that make a doubt: on a line that loses 1 %, one in a million."""
LONGEST: Final = 2.5
"""Silence that is called a loss, on a line whose round trips are short."""
SETTLING: Final = 2.0
"""Seconds a new tunnel gets until its first answer: the far end may still be moving its routes."""

LATE: Final = 0.1
"""A tick this late means that we did not run, and heard nothing for that reason."""

SHORTEST: Final = 0.001

FLOOD: Final = 2000.0
"""Packets a second that are no ordinary silence: 24 Mbit/s of large ones."""

_GRANULARITY = 0.03
_SMOOTHING, _VARIATION = 0.125, 0.25  # RFC 6298, 2.3
_KEPT = 256


@dataclass(frozen=True, slots=True)
class Counted:
    """What a tunnel's device has counted, in packets."""

    received: int
    sent: int
    """By a process that carries the tunnel: once it has read them (tun_put_user, drivers/net/tun.c)."""
    dropped: int
    """Found the queue full that the process reads."""

    def flooded_since(self, before: Counted, seconds: float, *, asked: bool) -> bool:
        """Whether the process works, and others' packets leave no room for ours: they fill its queue; it is
        so busy with what arrives that it has read nothing though something was `asked`, for OpenVPN reads
        from the line first; or so much arrives that the far end's queue is full.
        """
        receives, sends = self.received != before.received, self.sent != before.sent
        full = self.dropped != before.dropped
        unread = receives and not sends and asked
        return (full and (receives or sends)) or unread or self.received - before.received > FLOOD * seconds


class Verdict(enum.Enum):
    """What silence means now."""

    ALIVE = "alive"
    LATE = "late"
    """An answer is overdue: time to ask whether the line is good."""
    DOUBTFUL = "doubtful"
    """Something may be wrong: look for another way, and change when that one answers first."""
    LOST = "lost"


class Pulse:
    """What was asked and heard of one far end."""

    def __init__(self, now: float, *, settling: float = SETTLING) -> None:
        self._settled = now + settling
        self._heard = now
        self._ticked = now
        self._due = now
        self._counted: Counted | None = None
        self._asked: deque[tuple[int, float]] = deque(maxlen=_KEPT)
        self._open: deque[tuple[int, float]] = deque(maxlen=_KEPT)
        self._round_trip = self._variation = 0.0
        self.answered = False
        """Whether there was an answer at all."""

    @property
    def expected(self) -> float:
        """Seconds after which an answer is late."""
        return self._round_trip + max(FAST, 4 * self._variation)

    @property
    def timeout(self) -> float:
        """Seconds after which an answer is overdue."""
        return self._round_trip + max(_GRANULARITY, 4 * self._variation)

    @property
    def longest(self) -> float:
        """The silence that is called a loss, seconds."""
        return max(LONGEST, 4 * self.timeout)

    @property
    def silent(self) -> bool:
        """Whether no answer came since the last tick, so that what the device has counted matters."""
        return self._heard <= self._ticked

    def ask(self, sequence: int, now: float) -> None:
        """A question leaves."""
        self._asked.append((sequence, now))
        self._open.append((sequence, now))

    def hear(self, sequence: int, now: float) -> None:
        """The answer to this question arrived then; one to a question long gone says nothing."""
        moment = next((when for number, when in reversed(self._asked) if number == sequence), None)
        if moment is None:
            return
        self._learn(max(0.0, now - moment))
        self.answered = True
        self._heard = max(self._heard, now)
        while self._open and self._open[0][1] <= moment:
            self._open.popleft()

    def _learn(self, sample: float) -> None:
        if not self.answered:
            self._round_trip, self._variation = sample, sample / 2
            return
        self._variation += _VARIATION * (abs(sample - self._round_trip) - self._variation)
        self._round_trip += _SMOOTHING * (sample - self._round_trip)

    def beat(self, now: float, counted: Counted | None) -> Verdict:
        """Judge at a tick, given what the device has counted if the far end is silent."""
        if now - self._due > LATE or self._flooded(now, counted):
            # Late means that we were not running. Our own pause is not the peer's silence, nor a full queue.
            self._heard = now
            self._open.clear()
        elif counted and self._counted and counted.received != self._counted.received:
            # A busy tunnel whose answers are queued is no doubt; but one direction alone is no tunnel.
            self._open.clear()
        self._counted = counted
        self._ticked = now
        return self._verdict(now)

    def _flooded(self, now: float, counted: Counted | None) -> bool:
        if counted is None or self._counted is None:
            return False
        return counted.flooded_since(self._counted, now - self._ticked, asked=bool(self._open))

    def _verdict(self, now: float) -> Verdict:
        if not self.answered:
            late = now - self._settled
            return Verdict.ALIVE if late < 0 else Verdict.DOUBTFUL if late < LONGEST else Verdict.LOST
        if now - self._heard >= self.longest:
            return Verdict.LOST
        if now < self._late:
            return Verdict.ALIVE
        timeout = self.timeout
        overdue = sum(now - when >= timeout for _, when in self._open)
        return Verdict.DOUBTFUL if overdue >= OVERDUE else Verdict.LATE

    @property
    def _late(self) -> float:
        """When an answer that is missing is late."""
        return self._open[0][1] + self.expected if self._open else math.inf

    def next_tick(self, now: float) -> float:
        """When the next tick is, with its question: at the next beat, when an answer will be late, or soon
        after one is. To be asked again when an answer is heard.
        """
        self._due = beats.following(now, INTERVAL if self.answered else FIRST)
        if self.answered and now - self._heard < self.longest:
            late = self._late
            self._due = now + FAST if late <= now else min(self._due, max(now + SHORTEST, late))
        return self._due
