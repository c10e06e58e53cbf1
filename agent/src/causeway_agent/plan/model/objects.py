"""What the agent owns in the kernel, as frozen values that compare by content.

`device` is always the kernel's interface name. Ownership is a fact in the kernel, not in our memory: routes
and rules carry `PROTOCOL`, tun devices, VLANs and bridges our name prefix, addresses and proxy neighbours sit
on devices that the document names, and the packet filter is one table of our own.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from causeway_wire.types import IPAddress, IPInterface, IPNetwork

PROTOCOL = 202
"""Our routing protocol number (rtnetlink(7), rtm_protocol: 4..255 are free for administrators)."""

OWN_PREFIX = "cw"
"""Every device that we make starts with this; its kind tells the rest."""
TUN_PREFIXES = ("cwu", "cwt")
"""Tunnel devices, TUN and TAP: of servers by transport (`cwu1195`, `cwt1195`), of a client
`cwtun0` and `cwtun1`.
"""
VLAN_PREFIX = "cwv"
"""802.1Q subinterfaces: `cwv`, the VLAN identifier, and what tells its trunk (see `adapters`)."""
BRIDGE_PREFIX = "cwb"
"""Bridges: `cwb` and the port number of the tunnel that they extend a network by."""

INJECTION_DEVICE = "first-packet"
"""Tun device of the gateway's first-packet filter: an admitted flow's first packet enters the kernel anew
here. It lives and dies with the filter, hence not with our prefix: the plan does not own it.
"""

MAIN_TABLE = 254

PRIORITY_DEVICE = 1000
"""Policy routing rules of ours by input device; they come before those by source, and both before the main
table.
"""
PRIORITY_SOURCE = 1001
PRIORITY_PROTOCOL = 1002
PRIORITY_NOWHERE = 1003
PRIORITY_REVERSE = 1004
"""Where the kernel carries tunnels: what this machine sends itself by the main table and else nowhere,
whatever is left by a table that leads into tunnels (see `kernel_carried`).
"""
LOOPBACK = "lo"
"""As a rule's input device: what does not come in, but is sent, or looked up, by this machine."""
_LOCAL_TABLE, _DEFAULT_TABLE = 255, 253


@dataclass(frozen=True, slots=True, order=True)
class Claim:
    """An address to be taken on a device: probed for before, announced after (RFC 5227, RFC 4861, 7.2.6)."""

    device: str
    address: IPAddress


@dataclass(frozen=True, slots=True)
class Link:
    """A network adapter of the document: up, with this MTU in octets."""

    device: str
    mtu: int


@dataclass(frozen=True, slots=True)
class Vlan:
    """An 802.1Q subinterface that carries VLAN `id` tagged on its parent, up, with this MTU in octets.

    It has its parent's MAC address, can be up only while its parent is, and is gone with it.
    """

    device: str
    parent: str
    id: int
    mtu: int


@dataclass(frozen=True, slots=True)
class Bridge:
    """A bridge, up or down, with this MTU in octets. It has no address, speaks no spanning tree protocol,
    floods all multicast (no snooping), and its frames are not shown to the filters of IP and ARP (no
    br_netfilter).
    While it is down it passes nothing between its ports (net/bridge/br_stp_if.c, br_stp_disable_bridge).
    """

    device: str
    mtu: int
    up: bool = True


@dataclass(frozen=True, slots=True)
class BridgePort:
    """A device as port of a bridge. Frames never pass from one isolated port to another.

    What addresses such a device has do not work any more: its packets are the bridge's.
    """

    device: str
    bridge: str
    isolated: bool = False
    learning: bool = True
    """Whether the bridge remembers source addresses of frames that entered here."""
    plain: bool = True
    """Every other setting is the kernel's: it floods, sends nothing back to where it came from, answers for
    nobody and lets in addresses that it does not know.
    """


@dataclass(frozen=True, slots=True)
class Tun:
    """A persistent tun device; `owner` is the uid that may attach to it without privilege (None: root).

    With `ethernet` it is a TAP device: it carries frames instead of packets.
    """

    device: str
    mtu: int
    queue_length: int
    """Packets (txqueuelen)."""
    owner: int | None
    ethernet: bool = False


@dataclass(frozen=True, slots=True)
class ProcessDevice:
    """A tunnel device of the kernel's own kind (`ovpn`), which OpenVPN makes when it starts and takes away
    when it ends: while it is there, it is up with this MTU in octets. What is planned on it waits (`lent`).
    """

    device: str
    mtu: int


@dataclass(frozen=True, slots=True)
class Address:
    """An address on a device. With `prefix_route` False the kernel adds no route for its prefix.
    With `peer` set, the far end of a point-to-point pair. A `claimed` one is probed for before it is
    added and announced after; the kernel does not remember that, so it makes no difference to equality.
    """

    device: str
    interface: IPInterface
    prefix_route: bool = True
    peer: IPAddress | None = None
    claimed: bool = field(default=False, compare=False)

    @property
    def claim(self) -> Claim:
        """What is probed for and announced."""
        return Claim(self.device, self.interface.ip)


@dataclass(frozen=True, slots=True)
class Route:
    """A unicast route with our protocol number. Lower metrics win; 0 lets the kernel choose its default."""

    destination: IPNetwork
    device: str
    table: int = MAIN_TABLE
    via: IPAddress | None = None
    metric: int = 0
    mtu: int | None = None
    """Octets of the largest packet it takes, whatever ICMP says; None: the device's."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A policy routing rule with our protocol number: by input device, source address or IP protocol."""

    version: int
    """4 or 6."""
    priority: int
    table: int | None
    """None: it is unreachable."""
    input_device: str | None = None
    source: IPAddress | None = None
    protocol: int | None = None
    """Of the packet to be sent (`ipproto`); None: of any, and what the kernel looks up for no packet."""


KERNEL_RULES: frozenset[Rule] = frozenset(
    {
        Rule(version=4, priority=0, table=_LOCAL_TABLE),
        Rule(version=4, priority=32766, table=MAIN_TABLE),
        Rule(version=4, priority=32767, table=_DEFAULT_TABLE),
        Rule(version=6, priority=0, table=_LOCAL_TABLE),
        Rule(version=6, priority=32766, table=MAIN_TABLE),
    }
)
"""The rules that the kernel begins with (ip-rule(8)). Without them nothing arrives and nothing finds its way:
they are made again when they are missing, whoever made those that stand, and never dropped.
"""


@dataclass(frozen=True, slots=True)
class ProxyNeighbour:
    """An address answered for on a device (proxy ARP / proxy NDP, ip-neighbour(8)).

    A `claimed` one is probed for before it is added (RFC 5227) and announced after.
    """

    device: str
    address: IPAddress
    claimed: bool = False

    @property
    def claim(self) -> Claim:
        """What is probed for and announced."""
        return Claim(self.device, self.address)


@dataclass(frozen=True, slots=True)
class Sysctl:
    """A kernel setting below /proc/sys, keys with slashes (device names may hold dots)."""

    key: str
    value: str


KernelObject = (
    Link | Vlan | Bridge | BridgePort | Tun | ProcessDevice | Address | Route | Rule | ProxyNeighbour | Sysctl
)
