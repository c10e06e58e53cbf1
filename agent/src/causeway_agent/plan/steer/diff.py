"""From what is to what shall be: operations in the one order that is safe, as data.

    close    forwarding off, the policy that both the old and the new target allow
    remove   proxy answers, processes, rules, routes, bridge ports that have no place any more
    add      TLS proxies that take over from others (nothing waits for them: see `operations.aside`), links,
             VLANs, tun devices, bridges (see `layer2`), settings, addresses (then drop old ones), bridge
             ports, routes, rules, processes
    open     the new policy, forwarding on, the claims on other machines' addresses
    last     new TLS proxies: no first packet waits for a fallback

A route is replaced in place, so that a tunnel changing its transport loses nothing. Losing its last IPv4
address makes a device lose its IPv4 routes and proxy entries (net/ipv4/fib_frontend.c, fib_disable_ip):
addresses are therefore added before others are dropped, and where that cannot help, routes are put again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TypeVar, assert_never

from causeway_agent.plan.model.objects import (
    KERNEL_RULES,
    Address,
    KernelObject,
    ProxyNeighbour,
    Route,
    Rule,
    Sysctl,
)
from causeway_agent.plan.model.policy import Policy
from causeway_agent.plan.model.processes import (
    FirstPacketFilter,
    LoopGuard,
    NeighbourResponder,
    PathProbe,
    Process,
    RouterAdvertiser,
    TlsProxy,
    VpnClient,
    VpnServer,
)
from causeway_agent.plan.model.target import Observation, Target
from causeway_agent.plan.steer import layer2, lent
from causeway_agent.plan.steer.operations import Announce, Drop, LoadPolicy, Operation, Plan, Put, Start, Stop
from causeway_wire.types import IPAddress, IPInterface

_Item = TypeVar("_Item")
_Object = TypeVar("_Object", bound=KernelObject)
_IPV4, _IPV6 = 4, 6


def diff(observation: Observation, target: Target, previous_policy: Policy | None = None) -> Plan:
    """The operations that turn what is observed into the target; none where it is so already.

    `previous_policy` stands in for a policy that cannot be read back (`observation.policy` is None).
    """
    left_behind = _drops(layer2.surplus(observation.lent, target.lent))
    devices = layer2.names(target.tuns, target.lent)
    target = lent.standing(target, observation)
    below = layer2.changes(observation, target)
    observation = below.remaining
    claimed = _claimed_addresses(observation, target)
    addresses = _addresses(observation, target, claimed)
    flushed = _flushed(observation.addresses, addresses)
    claims = _claims(claimed, observation, target, flushed)
    switches_off, switches_on, settings = _settings(observation, target, below.fresh)
    released = _lost(observation.proxies, target.proxies, _proxy_key)
    routes = _lost(observation.routes, target.routes, _route_key)
    prompt, successors, fallbacks = _starts(observation, target)
    remove: tuple[Operation, ...] = (
        *_drops(released),
        *_stops(observation, target, devices),
        *_rule_drops(observation.rules - target.rules),
        *_drops(routes),
        *below.release,
        *left_behind,
    )
    add: tuple[Operation, ...] = (
        *successors,
        *_puts(target.links - observation.links),
        *below.make,
        *_puts(target.lent - observation.lent),
        *settings,
        *addresses,
        *below.join,
        *below.abolish,
        *_puts(target.routes - _surviving(observation.routes, flushed)),
        *_puts(_missing_rules(observation, target)),
        *_puts(_unclaimed(target) - _surviving_proxies(observation.proxies, flushed)),
        *prompt,
    )
    claims = (*claims, *_heralds(routes, target))
    rest = (*switches_off, *remove, *add, *switches_on, *claims, *fallbacks)
    close, open_ = _policies(observation.policy, target.policy, previous_policy, alone=not rest)
    opening: tuple[Operation, ...] = (*open_, *switches_on, *claims, *fallbacks)
    operations: tuple[Operation, ...] = (*switches_off, *close, *remove, *add, *opening)
    probes = {address.claim for address in claimed}
    probes |= {proxy.claim for proxy in target.proxies - observation.proxies if proxy.claimed}
    known = observation.policy or previous_policy
    if known is None or known.bridged != target.policy.bridged:
        probes |= target.vacant
    return Plan(operations=operations, probes=tuple(sorted(probes, key=repr)))


def _missing_rules(observation: Observation, target: Target) -> frozenset[Rule]:
    """Rules of ours, and the kernel's own of the IP versions in use: a kernel may have been started without
    the other.
    """
    used = {address.interface.version for address in target.addresses}
    own = {rule for rule in KERNEL_RULES - observation.standing if rule.version in used}
    return (target.rules - observation.rules) | own


def _policies(
    loaded: Policy | None, wanted: Policy, previous: Policy | None, *, alone: bool
) -> tuple[tuple[LoadPolicy, ...], tuple[LoadPolicy, ...]]:
    """The policy to close with and the one to open with; each is left out where it changes nothing."""
    if loaded == wanted:
        return (), ()
    final = (LoadPolicy(wanted),)
    if alone:
        return (), final
    between = _between(loaded or previous, wanted)
    close = () if between == loaded else (LoadPolicy(between),)
    return close, () if between == wanted else final


def _between(old: Policy | None, new: Policy) -> Policy:
    """What may happen while a change runs. Both management doors stay open: their address may be moving."""
    if old is None:
        return Policy(management=new.management, guarded=new.guarded)
    return replace(old & new, management=old.management | new.management)


def _settings(
    observation: Observation, target: Target, fresh: frozenset[str]
) -> tuple[tuple[Put, ...], tuple[Put, ...], tuple[Put, ...]]:
    """Settings that are not as they should be: forwarding to switch off, to switch on, and all others.

    On a fresh device nothing can be switched off before it is made.
    """
    wrong = (target.sysctls | _forgotten(observation, target)) - observation.sysctls
    switches = {setting for setting in wrong if _forwards(setting)}
    on = {setting for setting in switches if setting.value != "0"}
    off = {setting for setting in switches - on if not fresh.intersection(setting.key.split("/"))}
    return _puts(off), _puts(on), _puts(wrong - on - off)


def _forgotten(observation: Observation, target: Target) -> frozenset[Sysctl]:
    """What lets packets through an adapter, or answers for others there, and the target does not speak of:
    off. Devices that we make take their settings along when they go.
    """
    named = {setting.key for setting in target.sysctls}
    made = layer2.names(observation.tuns, observation.vlans, observation.bridges, observation.lent)
    return frozenset(
        Sysctl(setting.key, "0")
        for setting in observation.sysctls
        if setting.key not in named
        and setting.value != "0"
        and setting.key.endswith(("/forwarding", "/proxy_arp", "/proxy_ndp"))
        and not made.intersection(setting.key.split("/"))
    )


def _forwards(setting: Sysctl) -> bool:
    """Whether it switches forwarding; the default for devices to come is a setting like others."""
    return setting.key.endswith("/forwarding") and not setting.key.endswith("/default/forwarding")


def _claimed_addresses(observation: Observation, target: Target) -> frozenset[Address]:
    """Addresses to be claimed: what is held already, though otherwise than it should be, is only changed."""
    known = {(a.device, a.interface) for a in observation.addresses}
    missing = target.addresses - observation.addresses
    return frozenset(a for a in missing if a.claimed and (a.device, a.interface) not in known)


def _addresses(
    observation: Observation, target: Target, claimed: frozenset[Address]
) -> tuple[Operation, ...]:
    """New addresses, then changed ones, then drops. IPv6 knows an address without its length: drop first.

    Of those that come later, as claims, only what is in their way is dropped here.
    """
    missing = target.addresses - observation.addresses
    lost = observation.addresses - target.addresses
    kept_key = {(a.device, a.interface) for a in missing}
    lengths: dict[tuple[str, IPAddress], set[IPInterface]] = {}
    for new in missing:
        lengths.setdefault((new.device, new.interface.ip), set()).add(new.interface)
    in_the_way = {
        old
        for old in lost
        if old.interface.version == _IPV6
        and lengths.get((old.device, old.interface.ip), set()) - {old.interface}
    }
    known = {(a.device, a.interface) for a in observation.addresses}
    changed = {a for a in missing if (a.device, a.interface) in known}
    over = {a for a in lost - in_the_way if (a.device, a.interface) not in kept_key}
    return (*_drops(in_the_way), *_puts(missing - changed - claimed), *_puts(changed), *_drops(over))


def _flushed(addresses: frozenset[Address], operations: Iterable[Operation]) -> frozenset[str]:
    """Devices that are without any IPv4 address at some moment, after having had one."""
    held: dict[str, set[IPInterface]] = {}
    for address in addresses:
        if address.interface.version == _IPV4:
            held.setdefault(address.device, set()).add(address.interface)
    flushed = set()
    for operation in operations:
        if not isinstance(operation, Put | Drop) or not isinstance(operation.item, Address):
            continue
        item = operation.item
        mine = held.setdefault(item.device, set())
        if item.interface in mine:
            mine.remove(item.interface)
            if not mine:
                flushed.add(item.device)
        if isinstance(operation, Put) and item.interface.version == _IPV4:
            mine.add(item.interface)
    return frozenset(flushed)


def _surviving(routes: frozenset[Route], flushed: frozenset[str]) -> frozenset[Route]:
    if not flushed:
        return routes
    return frozenset(r for r in routes if r.destination.version == _IPV6 or r.device not in flushed)


def _surviving_proxies(
    proxies: frozenset[ProxyNeighbour], flushed: frozenset[str]
) -> frozenset[ProxyNeighbour]:
    if not flushed:
        return proxies
    return frozenset(p for p in proxies if p.address.version == _IPV6 or p.device not in flushed)


def _unclaimed(target: Target) -> frozenset[ProxyNeighbour]:
    return frozenset(proxy for proxy in target.proxies if not proxy.claimed)


def _claims(
    addresses: frozenset[Address], observation: Observation, target: Target, flushed: frozenset[str]
) -> tuple[Put | Announce, ...]:
    """Claims come last: what is announced must be able to carry the first packet."""
    missing = target.proxies - _surviving_proxies(observation.proxies, flushed)
    proxies = _ordered(proxy for proxy in missing if proxy.claimed)
    claimed: tuple[Address | ProxyNeighbour, ...] = (*_ordered(addresses), *proxies)
    return tuple(operation for item in claimed for operation in (Put(item), Announce(item.claim)))


def _heralds(lost: set[Route], target: Target) -> tuple[Announce, ...]:
    """Announcements due where a route to a device goes: what was next door there is far away now."""
    devices = {route.device for route in lost}
    return tuple(Announce(claim) for claim in sorted(target.heralded, key=repr) if claim.device in devices)


def _stops(observation: Observation, target: Target, devices: frozenset[str]) -> tuple[Stop, ...]:
    """Processes without a successor, and those whose tun device goes away under them."""
    names = {process.name for process in target.processes}
    return tuple(
        Stop(process)
        for process in sorted(observation.processes, key=_start_rank, reverse=True)
        if process.name not in names
        or (isinstance(process, VpnServer | VpnClient) and process.device not in devices)
    )


def _starts(observation: Observation, target: Target) -> tuple[tuple[Start, ...], ...]:
    """What packets need at once, proxies of the TCP fallback that take over from others, and new ones."""
    missing = sorted(target.processes - observation.processes, key=_start_rank)
    names = {process.name for process in observation.processes}
    proxies = [process for process in missing if isinstance(process, TlsProxy)]
    return (
        tuple(Start(process) for process in missing if not isinstance(process, TlsProxy)),
        tuple(Start(process) for process in proxies if process.name in names),
        tuple(Start(process) for process in proxies if process.name not in names),
    )


def _start_rank(process: Process) -> tuple[int, str]:
    """Servers before clients: a client's first packet to nobody costs it seconds."""
    match process:
        case NeighbourResponder() | RouterAdvertiser() | LoopGuard():
            rank = 0
        case VpnServer():
            rank = 1
        case TlsProxy():
            rank = 2
        case FirstPacketFilter():
            rank = 3
        case VpnClient():
            rank = 4
        case PathProbe():
            rank = 5
        case _:
            assert_never(process)
    return rank, process.name


def _proxy_key(proxy: ProxyNeighbour) -> object:
    return proxy.device, proxy.address


def _route_key(route: Route) -> object:
    """What the kernel calls the same route: one of these replaces the other."""
    return route.destination, route.table, route.metric


def _lost(observed: frozenset[_Item], wanted: frozenset[_Item], key: Callable[[_Item], object]) -> set[_Item]:
    """Observed objects that no wanted one will replace."""
    coming = {key(item) for item in wanted - observed}
    return {item for item in observed - wanted if key(item) not in coming}


def _puts(items: Iterable[KernelObject]) -> tuple[Put, ...]:
    return tuple(Put(item) for item in _ordered(items))


def _drops(items: Iterable[KernelObject]) -> tuple[Drop, ...]:
    return tuple(Drop(item) for item in _ordered(items))


def _rule_drops(rules: frozenset[Rule]) -> tuple[Drop, ...]:
    """The last one that is asked first: what an earlier one keeps from it must not find it meanwhile."""
    return tuple(Drop(rule) for rule in sorted(rules, key=lambda rule: (-rule.priority, repr(rule))))


def _ordered(items: Iterable[_Object]) -> list[_Object]:
    """Always the same order, so that equal inputs give equal plans."""
    return sorted(items, key=repr)
