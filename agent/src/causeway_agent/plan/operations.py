"""Operations: effects as objects before they are acts. Each describes itself in one line.

Ranks order a plan: close, remove, add, open (see `diff`).
"""

from __future__ import annotations

from dataclasses import dataclass

from causeway_agent.plan.objects import KernelObject, ProxyNeighbour
from causeway_agent.plan.policy import Policy
from causeway_agent.plan.processes import Process


@dataclass(frozen=True, slots=True)
class Put:
    """Make a kernel object exist as given; repeating it is harmless."""

    item: KernelObject


@dataclass(frozen=True, slots=True)
class Drop:
    """Make a kernel object not exist; dropping what is gone already is harmless."""

    item: KernelObject


@dataclass(frozen=True, slots=True)
class LoadPolicy:
    """Replace our packet filter table in one transaction."""

    policy: Policy


@dataclass(frozen=True, slots=True)
class Start:
    """Start (or replace, when one of this name runs) a supervised process."""

    process: Process


@dataclass(frozen=True, slots=True)
class Stop:
    """Stop a supervised process."""

    process: Process


@dataclass(frozen=True, slots=True)
class Announce:
    """Send gratuitous ARP (RFC 5227, 3) or unsolicited neighbour advertisements (RFC 4861, 7.2.6)."""

    proxy: ProxyNeighbour


Operation = Put | Drop | LoadPolicy | Start | Stop | Announce


@dataclass(frozen=True, slots=True)
class Plan:
    """Operations in order, and the addresses to probe for before the first of them."""

    operations: tuple[Operation, ...]
    probes: tuple[ProxyNeighbour, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.operations)
