"""What a line does to packets, as values: a `Way` for each direction, and both together as `Conditions`.

Pure. Times are seconds, shares are fractions of one, rates are bit/s of IP packets.
"""

from __future__ import annotations

import enum
from collections.abc import Callable

import msgspec

SMALLEST_MTU = 576
"""Below it a host need not even reassemble (RFC 791); IPv6 alone asks for 1280 (RFC 8200, 5)."""
LARGEST_MTU = 9000
QUEUE = 256 * 1024
"""Octets that wait for a rate unless told otherwise: what a home router's modem holds."""


class ConditionError(ValueError):
    """A condition that no line can have; the message names it and what it may be."""

    def __init__(self, field: str, expected: str, value: object) -> None:
        super().__init__(f"{field} {expected}; {value!r} is not")
        self.field = field
        self.expected = expected


class Direction(enum.StrEnum):
    """Where packets go."""

    UP = "up"
    """From the site to the internet."""
    DOWN = "down"
    """From the internet to the site."""


class Blocked(enum.StrEnum):
    """What a line can refuse to carry."""

    UDP = "udp"
    TCP = "tcp"
    IPV4 = "ipv4"
    IPV6 = "ipv6"


class Way(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One direction of a line; clear unless told otherwise.

    Packets stay in order, as in a queue, whatever the jitter; `reorder_every` alone changes it.
    """

    delay: float = 0.0
    jitter: float = 0.0
    """The delay is uniform between `delay - jitter` and `delay + jitter`."""
    loss: float = 0.0
    duplicate: float = 0.0
    reorder_every: int = 0
    """One packet in so many is overtaken; 0 for none."""
    reorder_depth: int = 0
    """By so many packets it is overtaken."""
    pause_every: float = 0.0
    pause_for: float = 0.0
    """Each `pause_every` seconds packets wait so long, and are then delivered at once."""
    rate: int = 0
    """0 for no limit."""
    queue: int = QUEUE
    """Octets that wait for the rate; what comes when they are there is dropped."""
    mtu: int = 0
    """Largest IP packet; 0 for no limit. IPv4 without DF is fragmented (RFC 791), all else is too big."""
    icmp: bool = True
    """Whether the sender of what is too big is told (RFC 1191, RFC 4443)."""
    blocked: tuple[Blocked, ...] = ()

    @property
    def clear(self) -> bool:
        """Whether it changes nothing."""
        return msgspec.structs.replace(self, queue=QUEUE, icmp=True) == Way()


class Conditions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Both directions of a line."""

    up: Way = Way()
    down: Way = Way()
    nat: bool = False
    """Whether the line translates the site's source ports, so that they can be rebound."""
    rebind_every: float = 0.0
    """Seconds after which every flow gets a new outer port; 0 for never by itself."""
    seed: int | None = None
    """Makes fates repeatable: the same packets in the same order meet the same."""

    @property
    def clear(self) -> bool:
        """Whether the line need not be there."""
        return self.up.clear and self.down.clear and not self.nat

    def carries(self, version: int) -> bool:
        """Whether packets of this IP version pass both ways."""
        block = Blocked.IPV4 if version == 4 else Blocked.IPV6  # noqa: PLR2004
        return block not in (*self.up.blocked, *self.down.blocked)

    def changed(self, *directions: Direction, **changes: object) -> Conditions:
        """These with some fields of `Way` changed in the directions, in both when none is named."""
        wanted = directions or tuple(Direction)
        ways = {one.value: msgspec.structs.replace(getattr(self, one), **changes) for one in wanted}
        return msgspec.structs.replace(self, **ways)

    def check(self) -> None:
        """Raises ConditionError naming the first field that makes no sense."""
        for way in (self.up, self.down):
            for field, holds, expected in _RULES:
                if not holds(way):
                    raise ConditionError(field, expected, getattr(way, field))
        if self.rebind_every and self.rebind_every < _SHORTEST_BINDING:
            raise ConditionError("rebind_every", "is at least 0.1 s", self.rebind_every)


_SHORTEST_BINDING = 0.1
_LONGEST = 60.0
_SLOWEST = 8_000
_DEEPEST = 10_000

_RULES: tuple[tuple[str, Callable[[Way], bool], str], ...] = (
    ("delay", lambda way: 0 <= way.delay <= _LONGEST, "is between 0 and 60 s"),
    ("jitter", lambda way: 0 <= way.jitter <= way.delay, "is between 0 and the delay"),
    ("loss", lambda way: 0 <= way.loss <= 1, "is between 0 and 100 %"),
    ("duplicate", lambda way: 0 <= way.duplicate <= 1, "is between 0 and 100 %"),
    ("reorder_every", lambda way: way.reorder_every == 0 or way.reorder_every > 1, "is 2 or more packets"),
    ("reorder_depth", lambda way: 0 <= way.reorder_depth <= _DEEPEST, "is at most 10000 packets"),
    (
        "reorder_depth",
        lambda way: bool(way.reorder_every) == bool(way.reorder_depth),
        "is at least one packet where some are overtaken",
    ),
    ("pause_every", lambda way: 0 <= way.pause_every <= _LONGEST, "is at most 60 s"),
    (
        "pause_for",
        lambda way: 0 <= way.pause_for < way.pause_every or way.pause_for == way.pause_every == 0,
        "is shorter than the time from pause to pause",
    ),
    ("rate", lambda way: way.rate == 0 or way.rate >= _SLOWEST, "is at least 8 kbit/s"),
    ("queue", lambda way: way.queue >= LARGEST_MTU, f"is at least {LARGEST_MTU} octets"),
    (
        "mtu",
        lambda way: way.mtu == 0 or SMALLEST_MTU <= way.mtu <= LARGEST_MTU,
        f"is between {SMALLEST_MTU} and {LARGEST_MTU} octets",
    ),
)
