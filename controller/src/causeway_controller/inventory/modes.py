"""Failover modes of a tenant, as the controller knows them. One at a time: a tagged union cannot hold two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from causeway_wire.types import NetworkId, VmName


@dataclass(frozen=True, slots=True)
class Idle:
    """Everything runs in production."""

    name: ClassVar[str] = "idle"
    vms: ClassVar[frozenset[VmName]] = frozenset()


@dataclass(frozen=True, slots=True)
class Partial:
    """These VMs run at the provider, the rest in production, one network for both."""

    name: ClassVar[str] = "partial"
    vms: frozenset[VmName]


@dataclass(frozen=True, slots=True)
class Full:
    """The site runs at the provider; its appliance is the gateway of these VMs' networks."""

    name: ClassVar[str] = "full"
    vms: frozenset[VmName]
    behind: frozenset[NetworkId] = frozenset()
    """Networks whose tenant appliance was in a partial failover before and could not be told that it is over:
    their site was dead. Ending the full failover tells them.
    """


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """These replicas run beside a running production, cut off from it."""

    name: ClassVar[str] = "rehearsal"
    vms: frozenset[VmName]
    internet: bool = False


Mode = Idle | Partial | Full | Rehearsal


def partial(vms: frozenset[VmName]) -> Partial | Idle:
    """Return the mode in which these VMs, and no others, run at the provider."""
    return Partial(vms) if vms else Idle()
