"""When a bridge's tunnel ports may be open: decided by what the loop guard heard, without sockets or clock.

Both ends send probes into their own segment and tell each other through the tunnel which number theirs carry
in this run. A probe of the far end heard on this segment, or one of our own coming back, has travelled a
second layer 2 path: with the bridge open, every broadcast would circle for ever. Numbers are drawn at random
per run, so another appliance's probes, which a bridge carries like any broadcast, are told from ours.

A new guard changes nothing until it knows better: tunnel ports are closed when they are made, and a restart
of the agent does not interrupt a bridge that is open. Times are monotonic seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

INTERVAL: Final = 0.5
"""Seconds between probes, hence the longest time until a loop is noticed."""
QUIET: Final = 1.5 * INTERVAL
"""Silence after both ends probe, before the bridge opens for the first time: one probe of each, at least."""
HOLD: Final = 10.0
"""Silence after a loop was heard last, before the bridge opens again."""


class Verdict(Enum):
    """What holds for the tunnel ports."""

    LISTENING = "listening"
    """Not known yet; they stay as they are."""
    OPEN = "open"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """What one end knows."""

    own: bytes
    """Number of our probes."""
    peer: bytes | None = None
    """Number of the far end's, once it told us through the tunnel."""
    since: float = 0.0
    """When listening began, or a loop was heard last."""
    verdict: Verdict = Verdict.LISTENING


def met(guard: Guard, number: bytes, now: float) -> Guard:
    """The far end told, through the tunnel, which number its probes carry."""
    if guard.peer == number:
        return guard
    since = now if guard.verdict is Verdict.LISTENING else guard.since
    return replace(guard, peer=number, since=since)


def heard(guard: Guard, number: bytes, now: float) -> Guard:
    """A probe of this number arrived from the segment."""
    if number not in (guard.own, guard.peer):
        return guard
    return replace(guard, since=now, verdict=Verdict.BLOCKED)


def due(guard: Guard) -> float | None:
    """When silence from now on opens the bridge; None when it is open, or nobody is there to listen to."""
    match guard.verdict:
        case Verdict.LISTENING if guard.peer is not None:
            return guard.since + QUIET
        case Verdict.BLOCKED:
            return guard.since + HOLD
        case _:
            return None


def passed(guard: Guard, now: float) -> Guard:
    """Time has passed; silence opens."""
    moment = due(guard)
    return guard if moment is None or now < moment else replace(guard, verdict=Verdict.OPEN)
