"""What the appliance itself answers, in words: neighbours who ask for an address, and packets to its own."""

from __future__ import annotations

from causeway_agent.plan import checks
from causeway_agent.plan.policy import Policy
from causeway_agent.plan.processes import NeighbourResponder
from causeway_agent.plan.target import Observation
from causeway_wire.types import IPAddress, IPNetwork


def local_delivery(
    source: IPAddress, destination: IPAddress, entry: str, policy: Policy
) -> tuple[bool, str, str]:
    """Whether anything is answered, what, and what to do when nothing is."""
    here = (entry, destination)
    doors = [door for door in policy.management if (door.device, door.address) == here]
    open_doors = [door for door in doors if checks.inside(door.sources, source)]
    answers = [f"TCP port {port} (management)" for door in open_doors for port in sorted(door.ports)]
    answers += [
        f"{entry_.protocol.upper()} port {entry_.port}"
        for entry_ in sorted(policy.listeners, key=repr)
        if (entry_.device, entry_.address) == here
    ]
    answers += [
        f"UDP port {relay.port}: flows that the first-packet filter admitted go on to {len(relay.servers)} "
        "servers"
        for relay in policy.relays
        if (relay.public, relay.address) == here
    ]
    if any((echo.device, echo.address) == here for echo in policy.echoes):
        answers.append("echo requests")
    if answers:
        shut = f"; {source} is in none of management.sources (drop_management)" if doors != open_doors else ""
        return True, f"answered on {entry} for {source}: {', '.join(answers)}{shut}", ""
    advice = (
        "Dropped and counted in drop_input (management ports in drop_management): this appliance answers "
        "nothing on this address there."
    )
    return False, f"nothing is answered on {destination} from {entry}", advice


def neighbour(
    source: IPAddress, destination: IPAddress, entry: str, seen: Observation, policy: Policy
) -> tuple[bool, str, str]:
    """Who answers ARP or neighbour solicitations for the destination on the entry's segment; whether it is
    this appliance or nobody's business, and what to do when it is neither.
    """
    if any((a.device, a.interface.ip) == (entry, destination) for a in seen.addresses):
        return True, f"{destination} is this appliance's own address on {entry}", ""
    if any((p.device, p.address) == (entry, destination) for p in seen.proxies):
        return True, f"this appliance answers for {destination} on {entry}", ""
    scope = _scope(destination, entry, seen, policy)
    if scope is not None:
        return _scoped(source, destination, entry, scope, policy)
    if any(checks.contains(a.interface.network, destination) for a in seen.addresses if a.device == entry):
        advice = (
            f"{destination} is not failed over here: its own machine on {entry} is asked and answers, or "
            "nobody does. Fail it over to extend it."
        )
        return False, f"this appliance does not answer for {destination} on {entry}", advice
    return True, f"{destination} is off-link on {entry}, its sender asks for its own gateway instead", ""


_Scope = tuple[IPNetwork, frozenset[IPAddress]]


def _scope(destination: IPAddress, entry: str, seen: Observation, policy: Policy) -> _Scope | None:
    """The prefix answered for on the device that holds the destination, and who in it is really there."""
    scopes = [(scope.prefix, scope.excluded) for scope in policy.arp if scope.device == entry]
    scopes += [
        (prefix, frozenset(process.excluded))
        for process in seen.processes
        if isinstance(process, NeighbourResponder) and process.device == entry
        for prefix in process.prefixes
    ]
    return next((scope for scope in scopes if checks.contains(scope[0], destination)), None)


def _scoped(
    source: IPAddress, destination: IPAddress, entry: str, scope: _Scope, policy: Policy
) -> tuple[bool, str, str]:
    prefix, excluded = scope
    if destination in excluded:
        advice = f"{destination} is on the same VLAN: the two machines talk without this appliance."
        return False, f"{destination} itself, which is on {entry}", advice
    asks = any(f.input_device == entry and f.source == source for f in policy.forwards)
    if asks or destination.version == checks.IPV6:
        return True, f"this appliance answers for {prefix} on {entry}", ""
    advice = (
        f"The question is dropped and counted in drop_arp: {source} is not failed over here. "
        "Include its VM in the failover."
    )
    return False, f"nobody: this appliance answers failed-over VMs on {entry} only", advice
