"""Beats: who looks at something regularly looks at multiples of his interval, of one clock that all read.

What an idle process costs is being woken; what it then does is cheap. Looks whose intervals are multiples of
each other fall together, and one waking serves them all.
"""

from __future__ import annotations

import math

_SAME = 1e-6
"""Parts of an interval: a beat that is as near as this is the one that `now` came from, and was rounded."""


def following(now: float, interval: float) -> float:
    """The next beat after `now`, both on time.monotonic(3), seconds."""
    return (math.floor(now / interval + _SAME) + 1) * interval
