"""What the appliance itself answers, in words: neighbours who ask for an address, and packets to its own."""

from __future__ import annotations

import ipaddress

from causeway_agent.plan.explain import verdict
from causeway_agent.plan.explain.packet import Hop, Kind, Packet
from causeway_agent.plan.explain.route import is_tun
from causeway_agent.plan.model import checks
from causeway_agent.plan.model.objects import Address
from causeway_agent.plan.model.policy import Policy
from causeway_agent.plan.model.processes import NeighbourResponder
from causeway_agent.plan.model.target import Observation
from causeway_wire.types import IPAddress, IPNetwork

_NOBODY = ipaddress.IPv4Address(0)


def local_delivery(  # noqa: PLR0911 - one per rule of the chain
    packet: Packet, entry: str, policy: Policy
) -> Hop:
    """Whether the packet is answered here, by what, and what to do when it is not (chain `input`)."""
    if packet.kind is None or (packet.service is None and packet.kind in {Kind.TCP, Kind.UDP}):
        return _anything(packet, entry, policy)
    here = (entry, packet.destination)
    if packet.kind is Kind.ICMP_ERROR:
        return Hop("delivered", "ICMP errors about this appliance's own packets are heard, but no sizes")
    if packet.kind is Kind.ICMP:
        if any((echo.device, echo.address) == here for echo in policy.echoes):
            return Hop("delivered", f"echo requests are answered on {entry}")
        return _unanswered(packet, entry, "drop_input")
    if packet.kind is Kind.TCP:
        if verdict.management(policy, entry, packet):
            return Hop("delivered", f"TCP port {packet.port} (management) is answered for {packet.source}")
        if any(packet.port in door.ports for door in policy.management):
            advice = (
                f"Dropped and counted in drop_management: management answers members of management.sources "
                f"on its own address only; {packet.source} to {packet.destination} is neither."
            )
            text = f"TCP port {packet.port} (management) is not for {packet.source} here"
            return Hop("delivered", text, passes=False, advice=advice, counter="drop_management")
    if _listens(packet, here, policy):
        return Hop("delivered", f"{packet.kind.upper()} port {packet.port} is answered on {entry}")
    if packet.destination in policy.owned:
        return _unanswered(packet, entry, "drop_unpublished")
    return _unanswered(packet, entry, "drop_input")


def _listens(packet: Packet, here: tuple[str, IPAddress], policy: Policy) -> bool:
    listening = [(e.device, e.address, e.protocol, e.port) for e in policy.listeners]
    listening += [(relay.public, relay.address, "udp", relay.port) for relay in policy.relays]
    return (*here, packet.kind, packet.port) in listening


def _unanswered(packet: Packet, entry: str, counter: str) -> Hop:
    port = "" if packet.port is None else f" port {packet.port}"
    text = f"nothing is answered on {packet.destination} {packet.kind or ''}{port} from {entry}"
    if counter == "drop_unpublished":
        advice = (
            "Dropped and counted in drop_unpublished: no public rule publishes this port for this source."
        )
    else:
        advice = f"Dropped and counted in {counter}: this appliance answers nothing of this kind there."
    return Hop("delivered", " ".join(text.split()), passes=False, advice=advice, counter=counter)


def _anything(packet: Packet, entry: str, policy: Policy) -> Hop:
    """Everything that is answered on the address, for a packet of any kind."""
    source, here = packet.source, (entry, packet.destination)
    doors = [door for door in policy.management if (door.device, door.address) == here]
    open_doors = [door for door in doors if checks.inside(door.sources, source)]
    answers = [f"TCP port {port} (management)" for door in open_doors for port in sorted(door.ports)]
    answers += [
        f"{listener.protocol.upper()} port {listener.port}"
        for listener in sorted(policy.listeners, key=repr)
        if (listener.device, listener.address) == here
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
        return Hop("delivered", f"answered on {entry} for {source}: {', '.join(answers)}{shut}")
    public = "public ports without a rule in drop_unpublished, " if packet.destination in policy.owned else ""
    advice = (
        f"Dropped and counted in drop_input ({public}management ports in drop_management): this appliance "
        "answers nothing on this address there."
    )
    text = f"nothing is answered on {packet.destination} from {entry}"
    return Hop("delivered", text, passes=False, advice=advice, counter="drop_input")


def neighbour(
    source: IPAddress, destination: IPAddress, entry: str, seen: Observation, policy: Policy
) -> Hop:
    """Who answers ARP or neighbour solicitations for the destination on the entry's segment; whether it is
    this appliance or nobody's business, and what to do when it is neither.
    """
    if any((a.device, a.interface.ip) == (entry, destination) for a in seen.addresses):
        return _own(source, destination, entry, policy)
    if any((p.device, p.address) == (entry, destination) for p in seen.proxies):
        return Hop("asked for", f"this appliance answers for {destination} on {entry}")
    scope = _scope(destination, entry, seen, policy)
    if scope is not None:
        return _scoped(source, destination, entry, scope, policy)
    if any(checks.contains(a.interface.network, destination) for a in seen.addresses if a.device == entry):
        advice = (
            f"{destination} is not failed over here: its own machine on {entry} is asked and answers, or "
            "nobody does. Fail it over to extend it."
        )
        text = f"this appliance does not answer for {destination} on {entry}"
        return Hop("asked for", text, passes=False, advice=advice)
    mine = sorted(str(a.interface.ip) for a in seen.addresses if _serves(a, source, entry))
    held = mine and entry in verdict.taken_over(policy)
    gateway = f", which may be this appliance's {' or '.join(mine)}" if held else ""
    text = f"{destination} is off-link on {entry}, its sender asks for its own gateway instead{gateway}"
    return Hop("asked for", text)


def _serves(held: Address, source: IPAddress, entry: str) -> bool:
    """Whether the source could use this address of ours as its gateway."""
    interface = held.interface
    local = interface.ip.is_link_local
    return held.device == entry and not local and checks.contains(interface.network, source)


def _own(source: IPAddress, destination: IPAddress, entry: str, policy: Policy) -> Hop:
    """An address of ours is answered for, if the filter lets the question in (table `arp causeway`)."""
    scoped = {scope.device for scope in policy.arp}
    text = f"{destination} is this appliance's own address on {entry}"
    guarded = entry in policy.guarded and not is_tun(entry)
    if destination.version == checks.IPV6 or not guarded or entry in scoped:
        return Hop("asked for", text)
    networks = verdict.networks_of(policy.sources, entry)
    held = any((e.device, e.address) == (entry, destination) for e in policy.echoes)
    if held and (source == _NOBODY or checks.inside(networks, source)):
        return Hop("asked for", text)
    advice = (
        f"The question is dropped and counted in drop_arp: {entry} answers machines of its networks only."
    )
    return Hop("asked for", f"{text}, but not for {source}", passes=False, advice=advice, counter="drop_arp")


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


def _scoped(source: IPAddress, destination: IPAddress, entry: str, scope: _Scope, policy: Policy) -> Hop:
    prefix, excluded = scope
    if destination in excluded:
        advice = f"{destination} is on the same VLAN: the two machines talk without this appliance."
        return Hop("asked for", f"{destination} itself, which is on {entry}", passes=False, advice=advice)
    asks = any(f.input_device == entry and f.source == source for f in policy.forwards)
    if asks or destination.version == checks.IPV6:
        return Hop("asked for", f"this appliance answers for {prefix} on {entry}")
    advice = (
        f"The question is dropped and counted in drop_arp: {source} is not failed over here. "
        "Include its VM in the failover."
    )
    text = f"nobody: this appliance answers failed-over VMs on {entry} only"
    return Hop("asked for", text, passes=False, advice=advice, counter="drop_arp")
