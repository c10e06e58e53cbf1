"""Which way policy routing chooses, and where packets of an address come in (ip-rule(8), ip-route(8))."""

from __future__ import annotations

from collections.abc import Iterable

from causeway_agent.plan.model import checks
from causeway_agent.plan.model.objects import (
    MAIN_TABLE,
    TUN_PREFIXES,
    Bridge,
    Link,
    ProcessDevice,
    Route,
    Tun,
    Vlan,
)
from causeway_agent.plan.model.policy import Forward, Policy
from causeway_agent.plan.model.target import Observation
from causeway_wire.types import IPAddress


def is_tun(device: str) -> bool:
    """Whether the device is a tunnel's."""
    return device.startswith(TUN_PREFIXES)


def own(seen: Observation, address: IPAddress) -> bool:
    """Whether the address is this appliance's."""
    return any(held.interface.ip == address for held in seen.addresses)


def up(seen: Observation) -> set[str]:
    """Devices that are up, as far as they are ours."""
    groups: tuple[frozenset[Link | Vlan | Tun | ProcessDevice | Bridge], ...] = (
        frozenset(seen.links),
        frozenset(seen.vlans),
        frozenset(seen.tuns),
        frozenset(seen.lent),
        frozenset(bridge for bridge in seen.bridges if bridge.up),
    )
    return {item.device for group in groups for item in group}


def chosen(seen: Observation, entry: str | None, source: IPAddress, destination: IPAddress) -> Route | None:
    """Rules by priority, then the main table; prefix routes included. `entry` None: it starts here."""
    connected = {
        Route(address.interface.network, address.device) for address in seen.addresses if address.prefix_route
    }
    for table in (*tables(seen, entry, source), MAIN_TABLE):
        route = _lookup(seen.routes | connected, table, destination)
        if route is not None:
            return route
    return None


def tables(seen: Observation, entry: str | None, source: IPAddress) -> list[int]:
    """The tables that rules of ours send a packet to, in the order they are asked."""
    return [
        rule.table
        for rule in sorted(seen.rules, key=lambda rule: rule.priority)
        if rule.table is not None
        and rule.version == source.version
        and rule.input_device in {None, entry}
        and rule.source in {None, source}
    ]


def entry_of(seen: Observation, policy: Policy, source: IPAddress, destination: IPAddress) -> str | None:
    """The device a packet of these ends enters on: named by the policy, else where its source lives."""
    used = frozenset(route.device for route in seen.routes if not route.metric)
    forwards = _by_preference(policy.forwards, used)
    for forward in forwards:
        if forward.source == source:
            return forward.input_device
    local = near(seen, source)
    for forward in forwards:
        toward = forward.destination == destination and not forward.errors_only
        # A production host and the VLAN share a prefix: what is no replica is taken to be far.
        if toward and local in {None, forward.input_device, forward.output_device}:
            return forward.input_device
    if local is not None:
        return local
    routed = [r for r in seen.routes if r.destination.prefixlen and checks.contains(r.destination, source)]
    particular = min(
        routed, key=lambda r: (is_tun(r.device), -r.destination.prefixlen, r.metric, repr(r)), default=None
    )
    if particular is not None:
        return particular.device
    route = _lookup(seen.routes, MAIN_TABLE, source)
    return None if route is None else route.device


def near(seen: Observation, host: IPAddress) -> str | None:
    """The adapter in whose network the host is."""
    found = [
        (network.prefixlen, address.device)
        for address in seen.addresses
        for network in [address.interface.network]
        if checks.contains(network, host) and not is_tun(address.device)
    ]
    return max(found, default=(0, None))[1]


def source_for(seen: Observation, device: str, hop: IPAddress) -> IPAddress | None:
    """The address that connections leaving on the device get: that of the network their next hop is in."""
    addresses = [
        held.interface
        for held in seen.addresses
        if held.device == device and held.interface.version == hop.version
    ]
    usable = [interface for interface in addresses if not interface.ip.is_link_local]
    inside = [interface for interface in usable if checks.contains(interface.network, hop)]
    best = max(
        inside or usable, key=lambda i: (i.network.prefixlen < i.max_prefixlen, -int(i.ip)), default=None
    )
    return None if best is None else best.ip


def _by_preference(forwards: Iterable[Forward], used: frozenset[str]) -> list[Forward]:
    """Of two tunnels to one place, the connected one: routes use it."""
    return sorted(forwards, key=lambda f: (f.errors_only, f.input_device not in used, repr(f)))


def _lookup(routes: Iterable[Route], table: int, address: IPAddress) -> Route | None:
    """The longest matching prefix of the table, then the lowest metric."""
    matching = [r for r in routes if r.table == table and checks.contains(r.destination, address)]
    return min(matching, key=lambda r: (-r.destination.prefixlen, r.metric, repr(r)), default=None)
