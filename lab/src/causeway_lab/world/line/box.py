"""A line as a whole: both directions, sizes, translation, what is told back to senders; and its counters.

Pure: frames and the time go in, frames and their direction come out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from causeway_lab.world.line import packets
from causeway_lab.world.line.conditions import Conditions, Direction, Way
from causeway_lab.world.line.nat import PortTranslator
from causeway_lab.world.line.packets import Reporter
from causeway_lab.world.line.way import Carrier

Out = tuple[Direction, bytes]
"""A frame, and the direction that it leaves in."""


class Box:
    """What is between the two cables of a line."""

    def __init__(self, *, reporter: Reporter, now: float) -> None:
        """Clear. `reporter` tells that packets are too big; times are of one monotonic clock, in seconds."""
        self.conditions = Conditions()
        self.counted = {direction: Counter[str]() for direction in Direction}
        self._reporter = reporter
        self._ports = PortTranslator()
        self._bound_at = now
        self._carriers = {direction: Carrier(began=now) for direction in Direction}

    def change(self, conditions: Conditions, *, now: float) -> None:
        """Other conditions from now on; with another seed chance begins anew."""
        seeded = conditions.seed is not None and conditions.seed != self.conditions.seed
        self.conditions = conditions
        for direction, carrier in self._carriers.items():
            carrier.change(self._way(direction), now=now)
            if seeded:
                carrier.chance.seed(f"{conditions.seed} {direction}")
        if seeded:
            self._ports.chance.seed(conditions.seed)

    def rebind(self, now: float) -> None:
        """Every flow gets another outer port with its next packet."""
        self._ports.rebind()
        self._bound_at = now
        self.counted[Direction.UP]["rebound"] += 1

    def offer(self, direction: Direction, frame: bytes, now: float) -> Iterator[Out]:
        """A frame enters; yields what leaves at once: neighbours' talk, and answers to its sender."""
        if not packets.carried(frame):
            yield direction, frame
            return
        counted, way = self.counted[direction], self._way(direction)
        if way.blocked and packets.is_blocked(frame, way.blocked):
            counted["blocked"] += 1
            return
        translated = self._translated(direction, frame, now)
        if translated is None:
            counted["unbound"] += 1
        elif way.mtu and packets.length(frame) > way.mtu:
            yield from self._too_big(direction, frame, translated, now)
        else:
            self._carriers[direction].offer(translated, now)

    def due(self, now: float) -> Iterator[Out]:
        """What arrives by now."""
        for direction, carrier in self._carriers.items():
            counted = self.counted[direction]
            for frame in carrier.due(now):
                counted["forwarded"] += 1
                yield direction, frame

    def next_due(self) -> float | None:
        """When the next packet arrives; None while none is under way."""
        times = (carrier.next_due() for carrier in self._carriers.values())
        return min((time for time in times if time is not None), default=None)

    @property
    def waiting(self) -> int:
        """Packets under way in both directions."""
        return sum(carrier.waiting for carrier in self._carriers.values())

    def counters(self) -> dict[str, dict[str, int]]:
        """What became of packets so far, by direction."""
        return {
            direction.value: dict(self.counted[direction] + self._carriers[direction].counted)
            for direction in Direction
        }

    def _way(self, direction: Direction) -> Way:
        return self.conditions.up if direction is Direction.UP else self.conditions.down

    def _translated(self, direction: Direction, frame: bytes, now: float) -> bytes | None:
        if not self.conditions.nat:
            return frame
        every = self.conditions.rebind_every
        if every and now - self._bound_at >= every:
            self.rebind(now)
        return self._ports.out(frame) if direction is Direction.UP else self._ports.back(frame)

    def _too_big(self, direction: Direction, frame: bytes, translated: bytes, now: float) -> Iterator[Out]:
        """Fragmented where allowed; else dropped, and perhaps told: of the packet as it was sent."""
        counted, way = self.counted[direction], self._way(direction)
        if packets.may_be_fragmented(frame):
            counted["fragmented"] += 1
            for piece in packets.fragments(translated, way.mtu):
                self._carriers[direction].offer(piece, now)
            return
        counted["too_big"] += 1
        told = self._reporter.too_big(frame, way.mtu) if way.icmp else None
        if told is not None:
            counted["icmp_sent"] += 1
            yield Direction.DOWN if direction is Direction.UP else Direction.UP, told
