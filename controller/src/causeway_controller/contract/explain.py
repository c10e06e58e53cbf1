"""Why a packet does or does not get from A to B, told across everything that it meets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from msgspec import Struct

from causeway_wire.explanation import PathStage
from causeway_wire.types import IPAddress, Name, TenantId, VmName

KINDS: Final = ("tcp", "udp", "icmp", "icmp-error")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A packet, and where to look."""

    source: IPAddress
    destination: IPAddress
    kind: str = ""
    """One of `KINDS`; empty: any packet but an ICMP error."""
    port: str = ""
    tenant: TenantId | None = None
    host: Name | None = None

    @property
    def query(self) -> dict[str, str]:
        """As an agent is asked."""
        told = {"source": str(self.source), "destination": str(self.destination)}
        return told | {name: value for name, value in (("kind", self.kind), ("port", self.port)) if value}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A packet as people ask about it."""

    source: IPAddress | str
    """An address, or what a VM is called: its name, `TENANT/VM`, or the id of its replica."""
    destination: IPAddress | str
    kind: str = ""
    port: str = ""
    tenant: TenantId | None = None
    host: Name | None = None

    def between(self, source: IPAddress, destination: IPAddress, tenant: TenantId | None) -> Asked:
        """Return the packet between these addresses, which are meant."""
        return Asked(
            source=source,
            destination=destination,
            kind=self.kind,
            port=self.port,
            tenant=tenant,
            host=self.host,
        )


class Leg(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one place says: an appliance, a replica, the line between them."""

    where: str
    verdict: str
    passes: bool | None = None
    """Nothing where this controller cannot know."""
    stages: tuple[PathStage, ...] = ()
    """Of an appliance: what decided there, in its order."""


class NamedEnd(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A VM that was named instead of an address."""

    name: str
    """As it was asked for."""
    tenant: TenantId
    vm: VmName
    address: IPAddress
    """The packet's."""
    also: tuple[IPAddress, ...] = ()
    """The VM's others."""


class PathAnswer(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The way of a packet, in the order in which it goes."""

    tenant: TenantId
    host: Name
    mode: str
    verdict: str
    """What carries or stops it, in one sentence."""
    advice: str = ""
    """The next step."""
    works: bool | None = None
    """Whether it arrives and is answered; nothing where this controller sees a part of the way only."""
    legs: tuple[Leg, ...] = ()
    named: tuple[NamedEnd, ...] = ()
    """Whom the names meant that were asked for."""
