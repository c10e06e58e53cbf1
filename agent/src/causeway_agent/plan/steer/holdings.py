"""What an appliance holds on its segments, and how often it says and asks so.

A neighbour may have missed an announcement: its port forwarded late, a storm control was at work. It is said
again soon, and rarely for as long as the address is held. Whoever else has the address shows itself by using
it; one that is silent is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from causeway_agent.plan.model.objects import Address, Claim, ProxyNeighbour
from causeway_agent.plan.model.target import Target
from causeway_wire.types import MacAddress

IPV4: Final = 4
GAPS: Final = (0.05, 0.95, 4.0, 25.0)
"""Seconds between announcements after a claim: at 0, 0.05, 1, 5 and 30 seconds."""
PERIOD: Final = 300.0
"""Seconds between announcements after those; caches of routers live from four minutes to four hours."""
JITTER: Final = 0.2
"""Share of the period by which it is shorter or longer, so that addresses do not all speak at once."""
ASK_SECONDS: Final = 5.0
"""How often a segment is asked who else has an address."""
ASKS_PER_SECOND: Final = 20.0
"""Questions per second in all; of more addresses than that allows each is asked for less often."""
LISTEN_SECONDS: Final = 3.0
"""How long after a claim an answer is one to its probes, only late."""
AWAY_SECONDS: Final = 5.0
"""Without running for so long we were away: what is held is announced anew. A clock that is set forward looks
the same, and costs some announcements.
"""
QUIET_SECONDS: Final = 30.0
"""Without a sign of life for so long another machine is taken to be gone."""


@dataclass(frozen=True, slots=True)
class Holding:
    """An address that is ours, or must be nobody's, on a device."""

    claim: Claim
    announced: bool = False
    """Taken from another machine: said again for as long as it is held."""
    asked: bool = False
    """Others are asked for it; own addresses are only listened for."""
    defended: bool = False
    """The agent answers who probes for it; the kernel answers for its own addresses and for proxied IPv6
    ones, but not for proxied IPv4 ones (net/ipv4/arp.c, arp_process).
    """
    port: bool = False
    """The device is a bridge's port, or becomes one."""


def holdings(target: Target) -> frozenset[Holding]:
    """Everything that the target holds."""
    proxies = {
        Holding(proxy.claim, announced=True, asked=True, defended=proxy.address.version == IPV4)
        for proxy in target.proxies
        if proxy.claimed
    }
    own = {
        Holding(address.claim, announced=address.claimed, asked=address.claimed)
        for address in target.addresses
        if address.device in target.devices
    }
    bridged = {Holding(claim, asked=True, port=True) for claim in target.vacant}
    released = {Holding(claim, asked=True) for claim in target.released}
    return frozenset(proxies | own | bridged | released)


def without(target: Target, released: Mapping[Claim, MacAddress]) -> Target:
    """The target without the claims that are left to other machines."""
    if not released:
        return target

    def kept(item: Address | ProxyNeighbour) -> bool:
        return not (item.claimed and item.claim in released)

    everything: tuple[Address | ProxyNeighbour, ...] = (*target.addresses, *target.proxies)
    claims = {item.claim for item in everything if not kept(item)}
    return replace(
        target,
        released=frozenset(claims),
        addresses=frozenset(item for item in target.addresses if kept(item)),
        proxies=frozenset(item for item in target.proxies if kept(item)),
    )


def gap(announced: int, jitter: float) -> float:
    """Seconds to the next announcement of an address that was announced so often since it was claimed.

    `jitter` is from -1 to 1.
    """
    if announced <= len(GAPS):
        return GAPS[announced - 1]
    return PERIOD * (1 + JITTER * jitter)


def asks_per_second(addresses: int) -> float:
    """How many of so many addresses are asked for in a second."""
    return min(addresses / ASK_SECONDS, ASKS_PER_SECOND)


def quiet_seconds(addresses: int) -> float:
    """How long nothing must be heard of another machine, when so many addresses are asked for in turn."""
    return max(QUIET_SECONDS, 3 * addresses / ASKS_PER_SECOND)
