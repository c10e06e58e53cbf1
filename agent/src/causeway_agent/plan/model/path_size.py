"""The size of a tunnel's path: what a line carries is found by trying, and tried again as long as it is used.

Nothing that a stranger could say is believed: ICMP about a tunnel's own packets is not even heard
(`ruleset_path`). Packets of several sizes go through the tunnel, with DF outside, and the far end says which
came; the largest is what the way there carries (RFC 8899 calls this datagram packetization layer path MTU
discovery). A size that no longer comes while a small packet does is given up after three tries; larger ones
are tried all the time. Sizes are octets of an IP packet inside the tunnel. No clock: times in monotonic
seconds come from the caller.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

OUTER: Final = 1500
"""Octets of the largest packet a line is asked to carry."""
INSIDE: Final = 1500
"""Octets of the largest packet inside a tunnel, as on a LAN."""
STEPS: Final = (
    *(1500, 1492, 1480, 1472, 1460, 1440, 1420, 1400, 1380, 1360, 1340, 1320, 1300, 1280),
    *(1240, 1200, 1100, 1000, 800, 576),
)
"""Outer sizes tried first; what lies between the largest that came and the next is searched afterwards."""
_HEADERS: Final[Mapping[int, int]] = {4: 20 + 8, 6: 40 + 8}
_OPENVPN: Final = 4 + 4 + 16
"""Kind and peer, packet number, tag of AES-256-GCM (OpenVPN's data packets, version 2)."""
ETHERNET: Final = 14
IPV4: Final = 4
IPV6_LEAST: Final = 1280
"""Octets that every way must carry for IPv6 (RFC 8200, 5)."""
PORT: Final = 6181
"""UDP port of the two ends' agents, on inner addresses."""
PROTOCOL: Final = 253
"""IP protocol in frames: a number for experiments (RFC 3692, 2.1), which no host takes for its own."""
SMALLEST: Final = 128
"""Octets of an answer."""
WHOLE: Final = 0xFF
"""Type of service of a bridged tunnel's questions, inside and out, which keeps them in one piece: the code
point 63 is for local use (RFC 2474, 6), and nobody sends with congestion experienced already (RFC 3168, 5).
"""

BUSY: Final = 1.0
IDLE: Final = 3.0
"""Seconds between two looks at a path that carries packets, and one that carries none but ours."""
BUSY_OCTETS: Final = 20_000
"""Through the device between two looks: what the tunnel's own echoes and announcements do not reach."""
_MISSES: Final = 2
"""Looks that must miss the size before another is searched for; a needless search changes nothing."""
_FIRST_PATIENCE: Final = 0.25
_ROUND_TRIPS: Final = 3.0
_MOST_DOUBLINGS: Final = 3
_LONGEST_PATIENCE: Final = 4.0
"""Seconds, unless round trips alone take longer: a tunnel that comes back is asked again so soon."""
_GAIN: Final = 0.125  # RFC 6298, 2.3
_FINEST: Final = 2
"""Octets to which the size is found."""
_AT_ONCE: Final = 12


@dataclass(frozen=True, slots=True)
class PathSize:
    """The largest packet inside the tunnel that gets to the far end, and that comes from there."""

    sends: int
    receives: int


def route_mtu(version: int, sends: int) -> int:
    """The MTU of a route into the tunnel; IPv6 knows none below 1280 (RFC 8200, 5)."""
    return sends if version == IPV4 else max(sends, IPV6_LEAST)


def problem(size: PathSize, version: int, *, bridged: bool) -> str | None:
    """What cannot pass over this IP version outside, in words; None when all does."""
    least = min(size.sends, size.receives)
    if bridged and version == IPV4:
        return None  # what is larger comes in fragments
    if bridged:
        return _of_frames(least, full(version, bridged=True).sends)
    if least >= IPV6_LEAST:
        return None
    return (
        f"the path carries packets of {least} octets inside the tunnel, IPv6 needs {IPV6_LEAST}: TCP is cut "
        "to fit, larger IPv6 datagrams are lost; find what takes so much off the line between the sites"
    )


def _of_frames(least: int, whole: int) -> str | None:
    if least >= whole:
        return None
    return (
        f"the path carries frames of {least} octets, and over IPv6 no router fragments larger ones: TCP is "
        f"cut to fit, other frames of up to {whole} are lost; let the tunnel reach a gateway over IPv4, or "
        "find what takes so much off the line between the sites"
    )


def overhead(version: int, *, bridged: bool) -> int:
    """What a tunnel over UDP and this IP version adds to a packet inside, octets."""
    return _HEADERS[version] + _OPENVPN + (ETHERNET if bridged else 0)


def stream() -> PathSize:
    """What a tunnel over TCP carries over any line: all that its device takes."""
    return PathSize(INSIDE, INSIDE)


def full(version: int, *, bridged: bool) -> PathSize:
    """What a tunnel carries over a line of full size."""
    size = OUTER - overhead(version, bridged=bridged)
    return PathSize(size, size)


def over_another(size: int, before: int, after: int) -> int:
    """What may be sent over a way that adds `after` octets, until it is measured, when one that adds `before`
    carried `size`: the line may be the same, or one that carries no more.
    """
    return min(size, size + before - after)


@dataclass(slots=True)
class Search:
    """One direction's search: `due` says what to send, `heard` takes answers, `size` is what is known."""

    overhead: int
    size: int | None = None
    """The largest size that is known to come; None before anything was."""
    _asked: tuple[int, ...] = ()
    _came: set[int] = field(default_factory=set)
    _sent_at: float = 0.0
    _round_trip: float = 0.0
    _misses: int = 0
    _silences: int = 0
    _bracket: tuple[int, int] | None = None
    """While a search runs: the largest size that came, the smallest that did not."""

    @property
    def ceiling(self) -> int:
        """The size that a line of full size carries."""
        return OUTER - self.overhead

    @property
    def patience(self) -> float:
        """Seconds until what was not answered counts as lost; longer when nothing is answered at all."""
        shortest = max(_FIRST_PATIENCE, _ROUND_TRIPS * self._round_trip)
        doubled = shortest * 2 ** min(self._silences, _MOST_DOUBLINGS)
        return float(max(shortest, min(doubled, _LONGEST_PATIENCE)))

    @property
    def settled(self) -> bool:
        """Whether what came last confirms the size: nothing needs to be asked for a while."""
        return self._bracket is None and bool(self._came) and max(self._came) == self.size

    def due(self, now: float) -> tuple[int, ...]:
        """The sizes to send now, largest first, after judging what came since the last call."""
        self._judge()
        self._came = set()
        self._asked = self._next()
        self._sent_at = now
        return self._asked

    def heard(self, size: int, now: float) -> None:
        """The far end has received a packet of this size."""
        if size not in self._asked:
            return
        self._came.add(size)
        self._round_trip += (now - self._sent_at - self._round_trip) * (_GAIN if self._round_trip else 1.0)
        if size == self.ceiling:
            self._settle(size)

    def _judge(self) -> None:
        if not self._came:
            self._fall_silent()
            return
        self._silences, largest = 0, max(self._came)
        if self._bracket is not None:
            self._narrow(*self._bracket, largest)
        elif self.size is not None and largest >= self.size:
            self._misses = 0
            if largest > self.size:
                self._narrow(largest, self.ceiling, largest)
        else:
            self._misses += 1
            if self.size is None or self._misses >= _MISSES:
                self._bracket = (largest, self.ceiling)

    def _fall_silent(self) -> None:
        """Silence says nothing about sizes, the tunnel or the far agent may be away; unless all that was
        asked was large: then the next question has a small one beside it.
        """
        small = self._bracket is not None or self._steps[-1] in self._asked
        self._misses = 0 if small or not self._asked else 1
        self._silences += small
        self._bracket = None

    def _narrow(self, low: int, high: int, largest: int) -> None:
        low = max(low, largest)
        high = min((size for size in (*self._asked, high) if size > low), default=low)
        self._bracket = (low, high)
        if high - low <= _FINEST:
            self._settle(low)

    def _settle(self, size: int) -> None:
        self.size, self._bracket, self._misses = size, None, 0

    def _next(self) -> tuple[int, ...]:
        """The smallest tells a path that shrank from one that is silent."""
        if self._bracket is not None:
            return _between(self._steps, *self._bracket)
        if self.size is None:
            return self.ceiling, self._steps[-1]
        if self._misses:
            return self.size, self._steps[-1]
        if self.size >= self.ceiling:
            return (self.size,)
        above = min((step for step in self._steps if step > self.size), default=self.ceiling)
        near = min(self.size + _FINEST + 1, self.ceiling)
        return tuple(sorted({self.ceiling, above, near, self.size}, reverse=True))

    @property
    def _steps(self) -> tuple[int, ...]:
        return tuple(outer - self.overhead for outer in STEPS)


def _between(steps: tuple[int, ...], low: int, high: int) -> tuple[int, ...]:
    """Sizes to try between two, and the lower one itself, which shows that the tunnel still answers."""
    inner = [step for step in steps if low < step < high]
    if not inner:
        inner = list(range(high - _FINEST, low, -max(_FINEST, (high - low) // _AT_ONCE)))
    return *inner, low
