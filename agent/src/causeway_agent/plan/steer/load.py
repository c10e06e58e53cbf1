"""Who sends more than a share of what a tunnel carries: the most that all can have alike. Nobody, while there
is room: a tunnel has none when its device has to drop.

What it carries cannot be known beforehand (the processor, the line, what else they do), only seen while it
drops: that is what it sent meanwhile. Of that, those who send most get less for a while, so that the
queue empties; then nearly all; then, to find out whether there is more by now, more and more, until nobody
wants more or it drops again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from causeway_agent.plan.steer.shares import share

DROPPED_FROM: Final = 0.02
"""Part of what is offered to a device that it drops when it is taken to have no room: less is what senders
that look for the limit themselves (TCP) have to lose.
"""
OUTSIDE: Final = 26
"""Octets by which a packet grows over TCP: its length, opcode and peer, number, tag (AES-256-GCM)."""
SKEW: Final = 0.05
"""Part of what was given by which what was written may differ, as they are read one after the other."""
STUCK: Final = 50.0
"""Packets per second: a tunnel that carries less than that does not work, or stands still."""
LOOKS: Final = 3
"""At which it had no room, one after the other, before anybody is slowed: while a tunnel is replaced its
device drops, too, and what it sent meanwhile is not what it carries.
"""
DRAINING: Final = 0.7
NEARLY_ALL: Final = 0.95
"""Parts of what a tunnel carries that are shared, at first and later."""
DRAINED_AFTER: Final = 10.0
TRIED_AFTER: Final = 20.0
"""Seconds since it dropped last until it is nearly all, and until more is tried."""
LEAST_LEFT: Final = 0.7
"""Part of what it was seen to carry that is believed to be left after a look at which it carried less: that
may have fallen into a moment in which the processor did something else.
"""
GROWTH: Final = 0.03
"""Part of it by which what is tried grows each second."""
WANTING: Final = 0.8
"""Part of its share that a machine has to send to be taken to want more."""
HELD: Final = 30.0
"""Seconds that a machine is held to its share after it was last seen to want more."""
HELD_AT_ONCE: Final = 128
"""Machines of a tunnel that are held at once, those who send most: the packet filter's set is for all
tunnels, and takes nothing at all when it is told more than fits. Who plays ever new machines would fill it.
"""
MOST: Final = 64
"""Parts that are shared at most: of one that plays more machines than this, nobody loses more than that."""


@dataclass(frozen=True, slots=True)
class Sender:
    """A machine that sends into the tunnel on a device."""

    device: str
    mac: bytes


@dataclass(frozen=True, slots=True)
class Given:
    """What a tunnel's device gave OpenVPN since it was made."""

    packets: int
    octets: int


def lost_inside(given: Given, written: int) -> int:
    """Return how many of the packets that OpenVPN was given for TCP, in a while, it did not write, by the
    octets that it wrote: it reads on when its connection takes no more, and drops.
    """
    due = given.octets + OUTSIDE * given.packets
    part = 1 - written / due if due > 0 else 0.0
    return round(part * given.packets) if part > SKEW else 0


@dataclass(frozen=True, slots=True)
class Flow:
    """Packets per second that a tunnel's device sent, and dropped because its queue was full."""

    sent: float
    dropped: float

    @property
    def full(self) -> bool:
        """Whether it had no room."""
        return self.dropped > DROPPED_FROM * (self.sent + self.dropped)

    @property
    def stuck(self) -> bool:
        """Whether it drops because nothing takes packets out of it: that is no matter of shares."""
        return self.full and self.sent < STUCK


@dataclass(frozen=True, slots=True)
class Pressure:
    """A tunnel that has, or lately had, no room."""

    carries: float
    """Packets per second."""
    dropped_at: float
    looks: int = 0
    """At which it had none, one after the other."""
    share: int = 0
    """Packets per second of each machine in `slowed`."""
    slowed: Mapping[bytes, float] = field(default_factory=dict)
    """Until when, by MAC address."""


def judge(known: Pressure | None, flow: Flow, offered: Mapping[bytes, float], now: float) -> Pressure | None:
    """What becomes of it after a look; None: there is room. `offered`: packets per second by MAC address,
    empty while they are not counted yet.
    """
    if flow.stuck:
        return None
    if flow.full:
        known = known or Pressure(flow.sent, now)
        carries = max(flow.sent, LEAST_LEFT * known.carries)
        known = replace(known, carries=carries, dropped_at=now, looks=known.looks + 1)
    elif known is not None:
        known = replace(known, carries=max(known.carries, flow.sent), looks=0)
    if known is None or not offered:
        return _rested(known, now)
    wanting = {mac for mac in known.slowed if offered.get(mac, 0.0) > WANTING * known.share}
    if known.looks < LOOKS and not wanting:
        return _rested(known, now)
    room = int(known.carries * _part(now - known.dropped_at))
    numbers = {mac: room + 1 if mac in wanting else int(rate) for mac, rate in offered.items()}
    fair = share(numbers.values(), room=room)
    level = max(room if fair is None else fair, room // MOST, 1)
    above = {mac for mac, number in numbers.items() if number > level}
    slowed = {**known.slowed, **dict.fromkeys(above, now + HELD)}
    held = sorted((mac for mac, end in slowed.items() if now < end), key=lambda mac: -offered.get(mac, 0.0))
    return replace(known, share=level, slowed={mac: slowed[mac] for mac in held[:HELD_AT_ONCE]})


def _part(quiet: float) -> float:
    """How much of what it carries is shared, so long after it dropped last."""
    if quiet < DRAINED_AFTER:
        return DRAINING
    return NEARLY_ALL + GROWTH * max(0.0, quiet - TRIED_AFTER)


def _rested(known: Pressure | None, now: float) -> Pressure | None:
    if known is None:
        return None
    slowed = {mac: end for mac, end in known.slowed.items() if now < end}
    return replace(known, slowed=slowed) if slowed or now - known.dropped_at < HELD else None
