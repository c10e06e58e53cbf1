"""Tunnels whose packets the kernel carries (decision 46): what the two ends' plans have to say about it.

Each end decides by itself: what goes over the line is the same, so the far end need not know. The client's
device knows one peer. The server's knows clients by an address inside, which is told to OpenVPN
(`ifconfig-push`) and is the gateway of all routes into the tunnel; no packet ever has it.

Before a packet is let out of a server's device, the kernel asks by which gateway its source would be reached
(drivers/net/ovpn/peer.c, ovpn_peer_check_by_src). It asks without a device, as for a packet that this machine
sends itself, so that no rule of a network is heard. But it asks for no IP protocol either: whatever has one
goes on by the main table, or nowhere when that has no way, and the rest finds a table of one route, by that
gateway. Which network a packet may come from and go to is the packet filter's to judge, as always.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from causeway_agent.plan.compile.adapters import EVERYWHERE
from causeway_agent.plan.compile.contribution import Contribution
from causeway_agent.plan.compile.extension import Extension as ExtendedNetwork
from causeway_agent.plan.model import path_size
from causeway_agent.plan.model.objects import (
    LOOPBACK,
    MAIN_TABLE,
    PRIORITY_NOWHERE,
    PRIORITY_PROTOCOL,
    PRIORITY_REVERSE,
    ProcessDevice,
    Route,
    Rule,
)
from causeway_agent.plan.model.target import Facts
from causeway_wire.desired import Extension, TunnelClient, TunnelServer
from causeway_wire.observed import Transport
from causeway_wire.types import IPAddress

TABLE: Final = 65536
"""Of the one route; tables of networks are numbered like ports."""
CLIENT: Final[Mapping[int, IPAddress]] = {
    4: ipaddress.ip_address("192.0.0.8"),
    6: ipaddress.ip_address("100::8"),
}
"""A server's one client, to OpenVPN and the kernel: a dummy address (RFC 7600) and one that nobody routes
(RFC 6666), the same for every tunnel.
"""
CLIENT_FILE: Final = f"ifconfig-push {CLIENT[4]} 255.255.255.0\nifconfig-ipv6-push {CLIENT[6]}/64 100::9\n"
_BEHIND: Final = 4096
"""Metric; IPv6's own is 1024."""
_SENT: Final = {4: (6, 17, 1), 6: (6, 17, 58)}
"""TCP, UDP, ICMP: what this machine sends."""


def carries(tunnel: TunnelServer | TunnelClient, transport: Transport, facts: Facts) -> bool:
    """Whether the kernel carries this tunnel's packets over this transport."""
    return _could(tunnel, transport, facts) and tunnel.id not in facts.declined


def declined(tunnel: TunnelServer | TunnelClient, transport: Transport, facts: Facts) -> str | None:
    """Why OpenVPN would not leave this tunnel's packets to the kernel, where that could carry them."""
    return facts.declined.get(tunnel.id) if _could(tunnel, transport, facts) else None


def _could(tunnel: TunnelServer | TunnelClient, transport: Transport, facts: Facts) -> bool:
    routed = tunnel.extension is not Extension.BRIDGED
    return facts.no_offload is None and transport is Transport.UDP and routed


def via(network: ExtendedNetwork, device: str, version: int) -> IPAddress | None:
    """The gateway of routes of this IP version through this device of a server; None where none is needed."""
    return CLIENT[version] if device in network.lent else None


def behind(routes: Iterable[Route], device: str) -> set[Route]:
    """The same ways by a device that is always there, behind those by one that OpenVPN makes: while that is
    not there, nothing finds a way by another table.
    """
    return {replace(route, device=device, via=None, metric=_BEHIND) for route in routes}


def servers(networks: Iterable[ExtendedNetwork]) -> Contribution:
    """What servers add whose packets the kernel carries: their devices, and what its question finds."""
    carried = [network for network in networks if network.lent]
    devices = {ProcessDevice(device, path_size.INSIDE) for network in carried for device in network.lent}
    here = Contribution(lent=frozenset(devices))
    if not carried:
        return here
    versions = frozenset[int]().union(*(network.versions for network in carried))
    return here | _reverse_path(versions, carried[0].tun(Transport.TCP))


def _reverse_path(versions: frozenset[int], device: str) -> Contribution:
    """The route's device is any that is always there: nothing is sent."""
    sent = {
        Rule(version, priority, table, input_device=LOOPBACK, protocol=protocol)
        for version in versions
        for protocol in _SENT[version]
        for priority, table in ((PRIORITY_PROTOCOL, MAIN_TABLE), (PRIORITY_NOWHERE, None))
    }
    rest = {Rule(version, PRIORITY_REVERSE, TABLE, input_device=LOOPBACK) for version in versions}
    ways = {Route(EVERYWHERE[version], device, TABLE, via=CLIENT[version]) for version in versions}
    return Contribution(rules=frozenset(sent | rest), routes=frozenset(ways))
