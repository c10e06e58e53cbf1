"""What a public rule is in the packet filter: elements of sets and maps, as the octets the kernel compares.

Every field of a concatenated key fills whole registers of four octets (nf_tables, `NFT_REG32_*`). All of it
is kept in sets that a policy load never flushes, and is inert unless the policy owns the address:

    public4          address . protocol . port : internal address . internal port       rules for everyone
    public_from4     address . protocol . port . source : internal address . internal port
    published4       address . protocol . port                    with a counter
    published_from4  address . protocol . ports . source          with a counter
    source4          internal address : public address            what its own connections leave with

and the same with 6. Maps that translate hold one element per port, because the target's port differs.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from causeway_wire.public_rules import Protocol, PublicRule
from causeway_wire.types import IPAddress, IPNetwork

Elements = dict[str, dict[bytes, bytes]]
"""By set name: data by key, empty for sets. The key of an interval is its first key and its last, joined."""
Range = tuple[bytes, bytes]
"""First and last address, packed."""

PROTOCOLS: Final = {Protocol.TCP: 6, Protocol.UDP: 17}
"""IANA numbers (RFC 9293, RFC 768)."""
_TCP, _UDP = (bytes((number, 0, 0, 0)) for number in PROTOCOLS.values())
_FAMILIES: Final = {4: 4, 16: 6}
"""IP version by octets of an address."""


class Entry(msgspec.Struct, frozen=True, gc=False):
    """A rule with its addresses as octets."""

    rule: PublicRule
    public: bytes
    internal: bytes
    key: bytes
    """Public address, protocol and first port."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How a set is declared: octets of its key and of its data (0: a set), intervals, counters."""

    key: int
    data: int
    interval: bool = False
    counted: bool = False


def _kinds(octets: int) -> dict[str, Kind]:
    service = octets + 8
    version = _FAMILIES[octets]
    return {
        f"public{version}": Kind(service, octets + 4),
        f"public_from{version}": Kind(service + octets, octets + 4, interval=True),
        f"published{version}": Kind(service, 0, counted=True),
        f"published_from{version}": Kind(service + octets, 0, interval=True, counted=True),
        f"source{version}": Kind(octets, octets),
    }


SETS: Final[Mapping[str, Kind]] = {**_kinds(4), **_kinds(16)}
"""Every set that holds rules."""
COUNTED: Final = tuple(name for name, kind in SETS.items() if kind.counted)


def nothing() -> Elements:
    """Empty sets."""
    return {name: {} for name in SETS}


@dataclass(frozen=True, slots=True)
class Kept:
    """What a public port leads to now: flows that do are left alone, others on the same port are cut."""

    target: bytes
    """Internal address and port, as in a map's data."""
    sources: tuple[Range, ...]
    """Empty for everyone."""


Cuts = Mapping[bytes, Kept | None]
"""By public address . protocol . port: which flows may stay; None cuts all."""


def entry(rule: PublicRule) -> Entry:
    """The rule with its octets."""
    public = rule.public_address.packed
    protocol = _UDP if rule.protocol is Protocol.UDP else _TCP
    key = public + protocol + (rule.public_port << 16).to_bytes(4, "big")
    return Entry(rule, public, rule.internal_address.packed, key)


def ports(rule: PublicRule) -> int:
    """How many public ports it has."""
    return rule.last_port - rule.public_port + 1


def size(rule: PublicRule) -> int:
    """How many elements the larger of its sets gets, at most."""
    return ports(rule) * max(len(rule.sources), 1)


def keys(entry: Entry) -> list[bytes]:
    """The rule's public ports, as keys of `published` and of the table's index."""
    rule, head = entry.rule, entry.key[:-4]
    if rule.public_port_end is None:
        return [entry.key]
    return [head + _port(port) for port in range(rule.public_port, rule.public_port_end + 1)]


def targets(entry: Entry) -> list[bytes]:
    """Where each of `keys` leads."""
    rule = entry.rule
    if rule.public_port_end is None:
        return [entry.internal + (rule.internal_port << 16).to_bytes(4, "big")]
    return [entry.internal + _port(rule.internal_port + n) for n in range(ports(rule))]


def ranges(rule: PublicRule) -> tuple[Range, ...]:
    """The rule's sources without overlaps; empty for everyone."""
    if not rule.sources:
        return ()
    return tuple(sorted(_range(network) for network in collapse(rule.sources)))


def collect(entries: Iterable[Entry]) -> Elements:
    """All elements of these rules, `source` apart: that depends on the whole table."""
    found = nothing()
    plain = {octets: (found[f"public{v}"], found[f"published{v}"]) for octets, v in _FAMILIES.items()}
    for entry in entries:
        rule = entry.rule
        if rule.public_port_end is None and not rule.sources:  # nearly every one of a large table
            opened, published = plain[len(entry.public)]
            opened[entry.key] = entry.internal + (rule.internal_port << 16).to_bytes(4, "big")
            published[entry.key] = b""
            continue
        version = _FAMILIES[len(entry.public)]
        if not rule.sources:
            opened, published = found[f"public{version}"], found[f"published{version}"]
            for key, target in zip(keys(entry), targets(entry), strict=True):
                opened[key] = target
                published[key] = b""
            continue
        translated, permitted = found[f"public_from{version}"], found[f"published_from{version}"]
        for first, last in ranges(rule):
            for key, target in zip(keys(entry), targets(entry), strict=True):
                translated[key + first + key + last] = target
            permitted[_span(entry, first, last)] = b""
    return found


def counted_keys(entry: Entry) -> tuple[str, list[bytes]]:
    """The set and the keys in it whose counters together are the rule's."""
    version = _FAMILIES[len(entry.public)]
    if not entry.rule.sources:
        return f"published{version}", keys(entry)
    return f"published_from{version}", [_span(entry, *ends) for ends in ranges(entry.rule)]


def permits(kept: Kept, source: bytes, target: bytes) -> bool:
    """Whether a flow from this source to this target may stay."""
    if target != kept.target:
        return False
    return not kept.sources or any(first <= source <= last for first, last in kept.sources)


def cuts(before: Iterable[Entry], owner: Callable[[bytes], Entry | None]) -> dict[bytes, Kept | None]:
    """The flows that the old rules let in and what stands now (`owner` of a key) does not."""
    found: dict[bytes, Kept | None] = {}
    for old in before:
        admitted = ranges(old.rule)
        for key, target in zip(keys(old), targets(old), strict=True):
            now = owner(key)
            if now is None:
                found[key] = None
                continue
            kept = Kept(_target(now, key), ranges(now.rule))
            if kept.target != target or (kept.sources and kept.sources != admitted):
                found[key] = kept
    return found


def difference(old: Elements, new: Elements) -> tuple[Elements, Elements]:
    """What to delete and what to add, set by set; an element with other data is both."""
    return _missing(old, new), _missing(new, old)


def published_set(key: bytes) -> str:
    """The set that lets flows to this port of a rule for everyone through."""
    return f"published{_FAMILIES[len(key) - 8]}"


def source_set(internal: bytes) -> str:
    """The map that translates what this internal address sends."""
    return f"source{_FAMILIES[len(internal)]}"


def collapse(networks: tuple[IPNetwork, ...]) -> list[IPNetwork]:
    """The same addresses in the fewest prefixes; families apart."""
    if len(networks) == 1:
        return [networks[0]]
    four = [network for network in networks if isinstance(network, ipaddress.IPv4Network)]
    six = [network for network in networks if isinstance(network, ipaddress.IPv6Network)]
    return [*ipaddress.collapse_addresses(four), *ipaddress.collapse_addresses(six)]


def service(address: IPAddress, protocol: int, port: int) -> bytes:
    """The key of one public port."""
    return address.packed + bytes((protocol, 0, 0, 0)) + _port(port)


def _missing(these: Elements, others: Elements) -> Elements:
    """Those of `these` that the others have not, or have with other data."""
    found: Elements = {}
    for name, held in these.items():
        there = others.get(name)
        missing = {k: data for k, data in held.items() if there.get(k) != data} if there else held
        if missing:
            found[name] = missing
    return found


def _target(entry: Entry, key: bytes) -> bytes:
    port = int.from_bytes(key[-4:-2], "big")
    return entry.internal + _port(entry.rule.internal_port + port - entry.rule.public_port)


def _span(entry: Entry, first: bytes, last: bytes) -> bytes:
    return entry.key + first + entry.key[:-4] + _port(entry.rule.last_port) + last


def _range(network: IPNetwork) -> Range:
    return network.network_address.packed, network.broadcast_address.packed


def _port(port: int) -> bytes:
    return (port << 16).to_bytes(4, "big")
