"""One direction of a line: what happens to each packet, and when it arrives.

Pure: the clock is given with every call, chance comes from the seed. Every packet draws the same numbers in
the same order whatever the conditions are, so that a seed means the same before and after a change.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections import Counter
from collections.abc import Iterator

from causeway_lab.world.line import packets
from causeway_lab.world.line.conditions import Way

LONGEST_OVERTAKING = 1.0
"""Seconds after which a packet to be overtaken arrives though too few others came."""


class Carrier:
    """Carries the packets of one direction. `counted` says what became of them."""

    def __init__(self, *, began: float) -> None:
        """`began`: the clock's time from which pauses are counted."""
        self.way = Way()
        self.counted: Counter[str] = Counter()
        self.chance = random.Random()  # noqa: S311 - no secret
        self._began = began
        self._free_at = 0.0
        self._last_arrival = 0.0
        self._order = itertools.count()
        self._under_way: list[tuple[float, int, bool, bytes]] = []
        self._overtaken: list[tuple[int, float, bytes]] = []
        self._delivered = 0

    def change(self, way: Way, *, now: float) -> None:
        """Other conditions from now on; packets that are under way arrive as was decided for them."""
        if (way.pause_every, way.pause_for) != (self.way.pause_every, self.way.pause_for):
            self._began = now
        self.way = way

    def offer(self, frame: bytes, now: float) -> None:
        """A packet enters; its size was seen to already."""
        lost, doubled, late, overtaken = (self.chance.random() for _ in range(4))
        way = self.way
        if lost < way.loss:
            self.counted["lost"] += 1
            return
        sent = self._sent(packets.length(frame), now) if way.rate else now
        if sent is None:
            self.counted["queue_full"] += 1
            return
        arrival = self._after_pause(sent) + way.delay + way.jitter * (2 * late - 1)
        self._last_arrival = arrival = max(arrival, self._last_arrival)
        self._depart(frame, arrival, overtaken=overtaken * way.reorder_every < 1 <= way.reorder_every)
        if doubled < way.duplicate:
            self.counted["duplicated"] += 1
            self._depart(frame, arrival, overtaken=False)

    def due(self, now: float) -> Iterator[bytes]:
        """Packets that arrive by now, in the order of arrival."""
        while self._under_way and self._under_way[0][0] <= now:
            *_, overtaken, frame = heapq.heappop(self._under_way)
            if overtaken:
                self.counted["reordered"] += 1
                until = self._delivered + self.way.reorder_depth
                self._overtaken.append((until, now + LONGEST_OVERTAKING, frame))
                continue
            self._delivered += 1
            yield frame
            yield from self._late(now)
        yield from self._late(now)

    def next_due(self) -> float | None:
        """When the next packet arrives; None while none is under way."""
        first = self._under_way[0][0] if self._under_way else None
        late = self._overtaken[0][1] if self._overtaken else None
        return min((time for time in (first, late) if time is not None), default=None)

    @property
    def waiting(self) -> int:
        """Packets under way."""
        return len(self._under_way) + len(self._overtaken)

    def _depart(self, frame: bytes, arrival: float, *, overtaken: bool) -> None:
        heapq.heappush(self._under_way, (arrival, next(self._order), overtaken, frame))

    def _sent(self, octets: int, now: float) -> float | None:
        """When the last bit leaves; None when the queue is full."""
        free = max(now, self._free_at)
        if (free - now) * self.way.rate / 8 + octets > self.way.queue:
            return None
        self._free_at = free + octets * 8 / self.way.rate
        return self._free_at

    def _after_pause(self, sent: float) -> float:
        """The end of the pause it falls into, else when it was sent. Every period ends with its pause."""
        every, lasting = self.way.pause_every, self.way.pause_for
        if not every:
            return sent
        into = (sent - self._began) % every
        return sent + every - into if into >= every - lasting else sent

    def _late(self, now: float) -> Iterator[bytes]:
        """Those that enough others have overtaken, or that waited too long."""
        while self._overtaken and (self._overtaken[0][0] <= self._delivered or self._overtaken[0][1] <= now):
            yield self._overtaken.pop(0)[2]
