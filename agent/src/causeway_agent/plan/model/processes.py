"""Processes and tasks the agent supervises, as frozen specifications that compare by content.

A specification holds rendered configuration, so equal specifications mean "leave it running".

Each process works in a directory of its own, `RUN_DIRECTORY/NAME` (NAME as here): file names in a
configuration are relative to it. The supervisor replaces an OpenVPN configuration's `management` line by a
socket in that directory, and its `key FILE` line by the key itself, so that the process needs no access to
the key directory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from causeway_wire.observed import Transport
from causeway_wire.types import IPAddress, IPNetwork, KeyTag, Secret, TenantId, TunnelId

BEHIND_CLIENT: Final = "ccd/DEFAULT"
"""Name of the file that tells a server what is behind its client, whatever the client's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VpnServer:
    """One OpenVPN server process: one network, one transport, one tun device."""

    tunnel: TunnelId
    transport: Transport
    device: str
    configuration: Secret
    """Complete OpenVPN configuration, keys by file name, tls-crypt and certificates inline."""
    files: tuple[tuple[str, str], ...] = ()
    """Further files by name relative to the configuration (`DIRECTORY/NAME`), readable by the process."""
    makes_device: bool = False
    """Whether OpenVPN has the kernel make the device, and carry the packets."""
    declined: str | None = None
    """OpenVPN's words when it would not leave the packets to the kernel, which could carry them."""

    @property
    def name(self) -> str:
        """Unique among all processes of the appliance."""
        return f"vpn-{self.tunnel}-{self.transport.value}"

    @property
    def devices(self) -> tuple[str, ...]:
        """Its tun device, as the only one."""
        return (self.device,)

    @property
    def sends_all(self) -> bool:
        """Whether it sends its client whatever its device gives it. A bridged one learns from frames who is
        behind the client, as a switch does, and drops those to others.
        """
        return any(name == BEHIND_CLIENT for name, _ in self.files)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One way to the server: a gateway and a transport. TCP goes through the local TLS wrapper."""

    address: IPAddress
    port: int
    transport: Transport
    configuration: Secret
    """OpenVPN configuration for this endpoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameProbe:
    """Liveness of a bridged tunnel, which has no addresses: frames through the tap, answered by the far end's
    loop guard.
    """

    adapter: str
    """Hosts that the bridge knows behind this port are told to the far end whenever the tunnel connects: an
    OpenVPN server drops frames to hosts that it has not heard through the connection at hand.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class VpnClient:
    """The OpenVPN client of the tenant appliance: endpoints in order of preference, one used at a time.

    Another one is tried beside the one in use, on the device that is free, and used when it answers.
    """

    tunnel: TunnelId
    device: str
    """Tun device, which configurations name."""
    endpoints: tuple[Endpoint, ...]
    probe: tuple[IPAddress, IPAddress] | FrameProbe
    """Inner (local, peer) addresses of the liveness probe."""
    spare: str | None = None
    """The other device; without one a new way is tried only after the old one was given up."""
    tls_crypt: Secret | None = None
    """tls-crypt-v2 client key, PEM, for questions to gateways (`gateway_echo`); without it none is asked."""
    files: tuple[tuple[str, str], ...] = ()
    """As of a server; the same for every endpoint."""
    made: tuple[str, ...] = ()
    """Devices for ways over UDP that OpenVPN has the kernel make; the others are then for TCP alone."""
    declined: str | None = None
    """As of a server."""

    @property
    def name(self) -> str:
        """Unique among all processes of the appliance."""
        return f"vpn-{self.tunnel}"

    @property
    def devices(self) -> tuple[str, ...]:
        """All its devices: of them, a way is on one that suits it (`suiting`)."""
        return (self.device, *(() if self.spare is None else (self.spare,)), *self.made)

    def suiting(self, endpoint: int) -> tuple[int, ...]:
        """Places in `devices` of those that a way to this endpoint may be on."""
        udp = self.endpoints[endpoint].transport is Transport.UDP
        return tuple(
            place
            for place, device in enumerate(self.devices)
            if not self.made or (device in self.made) is udp
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsProxy:
    """One HAProxy process: the gateway's TCP port, or the tenant appliance's TLS wrapper for TCP."""

    name: str
    configuration: Secret
    files: tuple[tuple[str, Secret], ...]
    """Maps and PEM bundles by file name, written beside the configuration."""
    key: str | None
    """Name of the key that belongs in front of the certificate in `server.pem` or `client.pem`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstPacketFilter:
    """The gateway's UDP door: verifies a flow's first packet and hands the flow to the kernel."""

    addresses: tuple[IPAddress, ...]
    port: int
    inside: str
    keys: tuple[tuple[TenantId, Secret], ...]
    """tls-crypt-v2 server keys by tenant."""
    servers: tuple[tuple[TenantId, TunnelId, IPAddress, int], ...]
    """A tunnel's address of each IP version that it has: flows keep theirs."""
    tags: tuple[tuple[KeyTag, TenantId, TunnelId], ...] = ()
    """Which client keys may open which tunnel. One without any is open to every key of its tenant that names
    it, and first packets for such tunnels share a narrow budget.
    """

    @property
    def name(self) -> str:
        """Unique among all processes of the appliance."""
        return "first-packet"


@dataclass(frozen=True, slots=True, kw_only=True)
class NeighbourResponder:
    """Answers neighbour solicitations (RFC 4861) on a device for a prefix that lives behind a tunnel.

    The kernel's proxy NDP knows single addresses only; hosts of the production site are not known one by one.
    """

    device: str
    prefixes: tuple[IPNetwork, ...]
    excluded: tuple[IPAddress, ...]
    """Addresses that really are on this device: local replicas, our own."""
    askers: frozenset[IPAddress] | None = None
    """Who is answered, as with ARP: the replicas that are failed over. None: everyone."""

    @property
    def name(self) -> str:
        """Unique among all processes of the appliance."""
        return f"neighbour-responder-{self.device}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopGuard:
    """Opens a bridge's tunnel ports while the tunnel alone joins its two segments (see `loop_guard`)."""

    tunnel: TunnelId
    bridge: str
    adapter: str
    """The port toward the segment at this end; probes leave here."""
    taps: tuple[str, ...]
    """The tunnel's ports; the two guards hear of each other here."""

    @property
    def name(self) -> str:
        """Unique among all processes of the appliance."""
        return f"loop-guard-{self.bridge}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PathProbe:
    """Finds out what size the tunnel's path carries over UDP, and tells the far end (see `path_probe`)."""

    tunnel: TunnelId
    devices: tuple[str, ...]
    """All that may carry the tunnel; one does at a time."""
    ends: tuple[IPAddress, IPAddress] | None
    """Inner (local, peer) addresses; None where the tunnel carries frames."""
    version: int
    """IP version outside that is expected; the connection's own counts once there is one."""
    lent: frozenset[str] = frozenset()
    """Of the devices, those that a process makes: there only while it runs, and others each time."""

    @property
    def name(self) -> str:
        """Unique among all processes of the appliance."""
        return f"path-{self.tunnel}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterAdvertiser:
    """Tells the hosts of a segment that this appliance is their IPv6 router (RFC 4861, 6.2)."""

    device: str
    prefixes: tuple[IPNetwork, ...]
    """IPv6 prefixes that are on the link."""
    mtu: int
    lifetime: int
    """Seconds that hosts keep the router."""
    managed: bool
    other: bool
    autonomous: bool

    @property
    def name(self) -> str:
        """Unique among all processes of the appliance."""
        return f"router-advertiser-{self.device}"


Task = FirstPacketFilter | NeighbourResponder | RouterAdvertiser | LoopGuard | PathProbe
"""Processes that are tasks of the agent."""
Process = VpnServer | VpnClient | TlsProxy | Task
