"""Who is answered by ARP and neighbour discovery, and how many unknown neighbours anybody may look for.

The kernel answers only for addresses that it has or was given (`arp_ignore`, proxies); the filter decides for
whom. An idle network hears nothing, in either family. A question that is also an announcement (its sender is
its target) passes for addresses that may be there, so that one that moves to another machine is learned at
once; never for an address of the appliance's own.

One table of neighbours serves all networks of the machine (neighbour, arp(7)), and an address that nobody has
keeps a place in it for three seconds. Packets to those who have not been heard are therefore rationed by who
sends them, before the kernel looks for their receiver; packets to those who have are not. So are answers to
whoever knocks at a service in the name of a neighbour; a real one has asked for our own address before, and
whoever is told something over a connection has been heard to answer. A segment that says to be of one shows
nothing: anybody can forge it.

Who asks for our own address is remembered, too, under whatever name. So questions under names that were not
heard before are rationed wherever the appliance has an address; the routers and controllers that the document
names one by one need not be heard before, for without them nothing gets anywhere, and nobody can help.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, collapse_addresses
from typing import Final

from causeway_agent.plan.filter import element, passing
from causeway_agent.plan.model import objects
from causeway_agent.plan.model.policy import Policy, SourceGuard
from causeway_wire.types import IPAddress, IPNetwork

ARP_COUNTER: Final = "drop_arp"
"""Named counter of the arp table."""
COUNTERS: Final = ("drop_solicitation", "drop_scan")
"""Of the inet table: solicitations that nothing here answers, and packets to neighbours nobody has heard
above their sender's ration.
"""

PER_SOURCE: Final = "50/second burst 100 packets"
"""Unknown neighbours that one source may look for. With three seconds each that is a quarter of the smallest
table that a kernel has by default (1,024).
"""
PER_PAIR: Final = "200/second burst 300 packets"
"""That all sources of one device together may look for on another."""
ANSWERS: Final = "100/second burst 100 packets"
"""Unknown neighbours that are answered on one device: a segment costs who forges its sender nothing."""
SMALL: Final = 256
"""Addresses of a network that cannot fill the table, whoever speaks in their names."""
NEWCOMERS: Final = "100/second burst 200 packets"
"""Neighbours of a device that become known: a machine can speak under many addresses."""
GREETINGS: Final = "20/second burst 50 packets"
"""Addresses that one MAC address may ask under for the first time; each takes a place in the table."""
CROWD: Final = "200/second burst 500 packets"
"""The same of all MAC addresses of a device together."""

_KEPT: Final = "flags dynamic,timeout; size 65536; timeout 10m"
_RATION: Final = "flags dynamic,timeout; size 16384; timeout 1m"
_NOBODY4, _NOBODY6 = IPv4Address(0), IPv6Address(0)
_LINK_LOCAL = IPv6Network("fe80::/10")

TAUGHT: Final = frozenset(
    {"greeted", "greeters", "crowd", "asked6", "askers6", "asking6", "pairs", "newcomers"}
    | {f"{name}{version}" for name in ("met", "seekers") for version in (4, 6)}
)
"""Sets that packets fill: no load of a policy empties them."""

ARP_SETS: Final = {
    "guarded": "type ifname",
    "rationed": "type ifname",
    "expected": "type ifname . ipv4_addr",
    "ours": "type ifname . ipv4_addr",
    "moving": "type ifname . ipv4_addr . ipv4_addr",
    "members": "type ifname . ipv4_addr; flags interval",
    "scopes": "type ifname . ipv4_addr; flags interval",
    "excluded": "type ifname . ipv4_addr",
    "askers": "type ifname . ipv4_addr",
    "held": "type ifname . ipv4_addr . ipv4_addr; flags interval",
}
ARP_DECLARATIONS: Final = f"""\
  counter {ARP_COUNTER} {{ }}
  set greeted {{ type ifname . ipv4_addr; {_KEPT}; }}
  set greeters {{ type ifname . ether_addr; {_RATION}; }}
  set crowd {{ type ifname; {_RATION}; }}
  chain answer {{ }}
  chain greet {{ }}
  chain input {{ type filter hook input priority filter; policy accept; }}
"""
_MEMBERS: Final = "iifname . arp saddr ip @members iifname . arp daddr ip @members"
_ASKING: Final = (
    "iifname . arp saddr ip @askers iifname . arp daddr ip @scopes iifname . arp daddr ip != @excluded"
)
ARP_RULES: Final = f"""\
  chain greet {{
    iifname . arp saddr ip @expected return
    iifname . arp saddr ip @greeted update @greeted {{ iifname . arp saddr ip }} return
    update @greeters {{ iifname . arp saddr ether limit rate over {GREETINGS} }} \
counter name {ARP_COUNTER} drop
    update @crowd {{ iifname limit rate over {CROWD} }} counter name {ARP_COUNTER} drop
    add @greeted {{ iifname . arp saddr ip }}
  }}
  chain answer {{
    iifname . arp saddr ip @ours counter name {ARP_COUNTER} drop
    iifname . arp saddr ip . arp daddr ip @held goto greet
    iifname . arp saddr ip . arp daddr ip @moving goto greet
    {_MEMBERS} goto greet
    {_ASKING} goto greet
    counter name {ARP_COUNTER} drop
  }}
  chain input {{
    arp operation request iifname @guarded goto answer
    arp operation request iifname @rationed goto greet
  }}
"""

SETS: Final = {
    "neighbouring": "type ifname",
    "doorways": "type ifname",
    "expected6": "type ifname . ipv6_addr",
    "solicitors6": "type ifname . ipv6_addr; flags interval",
    **{f"onlink{version}": f"type ifname . ipv{version}_addr; flags interval" for version in (4, 6)},
}


def _sets(version: int) -> str:
    address = f"ipv{version}_addr"
    return f"""\
  set met{version} {{ type ifname . {address}; {_KEPT}; }}
  set seekers{version} {{ type ifname . {address}; {_RATION}; }}
"""


_CHAINS: Final = (
    *("solicited", "next_door", "meet", "meet4", "meet6", "known4", "known6"),
    *(
        "said",
        "resolve",
        "resolve4",
        "resolve6",
        "told",
        "told4",
        "told6",
        "reply",
        "reply4",
        "reply6",
        "open",
        "open4",
        "open6",
    ),
)
DECLARATIONS: Final = (
    _sets(4)
    + _sets(6)
    + f"""\
  set pairs {{ type ifname . ifname; {_RATION}; }}
  set newcomers {{ type ifname; {_RATION}; }}
  set asked6 {{ type ifname . ipv6_addr; {_KEPT}; }}
  set askers6 {{ type ifname . ether_addr; {_RATION}; }}
  set asking6 {{ type ifname; {_RATION}; }}
"""
    + "".join(f"  chain {name} {{ }}\n" for name in _CHAINS)
)

_ACCEPTING: Final = "tcp flags & (syn|ack) == (syn|ack)"
_REFUSING: Final = "tcp flags & rst == rst"
"""What anybody is told who knocks, or whose segment is of no connection (RFC 9293, 3.5.2). The rest of a
connection goes to whoever has answered the first.
"""
_TELLING: Final = "tcp flags & (syn|rst|psh) == psh"
"""What is sent over connections alone: it has data, and its receiver has answered our own first segment, with
a number that nobody guesses (RFC 9293, 3.4). A bare ACK has not: also a connection that is only half open is
told the numbers that are expected (Linux, tcp_check_req).
"""
_SOLICITATION: Final = "icmpv6 type nd-neighbor-solicit"


def _family(ip: str, version: int) -> str:
    """Of bulk TCP one packet in 32 keeps its sender known: each lookup spared is throughput. What the
    appliance itself sends entered by no device and has one source for everybody: a guest that asks it much
    would use up the answers to all others, so only the ration of the devices holds for it.
    """
    return f"""\
  chain known{version} {{
    update @newcomers {{ iifname limit rate over {NEWCOMERS} }} return
    add @met{version} {{ iifname . {ip} saddr }}
  }}
  chain meet{version} {{
    iifname . {ip} saddr @met{version} return
    iifname . {ip} saddr @onlink{version} goto known{version}
  }}
  chain told{version} {{
    oifname . {ip} daddr @met{version} return
    oifname . {ip} daddr != @onlink{version} return
    update @newcomers {{ oifname limit rate over {NEWCOMERS} }} return
    add @met{version} {{ oifname . {ip} daddr }}
  }}
  chain reply{version} {{
    oifname . {ip} daddr @met{version} return
    oifname . {ip} daddr != @onlink{version} return
    update @pairs {{ iifname . oifname limit rate over {ANSWERS} }} counter name drop_scan drop
  }}
  chain open{version} {{
    iifname . {ip} saddr @met{version} return
    iifname . {ip} saddr != @onlink{version} return
    update @pairs {{ iifname . iifname limit rate over {ANSWERS} }} counter name drop_scan drop
  }}
  chain resolve{version} {{
    oifname . {ip} daddr @met{version} return
    oifname . {ip} daddr != @onlink{version} return
    iif != 0 update @seekers{version} {{ iifname . {ip} saddr limit rate over {PER_SOURCE} }} \
counter name drop_scan drop
    update @pairs {{ iifname . oifname limit rate over {PER_PAIR} }} counter name drop_scan drop
  }}
"""


RULES: Final = f"""\
  chain next_door {{
    iifname @doorways jump meet6
    accept
  }}
  chain solicited {{
    iifname @guarded iifname . ip6 saddr != @solicitors6 counter name drop_solicitation drop
    iifname . ip6 saddr @expected6 goto next_door
    iifname . ip6 saddr @asked6 update @asked6 {{ iifname . ip6 saddr }} goto next_door
    update @askers6 {{ iifname . ether saddr limit rate over {GREETINGS} }} \
counter name drop_solicitation drop
    update @asking6 {{ iifname limit rate over {CROWD} }} counter name drop_solicitation drop
    add @asked6 {{ iifname . ip6 saddr }}
    goto next_door
  }}
{_family("ip", 4)}{_family("ip6", 6)}\
  chain meet {{
    tcp flags & syn == 0 numgen random mod 32 != 0 return
    meta nfproto ipv4 goto meet4
    meta nfproto ipv6 goto meet6
  }}
  chain told {{
    meta nfproto ipv4 goto told4
    meta nfproto ipv6 goto told6
  }}
  chain reply {{
    meta nfproto ipv4 goto reply4
    meta nfproto ipv6 goto reply6
  }}
  chain open {{
    meta nfproto ipv4 goto open4
    meta nfproto ipv6 goto open6
  }}
  chain resolve {{
    meta nfproto ipv4 goto resolve4
    meta nfproto ipv6 goto resolve6
  }}
  chain said {{
    {_ACCEPTING} oifname @doorways goto reply
    {_REFUSING} oifname @doorways goto reply
    {_TELLING} oifname @doorways jump told
    oifname @neighbouring goto resolve
  }}
"""
HEARD: Final = "jump meet"
"""Of chain `heard`: what neighbours send into a tunnel."""
THROUGH: Final = f"""\
    iifname @neighbouring jump meet
    meta mark {passing.BY_DESTINATION} accept
    oifname != @neighbouring accept
    ct direction original ct status dnat accept
    jump resolve
"""
"""Of chain `through`, to which everything comes that passes."""
SAY: Final = "jump said"
"""Of chain `say`: what the appliance itself sends."""
ADMIT: Final = "iifname @doorways jump open"
"""Of the chain that sees the first packet of each connection that is followed."""
INPUT: Final = f"""\
    {_SOLICITATION} ip6 hoplimit 255 goto solicited
    icmpv6 type nd-neighbor-advert ip6 hoplimit 255 accept
"""
"""Of the chain that sees what is for the appliance itself. Where anybody knocks, who asks by neighbour
discovery is next door indeed (no router forwards that), and is heard when its question is within its ration.
Who tells without being asked costs nobody a place, and is no more known for it than by ARP.
"""


def elements(policy: Policy) -> dict[str, list[str]]:
    """What the sets of the inet table are filled with."""
    return {
        "neighbouring": _devices(policy.neighbours),
        "doorways": _devices(_large(policy)),
        "expected6": _expected(policy, 6),
        "solicitors6": [
            element.join(element.quote(device), network) for device, network in _solicitors(policy)
        ],
        **{f"onlink{version}": _networks(policy.neighbours | _large(policy), version) for version in (4, 6)},
    }


def _large(policy: Policy) -> frozenset[SourceGuard]:
    """The doorways that can fill a table; those of the others are answered as they come."""
    return frozenset(guard for guard in policy.doorways if guard.network.num_addresses > SMALL)


def _solicitors(policy: Policy) -> Iterable[tuple[str, IPNetwork | IPAddress]]:
    """As with ARP: on a scoped device those who may send from it, on others everyone of its networks where
    something is held; probes for duplicates are heard by both.
    """
    scoped = {scope.device for scope in policy.arp}
    moving: dict[str, set[IPv6Address]] = {}
    for forward in policy.forwards:
        if isinstance(forward.source, IPv6Address):
            moving.setdefault(forward.input_device, set()).add(forward.source)
    networks = _by_device(policy.sources)
    holding = {echo.device for echo in policy.echoes if echo.address.version == _NOBODY6.version}
    for device in sorted((holding & policy.guarded) - {d for d in holding if _is_tun(d)}):
        yield device, _NOBODY6
        if device in scoped:
            yield from ((device, address) for address in moving.get(device, ()))
        else:
            yield device, _LINK_LOCAL
            six = [network for network in networks.get(device, ()) if isinstance(network, IPv6Network)]
            yield from ((device, network) for network in collapse_addresses(six))


def arp_elements(policy: Policy) -> Mapping[str, list[str]]:
    """What the sets of the arp table are filled with.

    On a scoped device those may ask who may send from it: the replicas that are failed over. On others
    everyone of the network may ask for the addresses held there. Everywhere they may be probed for before
    somebody takes one (RFC 5227, 1.1: a probe's sender is 0.0.0.0).
    """
    scoped = {scope.device for scope in policy.arp}
    askers = {
        (forward.input_device, forward.source)
        for forward in policy.forwards
        if forward.input_device in scoped and isinstance(forward.source, IPv4Address)
    }
    networks = _by_device(policy.sources)
    held = [
        (echo, network)
        for echo in policy.echoes
        if isinstance(echo.address, IPv4Address) and not _is_tun(echo.device)
        for network in networks.get(echo.device, ())
        if echo.address in network
    ]
    may_ask = {(echo, str(network)) for echo, network in held if echo.device not in scoped}
    may_ask |= {(echo, str(_NOBODY4)) for echo, _ in held}
    return {
        "guarded": [element.quote(device) for device in policy.guarded],
        "rationed": _devices(policy.neighbours | policy.doorways),
        "expected": _expected(policy, 4),
        "ours": [f"{element.quote(echo.device)} . {echo.address}" for echo, _ in held],
        "moving": [element.join(element.quote(device), address, address) for device, address in askers],
        "members": _networks(policy.segments, 4),
        "scopes": [f"{element.quote(scope.device)} . {scope.prefix}" for scope in policy.arp],
        "excluded": [
            element.join(element.quote(scope.device), address)
            for scope in policy.arp
            for address in scope.excluded
        ],
        "askers": [element.join(element.quote(device), address) for device, address in askers],
        "held": [f"{element.quote(echo.device)} . {asker} . {echo.address}" for echo, asker in may_ask],
    }


def _expected(policy: Policy, version: int) -> list[str]:
    named = [(device, address) for device, address in policy.expected if address.version == version]
    return [element.join(element.quote(device), address) for device, address in sorted(named, key=str)]


def _by_device(guards: Iterable[SourceGuard]) -> Mapping[str, list[IPNetwork]]:
    """Networks by device: all guards for every address would be too many."""
    found: dict[str, list[IPNetwork]] = {}
    for guard in guards:
        found.setdefault(guard.device, []).append(guard.network)
    return found


def _networks(guards: Iterable[SourceGuard], version: int) -> list[str]:
    """One element per collapsed network of a device: a set of ranges refuses overlapping elements."""
    chosen = sorted((g for g in guards if g.network.version == version), key=lambda guard: guard.device)
    return [
        element.join(element.quote(device), network)
        for device, group in itertools.groupby(chosen, key=lambda guard: guard.device)
        for network in _collapse(guard.network for guard in group)
    ]


def _collapse(networks: Iterable[IPNetwork]) -> Iterable[IPNetwork]:
    listed = list(networks)
    yield from collapse_addresses(n for n in listed if isinstance(n, IPv4Network))
    yield from collapse_addresses(n for n in listed if isinstance(n, IPv6Network))


def _devices(guards: Iterable[SourceGuard]) -> list[str]:
    return sorted({element.quote(guard.device) for guard in guards})


def _is_tun(device: str) -> bool:
    return device.startswith(objects.TUN_PREFIXES)
