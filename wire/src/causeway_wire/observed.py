"""The observed document: what the appliance is, as its kernel and its processes say."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from causeway_wire.problem import Problem
from causeway_wire.types import (
    ApplianceId,
    ChangeId,
    Epoch,
    Generation,
    IPAddress,
    MacAddress,
    Name,
    NetworkId,
    SerialNumber,
    Timestamp,
    TunnelId,
)


class Report(Struct, frozen=True, kw_only=True):
    """Base of every answer type: immutable; readers tolerate unknown members."""


class ApplianceState(StrEnum):
    """Where the appliance stands between what it was told and what it is."""

    UNCONFIGURED = "unconfigured"
    APPLYING = "applying"
    READY = "ready"
    DEGRADED = "degraded"


class TunnelState(StrEnum):
    """A tunnel end's state as its OpenVPN process reports it."""

    STOPPED = "stopped"
    CONNECTING = "connecting"
    CONNECTED = "connected"


class Transport(StrEnum):
    """What carries a tunnel's packets to the gateway."""

    UDP = "udp"
    TCP = "tcp"


class Carrier(StrEnum):
    """Who encrypts, sends and receives a tunnel's packets."""

    PROCESS = "process"
    """OpenVPN's process."""
    KERNEL = "kernel"
    """The kernel, for OpenVPN (data channel offload)."""


class PathReport(Report, frozen=True, kw_only=True):
    """What size of packets a tunnel's path carries, as found by trying; octets."""

    sends: int
    """Largest IP packet inside the tunnel that gets to the far end."""
    receives: int
    """The same from the far end, as it says; while it has not said, as `sends`."""
    line_sends: int | None
    """Largest packet outside: `sends` and what the tunnel adds. Null over TCP, which cuts its stream."""
    line_receives: int | None
    learnt: Timestamp
    problem: str | None = None
    """What cannot pass."""


class TunnelReport(Report, frozen=True, kw_only=True):
    """One end of one tunnel."""

    id: TunnelId
    state: TunnelState
    transport: Transport | None = None
    """The transport in use, once connected."""
    remote: str | None = None
    """`address:port` of the other side of the outer connection, once connected."""
    since: Timestamp | None = None
    restarts: int = 0
    received_bytes: int = 0
    sent_bytes: int = 0
    last_error: str | None = None
    impairment: str | None = None
    """What is wrong with it, since when and where to look, while it works only by a way that was not meant or
    does not work for a while; the appliance is `degraded` then.
    """
    carrier: Carrier | None = None
    """Who carries its packets at this end, once connected; the far end decides for itself."""
    no_offload: str | None = None
    """Why that is not the kernel."""
    path: PathReport | None = None
    """What size of packets passes; null until that is known."""


class NicReport(Report, frozen=True, kw_only=True):
    """A network adapter the kernel shows."""

    device: str
    mac: MacAddress
    up: bool
    addresses: tuple[str, ...]
    name: Name | None = None
    """The document's name for it, when the document has one."""


class DriftReport(Report, frozen=True, kw_only=True):
    """Repairs made because someone else changed what the agent owns."""

    repairs: int
    last: Timestamp | None = None
    last_operations: tuple[str, ...] = ()


class DuplicateState(StrEnum):
    """What became of an address that another machine has, too."""

    REFUSED = "refused"
    """It answered before the address was claimed: the claim was not made."""
    RELEASED = "released"
    """It answered late: the claim was given back."""
    CONTESTED = "contested"
    """It uses an address that is held here; neighbours find the one or the other."""
    OVERRIDDEN = "overridden"
    """The document says that this answer is stale, and to claim the address anyway."""


class DuplicateAddress(Report, frozen=True, kw_only=True):
    """An address of ours that another machine has, too (RFC 5227)."""

    address: IPAddress
    mac: MacAddress
    device: str | None = None
    """Where it was heard."""
    state: DuplicateState = DuplicateState.REFUSED
    since: Timestamp | None = None


class NeighbourTableReport(Report, frozen=True, kw_only=True):
    """The kernel's table of neighbours of one IP version, which all networks of the appliance share."""

    version: int
    entries: int
    limit: int
    refused: int
    """How often somebody new found no room in it, since the machine started."""


class ConnectionShare(Report, frozen=True, kw_only=True):
    """A machine that gets no new connections, because it holds more than its share of all."""

    device: str
    """Adapter of its network."""
    address: IPAddress
    """An address of the machine."""
    mac: str | None
    """The end of the MAC address that opened the connections; null where they came to `address`."""
    held: int
    share: int


class ConnectionReport(Report, frozen=True, kw_only=True):
    """The kernel's table of connections that are translated or followed, which all networks share."""

    entries: int
    limit: int
    """0 where no connection is followed."""
    refused: int
    """How many new ones found no room in it, since the machine started."""
    over_share: int = 0
    """Machines that get no new connections for now..."""
    shares: tuple[ConnectionShare, ...] = ()
    """...and those of them that hold most."""


class SlowedSender(Report, frozen=True, kw_only=True):
    """A machine that sends more than its share of what a tunnel without room carries."""

    tunnel: TunnelId | None
    device: str
    """The tunnel's."""
    mac: MacAddress
    rate: int
    """Packets per second that it sends into the tunnel..."""
    share: int
    """...that it gets through..."""
    carries: int
    """...and that all get through together."""


class FailoverNetwork(Report, frozen=True, kw_only=True):
    """One network that the failover covers."""

    network: NetworkId
    replicas: int = 0
    """VMs named in partial failover."""
    gateways: tuple[IPAddress, ...] = ()
    """Production gateway addresses that the kernel shows on the network's adapter now."""
    internet: bool = False
    """Whether its replicas may open connections to the internet."""


class FailoverReport(Report, frozen=True, kw_only=True):
    """What the failover in force covers, and what of it the kernel shows now."""

    mode: str
    networks: tuple[FailoverNetwork, ...] = ()
    routed: tuple[NetworkId, ...] = ()
    """Networks between which packets are routed."""
    public_addresses: tuple[IPAddress, ...] = ()
    """Public (in rehearsal: test) addresses that the kernel shows on the uplink now."""
    rules: int = 0
    """How many public rules there are, in force or not."""
    rules_revision: int = 0


class RevokedCertificate(Report, frozen=True, kw_only=True):
    """A certificate that the document in force revokes."""

    serial: SerialNumber
    at: str
    """Where it is refused: `api`, else the tunnel's id."""
    refused: int | None = None
    """How often it was shown at the API since the agent began, and how many of its connections were ended
    there. Null at a tunnel, whose `last_error` tells.
    """
    last: Timestamp | None = None


class RefusedCertificate(Report, frozen=True, kw_only=True):
    """Certificates that were refused at the API for one reason, since the agent began; revoked ones apart."""

    reason: str
    """In words, and what to do about it."""
    refused: int
    """How often."""
    last: Timestamp


class CounterReport(Report, frozen=True, kw_only=True):
    """A named counter of the packet filter, since its table was made."""

    name: str
    packets: int
    bytes: int


class Observed(Report, frozen=True, kw_only=True):
    """What the appliance is now."""

    appliance: ApplianceId
    state: ApplianceState
    observed_generation: Generation | None
    """Generation of the document that the appliance is known to conform to; null before the first."""
    epoch: Epoch
    role: str | None
    failover: str
    change: ChangeId | None
    """The last change, running or done."""
    nics: tuple[NicReport, ...]
    tunnels: tuple[TunnelReport, ...]
    drift: DriftReport
    problem: Problem | None = None
    """Why the state is `degraded`."""
    coverage: FailoverReport | None = None
    """What the failover mode covers; null before the first document."""
    counters: tuple[CounterReport, ...] = ()
    """Dropped packets by reason; empty while the packet filter cannot be asked."""
    duplicates: tuple[DuplicateAddress, ...] = ()
    """Addresses that other machines have, too."""
    neighbours: tuple[NeighbourTableReport, ...] = ()
    """How full the kernel's tables of neighbours are."""
    connections: ConnectionReport | None = None
    """How full the kernel's table of connections is; null until it was looked at."""
    slowed: tuple[SlowedSender, ...] = ()
    """Machines that are held to their share of a tunnel."""
    foreign: tuple[str, ...] = ()
    """What others than the agent have added, in words: policy routing rules and nftables tables. It may stop
    or divert packets that the document lets through, and is left as it is.
    """
    revoked: tuple[RevokedCertificate, ...] = ()
    """Certificates that are refused although their authority signed them."""
    refused: tuple[RefusedCertificate, ...] = ()
    """Why others were refused at the API, the latest reason first: who showed one saw the connection end."""
    started: Timestamp | None = None
    """When this agent began."""


class Capabilities(Report, frozen=True, kw_only=True):
    """What was detected on this machine; decides behaviour instead of version numbers."""

    kernel: str
    vlan_8021q: bool
    wireguard: bool
    openvpn_dco: bool
    """The kernel has the module that carries a tunnel's packets."""
    no_offload: str | None = None
    """Why the kernel does not carry tunnels' packets; null where it does, of routed ones over UDP."""
    openvpn: str | None = None
    """OpenVPN's version; null where there is none, or none that says."""
    vrf: bool
    unprivileged_vpn: bool
    """OpenVPN and HAProxy run as a user of their own."""


class Limits(Report, frozen=True, kw_only=True):
    """Published limits; each is enforced."""

    body_bytes: int
    changes_in_flight: int
    changes_kept: int
    wait_seconds: int
    rules_body_bytes: int
    """Body of `PUT` and `PATCH /v1/public-rules`."""
    rule_elements: int
    """Public ports of all rules together."""
    rule_targets: int | None = None
    """Internal addresses that all rules together lead to; an agent that does not say has no such limit."""
    rule_source_elements: int
    """Public ports, times their sources, of all rules with sources together."""
    update_bytes: int
    """Body of `PUT /v1/update`."""
    lists: dict[str, int] = {}
    """Entries that a list of a desired document may have, by its pointer; `*` for places in lists above."""
    totals: dict[str, int] = {}
    """Entries that all lists at such a pointer may have together."""


class Versions(Report, frozen=True, kw_only=True):
    """Answer of `GET /v1`."""

    appliance: ApplianceId
    agent: str
    api: tuple[str, ...]
    capabilities: Capabilities
    limits: Limits


class Health(Report, frozen=True, kw_only=True):
    """Answer of the health endpoints; `reason` says what is missing when not healthy."""

    healthy: bool
    reason: str | None = None
