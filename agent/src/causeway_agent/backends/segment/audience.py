"""Who is listened to of those who speak on a segment, when they say more than there is time for.

Two enemies are told apart. One machine that says most of it is not heard for a while. One that says it under
ever new MAC addresses cannot be named, but those who were heard in quiet times can: they are listened to
alone, with short breaks in which everybody has a chance. Who comes only while such an enemy speaks has to ask
again.

What is remembered is bounded, and a regular who still speaks is never forgotten for a newcomer's sake:
an enemy fills what is left, slowly, and takes no place that was given away.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from dataclasses import dataclass, field
from typing import Final

from causeway_agent.backends.host.token_bucket import Bucket

LOUD: Final = 16
"""Who said one in so many of the last frames is loud, when they were too many."""
LEAST: Final = 5
"""Frames that nobody is loud below, but among regulars alone: there it is `LEAST_ALONE`, since an enemy may
have become several of them.
"""
LEAST_ALONE: Final = 2
MUTED_SECONDS: Final = 1.0
"""As long as a machine waits that was not answered (RFC 4861, 10); doubled for who goes on."""
LONGEST_SECONDS: Final = 8.0
MOST_MUTED: Final = 256
ALONE_SECONDS: Final = 0.2
"""That only regulars are listened to; doubled while strangers go on."""
LONGEST_ALONE_SECONDS: Final = 1.6
REGULARS: Final = 1024
SILENT_SECONDS: Final = 600.0
"""After which a regular is one no more, when its place is wanted."""
_NEWCOMERS, _AT_ONCE = 20.0, 200.0
"""Who becomes a regular, per second and at once."""
_RECENT, _RECENT_SECONDS = 128, 0.25
"""Frames whose senders are counted, and for how long."""


@dataclass(frozen=True, slots=True)
class Heard:
    """Who is let in, by MAC address: nobody of `muted`, and of `alone` only, where there is one."""

    muted: frozenset[bytes] = frozenset()
    alone: frozenset[bytes] | None = None

    def __contains__(self, mac: bytes) -> bool:
        """Whether this machine is."""
        return mac not in self.muted and (self.alone is None or mac in self.alone)


EVERYBODY: Final = Heard()


@dataclass(frozen=True, slots=True)
class _Spell:
    """A time in which some are not listened to; before the first one, it is long over."""

    until: float = float("-inf")
    seconds: float = 0.0

    def another(self, now: float, *, shortest: float, longest: float) -> _Spell:
        """The next one from now on: twice as long for who began again at once."""
        again = now - self.until < self.seconds
        seconds = min(longest, 2 * self.seconds) if again else shortest
        return _Spell(now + seconds, seconds)


@dataclass(slots=True)
class Audience:
    """Counts who speaks; times are of one clock and never go back."""

    _recent: deque[tuple[float, bytes]] = field(default_factory=lambda: deque(maxlen=_RECENT))
    _muted: OrderedDict[bytes, _Spell] = field(default_factory=OrderedDict)
    """Also some whose time is over: who begins again at once waits longer."""
    _regulars: OrderedDict[bytes, float] = field(default_factory=OrderedDict)
    _newcomers: Bucket = field(default_factory=lambda: Bucket(_NEWCOMERS, _AT_ONCE, 0.0))
    _alone: _Spell = _Spell()

    def spoke(self, mac: bytes, now: float) -> None:
        """A machine was listened to."""
        self._recent.append((now, mac))
        if mac in self._regulars:
            self._regulars[mac] = now
            self._regulars.move_to_end(mac)
        elif self._has_place(now) and self._newcomers.take(now):
            self._regulars[mac] = now

    def crowded(self, now: float) -> None:
        """There was more to hear than there is time for."""
        counts = Counter(mac for when, mac in self._recent if now - when < _RECENT_SECONDS)
        least = LEAST_ALONE if now < self._alone.until else max(LEAST, counts.total() / LOUD)
        loud = [mac for mac, count in counts.items() if count >= least]
        self._recent.clear()
        for mac in loud:
            self._mute(mac, now)
        if not loud:
            self._alone = self._alone.another(now, shortest=ALONE_SECONDS, longest=LONGEST_ALONE_SECONDS)

    def heard(self, now: float) -> Heard:
        """Who is listened to at this moment."""
        muted = frozenset(mac for mac, mute in self._muted.items() if now < mute.until)
        alone = frozenset(self._regulars) if now < self._alone.until else None
        return Heard(muted, alone)

    def due(self, now: float) -> float | None:
        """When others will be listened to, if nobody says too much; None: everybody is."""
        ends = [mute.until for mute in self._muted.values()]
        return min((end for end in (*ends, self._alone.until) if now < end), default=None)

    def _has_place(self, now: float) -> bool:
        if len(self._regulars) < REGULARS:
            return True
        first, last = next(iter(self._regulars.items()))
        if now - last < SILENT_SECONDS:
            return False
        del self._regulars[first]
        return True

    def _mute(self, mac: bytes, now: float) -> None:
        before = self._muted.pop(mac, _Spell())
        self._muted[mac] = before.another(now, shortest=MUTED_SECONDS, longest=LONGEST_SECONDS)
        if len(self._muted) > MOST_MUTED:
            self._muted.popitem(last=False)
