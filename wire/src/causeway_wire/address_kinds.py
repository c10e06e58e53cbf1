"""Addresses that name no host, adapters that name nobody, and prefixes that are no network of hosts."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from typing import Final

from causeway_wire.types import IPAddress, IPNetwork, MacAddress

_LONGEST: Final = {4: 30, 6: 126}
"""A production network holds a gateway and a VM at least, besides what names the network itself."""
_POINT_TO_POINT: Final = {4: 31, 6: 127}
"""Prefixes of this length and longer have no address for the network as a whole (RFC 3021, RFC 6164)."""
_LINK_LOCAL: Final = "link-local"
_SPECIAL: Final[dict[int, tuple[tuple[IPNetwork, str], ...]]] = {
    # RFC 6890 and RFC 4291, 2.4: what is never a host's own address on a network that others share.
    4: tuple(
        (ipaddress.IPv4Network(prefix), why)
        for prefix, why in (
            ("0.0.0.0/8", "unspecified"),
            ("127.0.0.0/8", "loopback"),
            ("169.254.0.0/16", _LINK_LOCAL),
            ("224.0.0.0/4", "multicast"),
            ("240.0.0.0/4", "reserved"),
        )
    ),
    6: tuple(
        (ipaddress.IPv6Network(prefix), why)
        for prefix, why in (
            ("::/128", "unspecified"),
            ("::1/128", "loopback"),
            ("::/8", "reserved"),
            ("fe80::/10", _LINK_LOCAL),
            ("ff00::/8", "multicast"),
        )
    ),
}


def special(address: IPAddress) -> str | None:
    """Why it can be nobody's address: `multicast`, `loopback`, ...; None for an ordinary one."""
    return next((why for prefix, why in _SPECIAL[address.version] if address in prefix), None)


def names_network(networks: Iterable[IPNetwork], address: IPAddress) -> bool:
    """Whether it stands for one of the networks as a whole: first and last of IPv4 (RFC 1122, 3.2.1.3), the
    routers' anycast address of IPv6 (RFC 4291, 2.6.1).
    """
    version = address.version
    return any(
        network.version == version
        and network.prefixlen < _POINT_TO_POINT[version]
        and (
            address == network.network_address or (version == 4 and address == network.broadcast_address)  # noqa: PLR2004 - the IP version
        )
        for network in networks
    )


def no_hosts(prefix: IPNetwork) -> str | None:
    """Why hosts cannot live in this prefix; None when they can."""
    for kept, why in _SPECIAL[prefix.version]:
        if prefix.overlaps(kept):
            return f"it has {why} addresses in it ({kept})"
    if prefix.prefixlen > _LONGEST[prefix.version]:
        return "it has no place for a gateway and a VM"
    return None


def no_sender(prefix: IPNetwork) -> str | None:
    """Why nobody's packets come from anywhere in this prefix; None when some can."""
    return next(
        (
            why
            for kept, why in _SPECIAL[prefix.version]
            if why != _LINK_LOCAL and prefix.prefixlen >= kept.prefixlen and prefix.network_address in kept
        ),
        None,
    )


def no_adapter(mac: MacAddress) -> str | None:
    """Why no adapter has this MAC address (IEEE 802, 8.2); None when one can have it."""
    if mac == "00:00:00:00:00:00":
        return "stands for none"
    return "is a group's" if int(mac[:2], 16) & 1 else None


def overlapping(prefixes: Iterable[IPNetwork]) -> Iterator[tuple[int, int]]:
    """Which prefixes overlap an earlier one, and that one, by index; families do not mix.

    Of several that one overlaps, the smallest around it or the earliest is told. Prefixes nest or are apart,
    so sorting brings those that overlap together.
    """
    listed = list(prefixes)
    found: dict[int, int] = {}
    around: list[tuple[int, int]] = []
    """Prefixes around the one that is looked at, with the earliest index up to each."""

    def note(one: int, other: int) -> None:
        found.setdefault(max(one, other), min(one, other))

    order = sorted(
        range(len(listed)),
        key=lambda i: (listed[i].version, int(listed[i].network_address), listed[i].prefixlen, i),
    )
    for index in order:
        prefix = listed[index]
        while around and not _holds(listed[around[-1][0]], prefix):
            around.pop()
        if around:
            nearest, earliest = around[-1]
            note(index, nearest)
            note(index, earliest)
            earliest = min(earliest, index)
        else:
            earliest = index
        around.append((index, earliest))
    yield from sorted(found.items())


def _holds(network: IPNetwork, other: IPNetwork) -> bool:
    return (
        network.version == other.version
        and network.prefixlen <= other.prefixlen
        and int(network.network_address) <= int(other.network_address) <= int(network.broadcast_address)
    )
