"""Operations: effects as objects before they are acts. Each describes itself in one line.

Ranks order a plan: close, remove, add, open (see `diff`).
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

from causeway_agent.plan.model.objects import Address, Claim, KernelObject, ProxyNeighbour
from causeway_agent.plan.model.policy import Policy
from causeway_agent.plan.model.processes import Process, TlsProxy


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

    claim: Claim


Operation = Put | Drop | LoadPolicy | Start | Stop | Announce


@dataclass(frozen=True, slots=True)
class Plan:
    """Operations in order, and the addresses to probe for before the first of them."""

    operations: tuple[Operation, ...]
    probes: tuple[Claim, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.operations)

    def without(self, claims: Container[Claim]) -> tuple[Operation, ...]:
        """The operations that neither make nor announce one of these claims."""
        return tuple(operation for operation in self.operations if _claim(operation) not in claims)


def together(operation: Operation) -> object:
    """What operations have in common that follow each other and need not wait for each other; None for one
    that stands alone. Processes of one kind are started, and ended, at the same time.
    """
    match operation:
        case Start(process) | Stop(process):
            return type(operation), type(process)
        case _:
            return None


def aside(operation: Operation) -> bool:
    """Whether what follows goes on meanwhile; only the plan's end waits for it. A gateway's TLS proxy reads
    the authorities of a thousand tenants for half a second, beside the one that it takes over from.
    """
    return isinstance(operation, Start) and isinstance(operation.process, TlsProxy)


def _claim(operation: Operation) -> Claim | None:
    match operation:
        case Put(Address(claimed=True) | ProxyNeighbour(claimed=True) as item):
            return item.claim
        case Announce(claim):
            return claim
        case _:
            return None
