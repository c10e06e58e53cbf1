"""The nft text of a policy: one transaction that replaces every rule and keeps what packets have taught.

The skeleton (tables, chains, sets, counters) is the same for every policy, so a reload only flushes rules and
static sets and fills them again (nft(8)): the gateway's admitted flows (`flows`, `known`), its budgets
(`ruleset_door`), the table of public rules (`public`, `published`, `source`) and the counters survive.
Devices are matched by name, so that a device made anew matches at once.

Rules match elements of sets, never literals: what the rules say is read in `ruleset_skeleton`, what they are
filled with is decided here. Maps of verdicts spare packets the questions that no element could answer.
"""

from __future__ import annotations

import ipaddress
import itertools
import re
from collections.abc import Iterable

from causeway_agent.plan.filter import bridge as ruleset_bridge
from causeway_agent.plan.filter import door as ruleset_door
from causeway_agent.plan.filter import element, forwards, fragments, neighbours, passing, shares, skeleton
from causeway_agent.plan.filter import path as ruleset_path
from causeway_agent.plan.filter.text import Family, Rendering
from causeway_agent.plan.model import checks
from causeway_agent.plan.model.policy import Internet, ManagementDoor, Policy, SourceGuard, Way
from causeway_wire.types import IPAddress, IPNetwork

TABLE = skeleton.TABLE
COUNTERS = skeleton.COUNTERS
ARP_COUNTER = neighbours.ARP_COUNTER
FILLED_BY_RULES = skeleton.FILLED_BY_RULES

_PROTOCOLS = {"tcp": 6, "udp": 17}
"""Numbers (RFC 9293, RFC 768), not names: nft would look those up in a file that a small system lacks."""
_DIGEST = re.compile(r'comment "policy ([0-9a-f]{64})"')


def render(policy: Policy) -> str:
    """The nft commands that put this policy in force; one call of nft loads them in one transaction."""
    return rendering(policy).awake()


def digest(policy: Policy) -> str:
    """Hex SHA-256 that names this policy as this version renders it; the loaded table carries it."""
    return rendering(policy).digest


def find_digest(listing: str) -> str | None:
    """The digest in the text of `nft list chain inet causeway identity` (or of the whole table)."""
    match = _DIGEST.search(listing)
    return None if match is None else match[1]


def rendering(policy: Policy) -> Rendering:
    """The text of the policy, ready to be loaded."""
    liars = _liars(policy)
    inet = {**_common(policy), **_family(policy, 4, liars), **_family(policy, 6, liars)}
    inet |= forwards.forwarded(policy.forwards).elements
    inet |= neighbours.elements(policy) | fragments.elements(policy)
    inet |= ruleset_path.elements(policy) | shares.elements(policy)
    bridge = ruleset_bridge.elements(policy.bridged) | ruleset_path.segments(policy.clamps)
    return Rendering(
        (
            Family.of("inet", skeleton.INET_DECLARATIONS, skeleton.INET_SETS, inet, skeleton.inet_rules),
            Family.of(
                "arp",
                neighbours.ARP_DECLARATIONS,
                neighbours.ARP_SETS,
                neighbours.arp_elements(policy),
                lambda _: neighbours.ARP_RULES,
            ),
            Family.of(
                "bridge",
                ruleset_bridge.DECLARATIONS + ruleset_path.BRIDGE_DECLARATIONS,
                {**ruleset_bridge.SETS, **ruleset_path.BRIDGE_SETS},
                bridge,
                lambda _: ruleset_bridge.RULES + ruleset_path.BRIDGE_RULES,
            ),
        )
    )


def _common(policy: Policy) -> dict[str, list[str]]:
    neighbouring = {guard.device for guard in policy.neighbours}
    return {
        "guarded": [element.quote(device) for device in policy.guarded],
        "inside": [element.quote(relay.inside) for relay in policy.relays],
        "management_ports": [str(port) for door in policy.management for port in door.ports],
        "key_tags": [ruleset_door.key_tag(tag) for relay in policy.relays for tag in relay.tags],
        "hairpins": [_devices(way) for way in policy.ways if way.input_device == way.output_device],
        "exits": [
            passing.exit_element(*pair, neighbouring=pair[0] in neighbouring)
            for pair in forwards.forwarded(policy.forwards).exits
        ],
        "outside": [element.quote(guard.device) for guard in policy.foreign],
    }


def _family(policy: Policy, version: int, liars: frozenset[str]) -> dict[str, list[str]]:
    """Elements of the sets that exist once per family; their names end with the version."""
    relays = [relay for relay in policy.relays if relay.address.version == version]
    listeners = [(relay.public, relay.address, "udp", relay.port) for relay in relays]
    listeners += [(entry.device, entry.address, entry.protocol, entry.port) for entry in policy.listeners]
    elements = {
        "sources": _guards(policy.sources, version),
        "entrances": _entrances(policy, version, liars),
        "owned": [str(address) for address in policy.owned if address.version == version],
        "ways": _ways(policy, version),
        "denied": _guards(policy.denied, version),
        "foreign": _foreign(policy.foreign, version),
        **_internet([entry for entry in policy.internet if entry.version == version]),
        "doors": _doors(policy.management, version),
        "listeners": [
            element.join(element.quote(device), address, _PROTOCOLS[protocol], port)
            for device, address, protocol, port in listeners
            if address.version == version
        ],
        "echoes": [
            element.join(element.quote(echo.device), echo.address)
            for echo in policy.echoes
            if echo.address.version == version
        ],
        "peers": [
            element.join(element.quote(echo.device), echo.address, echo.peer)
            for echo in policy.echoes
            if echo.peer is not None and echo.address.version == version
        ],
        "relay": [element.join(relay.address, relay.port) for relay in relays],
        "unnamed": [element.join(relay.address, relay.port) for relay in relays if relay.unnamed],
        "servers": [
            element.join(element.quote(relay.inside), address, port)
            for relay in relays
            for address, port in relay.servers
        ],
    }
    return {f"{name}{version}": values for name, values in elements.items()}


def _entrances(policy: Policy, version: int, liars: frozenset[str]) -> list[str]:
    """What a packet is asked that enters by a device; those that are not listed are asked nothing.

    A device that may send from everywhere need not be asked from where: a set of ranges is the slowest kind.
    """
    guards = [guard for guard in policy.sources if guard.network.version == version]
    everywhere = {guard.device for guard in guards if not guard.network.prefixlen}
    guarded = policy.guarded - everywhere
    forwarded = forwards.forwarded(policy.forwards)
    sources, destinations = (ends[version].keys() for ends in (forwarded.sources, forwarded.destinations))
    foreign = {guard.device for guard in policy.foreign if guard.network.version == version}
    relays = any(relay.address.version == version for relay in policy.relays)
    chains = {}
    for device in guarded | sources | destinations | foreign:
        named = (device in guarded, device in sources, device in destinations, device in foreign or relays)
        match named:
            case (True, False, False, False):
                chains[device] = "origin"
            case (True, True, False, False) if device not in liars:
                chains[device] = "by_source"
            case (False, False, True, False):
                chains[device] = "by_destination"
            case (False, False, False, True) if not relays:
                chains[device] = "outside"
            case _:
                chains[device] = "everything"
    return [f"{element.quote(device)} : goto {chain}{version}" for device, chain in chains.items()]


def _ways(policy: Policy, version: int) -> list[str]:
    """Nothing is looked for among denied networks where there are none behind the output device."""
    denying = {guard.device for guard in policy.denied if guard.network.version == version}
    return [
        f"{_devices(way)} : goto {'outward' if way.output_device in denying else 'inward'}{version}"
        for way in policy.ways
    ]


def _internet(entries: Iterable[Internet]) -> dict[str, list[str]]:
    listed = list(entries)
    return {
        "internet": [_devices(entry) for entry in listed],
        "returning": [
            element.join(element.quote(entry.output_device), element.quote(entry.input_device))
            for entry in listed
        ],
        "sourced": [_devices(entry) for entry in listed if entry.by_rules],
    }


def _guards(guards: Iterable[SourceGuard], version: int) -> list[str]:
    """One element per collapsed network of a device: a set of ranges refuses overlapping elements."""
    keyed = sorted(
        ((guard.device, guard.network) for guard in guards if guard.network.version == version),
        key=lambda pair: pair[0],
    )
    return [
        element.join(element.quote(device), network)
        for device, group in itertools.groupby(keyed, key=lambda pair: pair[0])
        for network in _collapse(network for _, network in group)
    ]


def _foreign(guards: Iterable[SourceGuard], version: int) -> list[str]:
    """Networks alone, of all devices that have any; `outside` names the devices. A set of ranges is the
    slower the longer its key, and a device's name is four times as long as an address.
    """
    return [
        str(network)
        for network in _collapse(guard.network for guard in guards if guard.network.version == version)
    ]


def _liars(policy: Policy) -> frozenset[str]:
    """Guarded devices with an extended source that they may not send from: there an extended source proves
    nothing. Most networks of a tunnel are single hosts, so those are looked up and only wider ones searched.
    """
    hosts: dict[str, set[IPAddress]] = {}
    wide: dict[str, list[IPNetwork]] = {}
    for guard in policy.sources:
        if guard.network.prefixlen < guard.network.max_prefixlen:
            wide.setdefault(guard.device, []).append(guard.network)
        else:
            hosts.setdefault(guard.device, set()).add(guard.network.network_address)
    return frozenset(
        device
        for sources in forwards.forwarded(policy.forwards).sources.values()
        for device, addresses in sources.items()
        if device in policy.guarded
        and not all(
            any(checks.contains(network, address) for network in wide.get(device, ()))
            for address in addresses.difference(hosts.get(device, ()))
        )
    )


def _doors(doors: Iterable[ManagementDoor], version: int) -> list[str]:
    """One element per collapsed source and port: a set of ranges refuses overlapping elements."""
    keyed = sorted(
        ((door.device, door.address, port), source)
        for door in doors
        if door.address.version == version
        for source in door.sources
        if source.version == version
        for port in door.ports
    )
    return [
        element.join(element.quote(device), address, source, port)
        for (device, address, port), group in itertools.groupby(keyed, key=lambda pair: pair[0])
        for source in _collapse(source for _, source in group)
    ]


def _devices(way: Way | Internet) -> str:
    return element.join(element.quote(way.input_device), element.quote(way.output_device))


def _collapse(networks: Iterable[IPNetwork]) -> list[IPNetwork]:
    listed = list(networks)
    four = [network for network in listed if isinstance(network, ipaddress.IPv4Network)]
    six = [network for network in listed if isinstance(network, ipaddress.IPv6Network)]
    return [*ipaddress.collapse_addresses(four), *ipaddress.collapse_addresses(six)]
