"""The packet policy: everything that may enter, be answered or pass, as sets. What no set names is dropped.

Sets make the law "no moment allows what neither the old nor the new document allows" computable: while a
change runs, the intersection of both policies is in force.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from causeway_wire.types import IPAddress, IPNetwork, KeyTag, MacAddress


@dataclass(frozen=True, slots=True)
class ManagementDoor:
    """Who may open TCP connections to the agent and SSH, where."""

    device: str
    address: IPAddress
    sources: frozenset[IPNetwork]
    ports: frozenset[int]


@dataclass(frozen=True, slots=True)
class Listener:
    """A documented service port: a VPN server's, or the gateway's public one."""

    device: str
    address: IPAddress
    protocol: str
    """`tcp` or `udp`."""
    port: int


@dataclass(frozen=True, slots=True)
class Echo:
    """Echo requests answered on a device for one address of ours, so many per source."""

    device: str
    address: IPAddress
    peer: IPAddress | None = None
    """The far end of the tunnel, which asks whether we are alive: its requests are not counted."""


@dataclass(frozen=True, slots=True)
class SourceGuard:
    """Anti-spoofing (RFC 2827): packets entering a guarded device must come from one of its networks."""

    device: str
    network: IPNetwork


@dataclass(frozen=True, slots=True)
class Forward:
    """Packets that may pass. None matches any address; at most one end is named. Replies need a `Forward` of
    their own: nothing here depends on connection tracking, so a lost state table cannot cut a failed-over VM
    off.

    Where an address is named, it is extended: packets are asked for it where they enter, and all extended
    addresses of a device have the same ways out.
    """

    input_device: str
    output_device: str
    source: IPAddress | None = None
    destination: IPAddress | None = None
    version: int = 4
    """4 or 6; decides when neither address is given."""
    errors_only: bool = False
    """ICMP errors only (RFC 792, RFC 4443): what routers on the way say about packets that passed."""

    def __post_init__(self) -> None:
        if self.source is not None and self.destination is not None:
            raise ValueError("a forward names one end")

    @property
    def extends(self) -> bool:
        """Whether it is about an extended address."""
        return not self.errors_only and (self.source is not None or self.destination is not None)


@dataclass(frozen=True, slots=True)
class Way:
    """Flows translated by a public rule may pass from one device to the other, as long as their rule stands.

    Their replies need a `Way` of their own. The same device twice is the way of a VM to a published service
    of its own network.
    """

    input_device: str
    output_device: str


@dataclass(frozen=True, slots=True)
class Internet:
    """Connections opened from one device toward the other leave with the source translated, and their replies
    come back; nothing is opened the other way.
    """

    input_device: str
    output_device: str
    version: int
    """4 or 6."""
    by_rules: bool
    """A VM that a rule publishes leaves with its own public address; others with the output device's."""


@dataclass(frozen=True, slots=True)
class ArpScope:
    """Proxy ARP on this device answers requests for this prefix only, never for the excluded addresses."""

    device: str
    prefix: IPNetwork
    excluded: frozenset[IPAddress]


@dataclass(frozen=True, slots=True)
class Relay:
    """The gateway's door: flows to `address`:`port` on `public` that the first-packet filter admitted are
    forwarded to one of `servers` behind `inside`.

    The filter fills map `flows` (ipv4_addr . inet_service : ipv4_addr . inet_service) and set `known`
    (ipv4_addr . inet_service) of the inet table, for IPv6 `flows6` and `known6`, all keyed by source address
    and port, and re-injects the first packet through `objects.INJECTION_DEVICE`: it enters there, not on
    `public`, is translated by the map and leaves on `inside`. Of flows not in `known`, only what can be a
    first packet, or a known tunnel's from another port, reaches the filter; it stays untracked.
    """

    public: str
    inside: str
    address: IPAddress
    port: int
    servers: frozenset[tuple[IPAddress, int]]
    tags: frozenset[KeyTag] = frozenset()
    """First packets with one of these keys reach the filter..."""
    unnamed: bool = True
    """...and, within a narrow budget, those with any other."""

    def __and__(self, other: Relay) -> Relay:
        """What both let through; they are of the same place."""
        tags = (
            self.tags & other.tags
            | (self.tags if other.unnamed else frozenset())
            | (other.tags if self.unnamed else frozenset())
        )
        servers = self.servers & other.servers
        return replace(self, servers=servers, tags=tags, unnamed=self.unnamed and other.unnamed)

    @property
    def place(self) -> tuple[str, str, IPAddress, int]:
        """Where it is; there is one relay in a place."""
        return self.public, self.inside, self.address, self.port


@dataclass(frozen=True, slots=True)
class BridgedNetwork:
    """Frames that may pass between the ports of a bridge: those of these replicas, and those meant for them.

    From `replicas` to `production` pass frames whose source is one of `macs`; the other way unicast to one of
    them, broadcast and multicast, but never a frame that claims to come from one of them: that would be a
    loop, or the original still running. Group frames are limited in rate. Nothing passes until the loop guard
    opens the tunnel's ports.
    """

    bridge: str
    replicas: frozenset[str]
    """Ports behind which the replicas are: the VLAN's adapter at the provider, the taps at the tenant."""
    production: frozenset[str]
    """Ports behind which production is."""
    macs: frozenset[MacAddress]


@dataclass(frozen=True, slots=True)
class Clamp:
    """TCP through a device learns what the tunnel behind it carries: octets of an IP packet, each way."""

    device: str
    sends: int
    receives: int


@dataclass(frozen=True, slots=True)
class PathPeer:
    """The far end of a tunnel, which may ask what size of packets gets here, by UDP to `local`."""

    device: str
    local: IPAddress
    peer: IPAddress


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The whole packet policy of an appliance."""

    management: frozenset[ManagementDoor] = frozenset()
    listeners: frozenset[Listener] = frozenset()
    echoes: frozenset[Echo] = frozenset()
    guarded: frozenset[str] = frozenset()
    """Devices with anti-spoofing: a packet from no `SourceGuard` network of its device is dropped."""
    sources: frozenset[SourceGuard] = frozenset()
    forwards: frozenset[Forward] = frozenset()
    arp: frozenset[ArpScope] = frozenset()
    relays: frozenset[Relay] = frozenset()
    remotes: frozenset[tuple[IPAddress, int]] = frozenset()
    """Gateways, by UDP port, that the tunnel's client speaks to."""
    path_peers: frozenset[PathPeer] = frozenset()
    fragmented: frozenset[int] = frozenset()
    """UDP ports of tunnels whose packets routers may fragment, but for questions about the path's size."""
    clamps: frozenset[Clamp] = frozenset()
    """At most one per device."""
    owned: frozenset[IPAddress] = frozenset()
    """Public addresses that the table of public rules is consulted for."""
    ways: frozenset[Way] = frozenset()
    internet: frozenset[Internet] = frozenset()
    denied: frozenset[SourceGuard] = frozenset()
    """Nothing is opened out of the device toward the network, whatever else allows it; a published service
    still answers whoever asked it from there.
    """
    foreign: frozenset[SourceGuard] = frozenset()
    """Nothing may enter the device from the network: its addresses live elsewhere. Devices that have such
    networks share them all: there is one uplink, and two only while it moves.
    """
    bridged: frozenset[BridgedNetwork] = frozenset()
    segments: frozenset[SourceGuard] = frozenset()
    """Where everyone of the network may send ARP requests to everyone: the appliance hears who moved, and
    answers for what it holds there.
    """
    neighbours: frozenset[SourceGuard] = frozenset()
    """Networks whose machines are next door at the device. How many of them that nobody has heard may be
    looked for, and how fast, is limited (see `ruleset_neighbours`).
    """
    doorways: frozenset[SourceGuard] = frozenset()
    """Networks next door where anybody is answered who knocks, at a service of the appliance's own or at one
    that it publishes. How many that have never been in touch are looked for, to answer them, is limited; so
    is how many may ask for our own address there.
    """
    expected: frozenset[tuple[str, IPAddress]] = frozenset()
    """By device, who may always ask: next hops and controllers whose addresses the document names."""

    def __or__(self, other: Policy) -> Policy:
        """The policy of two parts of one document, which name different places."""
        return Policy(**{f.name: getattr(self, f.name) | getattr(other, f.name) for f in fields(self)})

    def __and__(self, other: Policy) -> Policy:
        """What both allow. What restricts in either restricts the result: `guarded`, `denied`, `foreign`,
        `neighbours`, `doorways`.

        Scopes, relays and bridged networks of the same place are narrowed, not lost: a new replica or tunnel
        must not interrupt those that are there already.
        """
        both = {f.name: getattr(self, f.name) & getattr(other, f.name) for f in fields(self)}
        for restriction in ("guarded", "denied", "foreign", "neighbours", "doorways"):
            both[restriction] = getattr(self, restriction) | getattr(other, restriction)
        both["clamps"] = _tightest(self.clamps | other.clamps)
        excluded = {(scope.device, scope.prefix): scope.excluded for scope in other.arp}
        both["arp"] = frozenset(
            ArpScope(mine.device, mine.prefix, mine.excluded | excluded[mine.device, mine.prefix])
            for mine in self.arp
            if (mine.device, mine.prefix) in excluded
        )
        both["relays"] = frozenset(
            mine & theirs for mine in self.relays for theirs in other.relays if mine.place == theirs.place
        )
        both["bridged"] = frozenset(
            replace(mine, macs=mine.macs & theirs.macs)
            for mine in self.bridged
            for theirs in other.bridged
            if replace(mine, macs=theirs.macs) == theirs
        )
        return Policy(**both)


def _tightest(clamps: frozenset[Clamp]) -> frozenset[Clamp]:
    """One per device, that lets pass what all of them do."""
    by_device: dict[str, Clamp] = {}
    for clamp in clamps:
        other = by_device.get(clamp.device, clamp)
        sizes = min(clamp.sends, other.sends), min(clamp.receives, other.receives)
        by_device[clamp.device] = Clamp(clamp.device, *sizes)
    return frozenset(by_device.values())
