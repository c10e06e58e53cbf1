"""Who holds more than a share of the kernel's table of connections: the most that all can have alike.

First among networks, then among the machines of a network that has too much: what a machine may pretend to be
others, it can pretend in its own network only. Nobody is told anything while there is room.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from causeway_wire.types import IPAddress

LOOKED_FROM: Final = 0.5
"""Part of the table in use from which it is looked who has it."""
SHARED: Final = 0.75
"""Part of the table that is shared: the rest is for those who come before the next look."""
EXCESS_FROM: Final = 0.875
"""Part of the table in use from which connections above a share are ended."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A machine that connections are of: `mac`, the last four octets of its MAC address, where it opened
    them, `address` where it took them.
    """

    device: str
    mac: bytes | None = None
    address: IPAddress | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """Connections of a machine, and an address that it has."""

    number: int
    address: IPAddress


def over(census: Mapping[Holder, Held], *, limit: int) -> Mapping[Holder, int]:
    """The share of each machine that holds more than that; `limit`: connections that the table takes."""
    networks: dict[str, dict[Holder, int]] = defaultdict(dict)
    for holder, held in census.items():
        networks[holder.device][holder] = held.number
    level = share([sum(each.values()) for each in networks.values()], room=int(limit * SHARED))
    found: dict[Holder, int] = {}
    for numbers in networks.values():
        if level is not None and sum(numbers.values()) > level:
            own = share(numbers.values(), room=level)
            found |= {holder: own for holder, number in numbers.items() if own is not None and number > own}
    return found


def share(numbers: Collection[int], *, room: int) -> int | None:
    """The most that each may have so that all fit into the room; None where they do anyway."""
    left, waiting = room, sorted(numbers)
    if sum(waiting) <= room:
        return None
    for place, number in enumerate(waiting):
        fair = left // (len(waiting) - place)
        if number > fair:
            return fair
        left -= number
    return None
