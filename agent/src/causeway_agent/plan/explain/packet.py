"""What is asked and answered about a packet's way: the packet, the stages, the explanation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from causeway_wire.public_rules import Protocol, PublicRule
from causeway_wire.types import IPAddress, Port

Counters = Mapping[str, tuple[int, int]]
"""Packets and octets by counter."""


class Kind(StrEnum):
    """What can be asked about."""

    TCP = "tcp"
    UDP = "udp"
    ICMP = "icmp"
    """An echo request."""
    ICMP_ERROR = "icmp-error"
    """What a router says about a packet that it could not pass on (RFC 792, RFC 4443)."""


@dataclass(frozen=True, slots=True)
class Packet:
    """The first packet of a flow. Without a kind, any packet of these two addresses but an ICMP error."""

    source: IPAddress
    destination: IPAddress
    kind: Kind | None = None
    port: Port | None = None
    size: int | None = None
    """Octets, with its IP header. Without, no path is too small."""

    @property
    def service(self) -> tuple[Protocol, Port] | None:
        """What a public rule could publish: protocol and port, where both are given."""
        if self.port is None or self.kind not in {Kind.TCP, Kind.UDP}:
            return None
        return Protocol(self.kind.value), self.port

    def __str__(self) -> str:
        ends = f"{self.source} to {self.destination}"
        return " ".join(
            [ends, *([] if self.kind is None else [self.kind]), *([str(self.port)] if self.port else [])]
        )


@dataclass(frozen=True, slots=True)
class Services:
    """The table of public rules, as far as it is asked here."""

    rule: Callable[[IPAddress, Protocol, Port], PublicRule | None]
    """The rule of a public port, whoever asks."""
    leaves_with: Callable[[IPAddress], IPAddress | None]
    """The public address that an internal one leaves with."""
    allocation: frozenset[IPAddress] = frozenset()
    """Public and test addresses of the document, owned now or not."""


@dataclass(frozen=True, slots=True)
class Hop:
    """One stage: what decides there and what it decides."""

    stage: str
    """`starts`, `enters`, `asked for`, `checked`, `published`, `routed`, `delivered`, `forwarded`,
    `filtered`, `translated`, `leaves`, `tunnel`, `bridged` or `reply`.
    """
    text: str
    passes: bool = True
    advice: str = ""
    """What to do when the packet stops here."""
    counter: str = ""
    """The filter's counter that counts it, when it is dropped."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """The stages in order, the last one decisive, and a sentence that says what it means."""

    hops: tuple[Hop, ...]
    verdict: str
    passes: bool
    counter: str = ""
    """Where the drop is counted, if it is."""
    reply: Hop | None = None
    """What becomes of the answer; None when the packet stops before."""

    @property
    def works(self) -> bool:
        """Whether the packet passes and its answer comes back."""
        return self.passes and (self.reply is None or self.reply.passes)

    @property
    def stopped_by(self) -> str:
        """The counter that counts the packet, or else its answer; empty where neither is counted."""
        return self.counter or (self.reply.counter if self.reply is not None else "")

    def told(self, counters: Counters | None = None) -> dict[str, object]:
        """The explanation for programs."""
        return {
            "passes": self.passes,
            "works": self.works,
            "counter": self.stopped_by or None,
            "lines": self.lines(counters),
        }

    def lines(self, counters: Counters | None = None) -> tuple[str, ...]:
        """The explanation as text; with the counters' values of this moment where they are known."""
        hops = (*self.hops, *(() if self.reply is None else (self.reply,)))
        told = [f"{'ok  ' if hop.passes else 'STOP'} {hop.stage}: {hop.text}" for hop in hops]
        name = self.stopped_by
        if name and counters is not None and name in counters:
            packets, octets = counters[name]
            told.append(
                f"     counter {name}: {packets} packets, {octets} bytes so far; ask again to see it grow"
            )
        return (*told, self.verdict)
