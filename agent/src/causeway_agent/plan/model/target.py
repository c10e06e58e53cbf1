"""The target a document compiles to, the observation it is compared with, and the facts both rest on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from causeway_agent.plan.model.objects import (
    KERNEL_RULES,
    Address,
    Bridge,
    BridgePort,
    Claim,
    Link,
    ProcessDevice,
    ProxyNeighbour,
    Route,
    Rule,
    Sysctl,
    Tun,
    Vlan,
)
from causeway_agent.plan.model.path_size import PathSize
from causeway_agent.plan.model.policy import Policy
from causeway_agent.plan.model.processes import Process
from causeway_wire.types import MacAddress, TunnelId


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What compile may know of this machine. Everything a document cannot say."""

    appliance: str
    devices: Mapping[MacAddress, str]
    """Kernel device name by MAC address."""
    vpn_uid: int | None
    """User that OpenVPN runs as; None where this process cannot change users (rootless)."""
    key_directory: str
    """Where the keys born here lie, one `NAME.key` each."""
    run_directory: str
    """Where sockets and rendered files of supervised processes go."""
    vlan_8021q: bool = False
    """Whether this kernel makes 802.1Q subinterfaces."""
    no_offload: str | None = "no kernel module ovpn"
    """Why the kernel cannot carry the packets of tunnels (`kernel_carried`); None where it can."""
    declined: Mapping[TunnelId, str] = field(default_factory=dict)
    """Why OpenVPN would not leave a tunnel's packets to the kernel, although that can."""
    active: Mapping[TunnelId, str] = field(default_factory=dict)
    """The tun device that carries each tunnel now."""
    paths: Mapping[TunnelId, PathSize] = field(default_factory=dict)
    """What size each tunnel's path carries, where that is not the full size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """All that must hold, compiled from one document."""

    management: Address
    """The address whose loss would cut the controller off; also in `addresses`."""
    devices: frozenset[str]
    """Devices named by the document: addresses and proxy neighbours on them are ours."""
    links: frozenset[Link] = frozenset()
    vlans: frozenset[Vlan] = frozenset()
    tuns: frozenset[Tun] = frozenset()
    lent: frozenset[ProcessDevice] = frozenset()
    """Devices that processes make and take away; what is planned on them waits until they are there."""
    bridges: frozenset[Bridge] = frozenset()
    ports: frozenset[BridgePort] = frozenset()
    addresses: frozenset[Address] = frozenset()
    routes: frozenset[Route] = frozenset()
    rules: frozenset[Rule] = frozenset()
    proxies: frozenset[ProxyNeighbour] = frozenset()
    sysctls: frozenset[Sysctl] = frozenset()
    policy: Policy = field(default_factory=Policy)
    processes: frozenset[Process] = frozenset()
    vacant: frozenset[Claim] = frozenset()
    """What no machine of the segment may hold when the bridge begins to carry it: nothing here claims it."""
    heralded: frozenset[Claim] = frozenset()
    """What is answered for by scope, not by claim, and announced when routes to its device go: neighbours may
    remember another machine there.
    """
    released: frozenset[Claim] = frozenset()
    """What the document claims and is left to another machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What the kernel and the supervisor say now, restricted to what is ours (see `objects`).

    `policy` is None when our table is missing or is not what we loaded last: then it is loaded anew.
    `sysctls` holds the current value of every key asked about.
    """

    links: frozenset[Link] = frozenset()
    vlans: frozenset[Vlan] = frozenset()
    tuns: frozenset[Tun] = frozenset()
    lent: frozenset[ProcessDevice] = frozenset()
    """Those that are there."""
    bridges: frozenset[Bridge] = frozenset()
    ports: frozenset[BridgePort] = frozenset()
    addresses: frozenset[Address] = frozenset()
    routes: frozenset[Route] = frozenset()
    rules: frozenset[Rule] = frozenset()
    proxies: frozenset[ProxyNeighbour] = frozenset()
    sysctls: frozenset[Sysctl] = frozenset()
    policy: Policy | None = None
    processes: frozenset[Process] = frozenset()
    standing: frozenset[Rule] = KERNEL_RULES
    """Of the kernel's own rules, those that are there."""
    foreign: frozenset[str] = frozenset()
    """What others have added that decides over packets beside what is ours, each in words."""
