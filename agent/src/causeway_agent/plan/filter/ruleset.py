"""The nft text of a policy: one transaction that replaces every rule and keeps what packets have taught.

The skeleton (tables, chains, sets, counters) is the same for every policy, so a reload only flushes rules and
static sets and fills them again (nft(8)): the gateway's admitted flows (`flows`, `known`), its budgets
(`ruleset_door`), the table of public rules (`public`, `published`, `source`) and the counters survive.
Devices are matched by name, so that a device made anew matches at once.

Rules match elements of sets, never literals: what the rules say is read in `ruleset_skeleton`, what they are
filled with is decided here. Maps of verdicts spare packets the questions that no element could answer.
"""

from __future__ import annotations

import functools
import ipaddress
import itertools
import re
from collections.abc import Iterable

from causeway_agent.plan.filter import bridge as ruleset_bridge
from causeway_agent.plan.filter import door as ruleset_door
from causeway_agent.plan.filter import fragments, neighbours, skeleton
from causeway_agent.plan.filter import path as ruleset_path
from causeway_agent.plan.filter.text import Family, Rendering
from causeway_agent.plan.model import checks
from causeway_agent.plan.model.policy import Forward, Internet, ManagementDoor, Policy, SourceGuard, Way
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
    inet |= neighbours.elements(policy) | fragments.elements(policy)
    inet |= ruleset_path.elements(policy)
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
    return {
        "guarded": [_quote(device) for device in policy.guarded],
        "inside": [_quote(relay.inside) for relay in policy.relays],
        "management_ports": [str(port) for door in policy.management for port in door.ports],
        "key_tags": [ruleset_door.key_tag(tag) for relay in policy.relays for tag in relay.tags],
        "hairpins": [_devices(way) for way in policy.ways if way.input_device == way.output_device],
        "exits": _exits(policy),
        "outside": [_quote(guard.device) for guard in policy.foreign],
    }


def _family(policy: Policy, version: int, liars: frozenset[str]) -> dict[str, list[str]]:
    """Elements of the sets that exist once per family; their names end with the version."""
    forwards = [forward for forward in policy.forwards if _version(forward) == version]
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
            _join(_quote(device), address, _PROTOCOLS[protocol], port)
            for device, address, protocol, port in listeners
            if address.version == version
        ],
        "echoes": [
            _join(_quote(echo.device), echo.address)
            for echo in policy.echoes
            if echo.address.version == version
        ],
        "peers": [
            _join(_quote(echo.device), echo.address, echo.peer)
            for echo in policy.echoes
            if echo.peer is not None and echo.address.version == version
        ],
        "relay": [_join(relay.address, relay.port) for relay in relays],
        "unnamed": [_join(relay.address, relay.port) for relay in relays if relay.unnamed],
        "servers": [
            _join(_quote(relay.inside), address, port) for relay in relays for address, port in relay.servers
        ],
        **_forwards(forwards),
    }
    return {f"{name}{version}": values for name, values in elements.items()}


def _entrances(policy: Policy, version: int, liars: frozenset[str]) -> list[str]:
    """What a packet is asked that enters by a device; those that are not listed are asked nothing.

    A device that may send from everywhere need not be asked from where: a set of ranges is the slowest kind.
    """
    guards = [guard for guard in policy.sources if guard.network.version == version]
    everywhere = {guard.device for guard in guards if not guard.network.prefixlen}
    guarded = policy.guarded - everywhere
    extended = [forward for forward in policy.forwards if forward.extends and _version(forward) == version]
    sources = {forward.input_device for forward in extended if forward.source is not None}
    destinations = {forward.input_device for forward in extended if forward.destination is not None}
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
    return [f"{_quote(device)} : goto {chain}{version}" for device, chain in chains.items()]


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
        "returning": [_join(_quote(entry.output_device), _quote(entry.input_device)) for entry in listed],
        "sourced": [_devices(entry) for entry in listed if entry.by_rules],
    }


def _guards(guards: Iterable[SourceGuard], version: int) -> list[str]:
    """One element per collapsed network of a device: a set of ranges refuses overlapping elements."""
    keyed = sorted(
        ((guard.device, guard.network) for guard in guards if guard.network.version == version),
        key=lambda pair: pair[0],
    )
    return [
        _join(_quote(device), network)
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


def _forwards(forwards: Iterable[Forward]) -> dict[str, list[str]]:
    """Forwards by shape: exact sets are hash tables, one lookup each."""
    elements: dict[str, list[str]] = {name: [] for name in skeleton.FORWARD_SHAPES}
    for forward in forwards:
        devices = (_quote(forward.input_device), _quote(forward.output_device))
        address = forward.source or forward.destination
        named = () if address is None else (address,)
        elements[_shape(forward)].append(_join(*devices[: 1 if forward.extends else 2], *named))
    return elements


def _liars(policy: Policy) -> frozenset[str]:
    """Guarded devices with an extended source that they may not send from: there an extended source proves
    nothing. Most networks of a tunnel are single hosts, so those are looked up and only wider ones searched.
    """
    wide = [guard for guard in policy.sources if guard.network.prefixlen < guard.network.max_prefixlen]
    named = {(guard.device, guard.network.network_address) for guard in policy.sources.difference(wide)}
    return frozenset(
        forward.input_device
        for forward in policy.forwards
        if forward.extends and forward.source is not None and forward.input_device in policy.guarded
        if (forward.input_device, forward.source) not in named
        and not any(
            guard.device == forward.input_device and checks.contains(guard.network, forward.source)
            for guard in wide
        )
    )


def _exits(policy: Policy) -> list[str]:
    """Pairs of devices that marked packets may pass between: the ways out that all extended addresses of a
    device have in common. Those of one device are all extended alike (`Forward`), or what differs is shut.
    """
    ways: dict[str, dict[IPAddress, set[str]]] = {}
    for forward in policy.forwards:
        address = forward.source or forward.destination
        if forward.extends and address is not None:
            outs = ways.setdefault(forward.input_device, {}).setdefault(address, set())
            outs.add(forward.output_device)
    return [
        _join(_quote(device), _quote(out))
        for device, addresses in ways.items()
        for out in set.intersection(*addresses.values())
    ]


def _shape(forward: Forward) -> str:
    kind = "error" if forward.errors_only else "forward"
    end = "source" if forward.source else "destination" if forward.destination else "any"
    return f"{kind}_{end}"


def _version(forward: Forward) -> int:
    address = forward.source or forward.destination
    return forward.version if address is None else address.version


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
        _join(_quote(device), address, source, port)
        for (device, address, port), group in itertools.groupby(keyed, key=lambda pair: pair[0])
        for source in _collapse(source for _, source in group)
    ]


def _devices(way: Way | Internet) -> str:
    return _join(_quote(way.input_device), _quote(way.output_device))


def _collapse(networks: Iterable[IPNetwork]) -> list[IPNetwork]:
    listed = list(networks)
    four = [network for network in listed if isinstance(network, ipaddress.IPv4Network)]
    six = [network for network in listed if isinstance(network, ipaddress.IPv6Network)]
    return [*ipaddress.collapse_addresses(four), *ipaddress.collapse_addresses(six)]


def _join(*parts: str | int | IPAddress | IPNetwork) -> str:
    return " . ".join(map(_written, parts))


@functools.lru_cache(maxsize=16384)
def _written(part: str | int | IPAddress | IPNetwork) -> str:
    """The same part stands in several sets, and in the policies of one change after the other."""
    return str(part)


def _quote(device: str) -> str:
    return f'"{device}"'
