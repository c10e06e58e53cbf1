"""The path of one packet through the appliance, told from what is in the kernel now.

Pure: routes, rules and addresses as observed, the packet policy as loaded. A packet is taken to enter where
the way back to its source leaves, as it does for every host that the appliance serves.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from causeway_agent.plan.checks import contains
from causeway_agent.plan.describe import describe_object
from causeway_agent.plan.objects import MAIN_TABLE, Address, Route
from causeway_agent.plan.policy import Forward, Policy
from causeway_agent.plan.target import Observation
from causeway_wire.types import IPAddress


@dataclass(frozen=True, slots=True)
class Explanation:
    """Sentences in the order of the packet's path, and whether it gets through."""

    passes: bool
    steps: tuple[str, ...]


def explain(seen: Observation, policy: Policy, source: IPAddress, destination: IPAddress) -> Explanation:
    """Follow a packet from source to destination; both of one family, else nothing passes."""
    steps: list[str] = []
    if source.version != destination.version:
        return _end(steps, "no packet: source and destination are of different IP versions", passes=False)
    own = {address.interface.ip: address.device for address in seen.addresses}
    if source in own:
        steps.append(f"{source} is an address of this appliance on {own[source]}: the packet starts here")
        return _leave(seen, steps, destination, _route(seen, None, source, destination))
    back = _best(_everywhere(seen), source)
    if back is None:
        return _end(steps, f"dropped: no device leads to the source {source}", passes=False)
    entry = back.device
    steps.append(f"enters on {entry}, where the way back to {source} leaves ({describe_object(back)})")
    spoofed = _spoofed(policy, entry, source)
    if spoofed:
        return _end(steps, spoofed, passes=False)
    if destination in own:
        return _deliver(policy, steps, source, destination, own[destination])
    claims = [p for p in seen.proxies if (p.device, p.address) == (entry, destination)]
    scopes = [a for a in policy.arp if a.device == entry and contains(a.prefix, destination)]
    if any(destination in scope.excluded for scope in scopes):
        steps.append(f"{entry} leaves questions for {destination} to the machine that has it")
    elif claims or scopes:
        steps.append(f"{entry} answers neighbours who ask for {destination}")
    route = _route(seen, entry, source, destination)
    if route is None:
        return _end(steps, f"dropped: no route to {destination} for what enters on {entry}", passes=False)
    allowed = next((f for f in policy.forwards if _allows(f, entry, route.device, source, destination)), None)
    steps.append(f"is routed by {describe_object(route)}")
    if allowed is None:
        detail = f"dropped: the packet policy forwards nothing like it from {entry} to {route.device}"
        return _end(steps, detail, passes=False)
    steps.append(f"the packet policy forwards it from {entry} to {route.device}")
    return _leave(seen, steps, destination, route)


def _leave(seen: Observation, steps: list[str], destination: IPAddress, route: Route | None) -> Explanation:
    if route is None:
        return _end(steps, f"dropped: no route to {destination}", passes=False)
    up = {link.device for link in seen.links} | {tun.device for tun in seen.tuns}
    if route.device not in up:
        return _end(steps, f"dropped: {route.device} is down", passes=False)
    if any(tun.device == route.device for tun in seen.tuns):
        return _end(steps, f"leaves through the tunnel device {route.device}", passes=True)
    towards = f"to the gateway {route.via}" if route.via is not None else f"to {destination} itself"
    return _end(steps, f"leaves on {route.device} {towards}", passes=True)


def _deliver(
    policy: Policy, steps: list[str], source: IPAddress, destination: IPAddress, device: str
) -> Explanation:
    steps.append(f"{destination} is an address of this appliance on {device}")
    doors = [
        f"TCP {', '.join(map(str, sorted(door.ports)))}"
        for door in policy.management
        if door.address == destination and any(contains(s, source) for s in door.sources)
    ]
    doors += [
        f"{entry.protocol.upper()} {entry.port}" for entry in policy.listeners if entry.address == destination
    ]
    doors += ["echo requests" for echo in policy.echoes if echo.address == destination]
    if not doors:
        return _end(steps, f"dropped: nothing here answers {source}", passes=False)
    return _end(steps, f"delivered for {'; '.join(doors)}; anything else is dropped", passes=True)


def _spoofed(policy: Policy, device: str, source: IPAddress) -> str | None:
    if device not in policy.guarded:
        return None
    networks = [guard.network for guard in policy.sources if guard.device == device]
    if any(contains(network, source) for network in networks):
        return None
    known = ", ".join(sorted(map(str, networks))) or "none"
    return f"dropped: {source} may not come from {device}, whose networks are {known}"


def _route(seen: Observation, entry: str | None, source: IPAddress, destination: IPAddress) -> Route | None:
    """The route that policy routing chooses: rules by priority, the main table last."""
    rules = [
        rule
        for rule in sorted(seen.rules, key=lambda rule: rule.priority)
        if rule.version == source.version
        and (rule.input_device in (None, entry) and rule.source in (None, source))
    ]
    for table in [*(rule.table for rule in rules), MAIN_TABLE]:
        found = _best((r for r in _everywhere(seen) if r.table == table), destination)
        if found is not None:
            return found
    return None


def _best(routes: Iterable[Route], address: IPAddress) -> Route | None:
    """Longest prefix, then lowest metric."""
    fitting = [route for route in routes if contains(route.destination, address)]
    return min(fitting, key=lambda r: (-r.destination.prefixlen, r.metric, r.table, r.device), default=None)


def _everywhere(seen: Observation) -> list[Route]:
    """Our routes and those that the kernel made for addresses."""
    return [*seen.routes, *(_connected(a) for a in seen.addresses if a.prefix_route and a.peer is None)]


def _connected(address: Address) -> Route:
    return Route(address.interface.network, address.device)


def _allows(forward: Forward, entry: str, leave: str, source: IPAddress, destination: IPAddress) -> bool:
    named = forward.source or forward.destination
    return (
        not forward.errors_only
        and (forward.input_device, forward.output_device) == (entry, leave)
        and forward.source in (None, source)
        and forward.destination in (None, destination)
        and (named is not None or forward.version == source.version)
    )


def _end(steps: list[str], verdict: str, *, passes: bool) -> Explanation:
    return Explanation(passes, (*steps, verdict))
