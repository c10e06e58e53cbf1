"""Failover modes of a tenant, as the controller knows them. One at a time: a tagged union cannot hold two."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import msgspec

from causeway_wire import codec
from causeway_wire.types import Name, NetworkId, VmName


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
    permanent: frozenset[VmName] = frozenset()
    """Those of the VMs whose replica is production now: none of them is undone."""


@dataclass(frozen=True, slots=True)
class Full:
    """The site runs at the provider; its appliance is the gateway of these VMs' networks."""

    name: ClassVar[str] = "full"
    vms: frozenset[VmName]
    behind: frozenset[NetworkId] = frozenset()
    """Networks whose tenant appliance was in a partial failover before and could not be told that it is over:
    their site was dead. Ending the full failover tells them.
    """
    plan: Name = field(default="", compare=False)
    """The failover plan that it followed, and that its end follows; empty: the tenant's first. How a mode was
    reached does not make it another one.
    """
    permanent: frozenset[VmName] = frozenset()
    """As of `Partial`."""


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """These replicas run beside a running production, cut off from it."""

    name: ClassVar[str] = "rehearsal"
    vms: frozenset[VmName]
    internet: bool = False
    plan: Name = field(default="", compare=False)


Mode = Idle | Partial | Full | Rehearsal


def partial(vms: frozenset[VmName], permanent: frozenset[VmName] = frozenset()) -> Partial | Idle:
    """Return the mode in which these VMs, and no others, run at the provider."""
    return Partial(vms, permanent & vms) if vms else Idle()


def without(mode: Full, vms: frozenset[VmName]) -> Full:
    """Return the full failover of the others."""
    return replace(mode, vms=mode.vms - vms, permanent=mode.permanent - vms)


def permanent(mode: Mode) -> frozenset[VmName]:
    """Return the VMs whose replica was made production for good."""
    return mode.permanent if isinstance(mode, Partial | Full) else frozenset()


def plan(mode: Mode) -> Name:
    """Return the failover plan that the mode was reached by; empty where none was named."""
    return mode.plan if isinstance(mode, Full | Rehearsal) else ""


def members(mode: Mode) -> dict[str, Any]:
    """Return the mode as members of a JSON object: its name, its VMs in order, and what else it has."""
    found: dict[str, Any] = {"mode": mode.name, "vms": sorted(mode.vms)}
    if isinstance(mode, Full):
        found["behind"] = sorted(mode.behind)
    if isinstance(mode, Rehearsal):
        found["internet"] = mode.internet
    if plan(mode):
        found["plan"] = plan(mode)
    if permanent(mode):
        found["permanent"] = sorted(permanent(mode))
    return found


class _Members(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `members` returns."""

    mode: str
    vms: frozenset[VmName] = frozenset()
    behind: frozenset[NetworkId] = frozenset()
    internet: bool = False
    plan: Name = ""
    permanent: frozenset[VmName] = frozenset()


def read(found: Mapping[str, Any]) -> Mode:
    """Return the mode that has these `members`; raises msgspec.ValidationError when none has."""
    one = msgspec.convert(found, codec.ready(_Members))
    made: dict[str, Mode] = {
        Idle.name: Idle(),
        Partial.name: Partial(one.vms, one.permanent),
        Full.name: Full(one.vms, one.behind, one.plan, one.permanent),
        Rehearsal.name: Rehearsal(one.vms, one.internet, one.plan),
    }
    if one.mode not in made:
        raise msgspec.ValidationError(f"{one.mode!r} is no mode of a failover")
    return made[one.mode]
