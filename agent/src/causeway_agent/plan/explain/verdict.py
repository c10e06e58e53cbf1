"""What the packet filter decides, chain by chain, read from the policy as the rules read its sets."""

from __future__ import annotations

from dataclasses import dataclass

from causeway_agent.plan.explain.packet import Hop, Kind, Packet, Services
from causeway_agent.plan.model import checks
from causeway_agent.plan.model.policy import Forward, Internet, Policy, SourceGuard, Way
from causeway_wire.public_rules import PublicRule
from causeway_wire.types import IPAddress, IPNetwork

SSH_PORT = 22
"""Never translated (`ruleset_skeleton`, chain `publish`)."""


@dataclass(frozen=True, slots=True)
class Translation:
    """The destination after public rules, and the rule that changed it."""

    packet: Packet
    rule: PublicRule | None = None
    public: IPAddress | None = None


def tracked(policy: Policy, entry: str, source: IPAddress, destination: IPAddress) -> bool:
    """Whether connection tracking sees the packet: extended flows it does not (chain `screen`)."""
    return not any(
        forward.input_device == entry
        and (
            forward.source == source
            if forward.source is not None
            else forward.destination is not None and forward.destination == destination
        )
        for forward in policy.forwards
        if not forward.errors_only
    )


def screened(policy: Policy, entry: str, source: IPAddress, destination: IPAddress) -> Hop:
    """Anti-spoofing: the device's own networks, and networks that live elsewhere."""
    networks = networks_of(policy.sources, entry)
    local = source.version == checks.IPV6 and (source.is_link_local or source.is_unspecified)
    if entry in policy.guarded and not checks.inside(networks, source) and not local:
        told = ", ".join(map(str, networks)) or "no network"
        advice = (
            f"Dropped and counted in drop_spoofed: {entry} accepts packets of {told} only. "
            "If the VM is meant to be there, its network must be failed over with this address."
        )
        return _drop("checked", f"{source} may not come from {entry}", advice, "drop_spoofed")
    foreign = [network for network in networks_of(policy.foreign, entry) if checks.contains(network, source)]
    if foreign and tracked(policy, entry, source, destination):
        advice = (
            f"Dropped and counted in drop_spoofed: {foreign[0]} lives behind another adapter. Somebody on "
            f"{entry} uses an address that is not theirs, or the network is connected twice."
        )
        return _drop("checked", f"{source} may not come from {entry}", advice, "drop_spoofed")
    return Hop("checked", f"{source} may come from {entry}")


def published(  # noqa: PLR0911 - one per reason
    policy: Policy, entry: str, packet: Packet, services: Services | None
) -> tuple[Hop | None, Translation]:
    """The public rule that the packet meets, or why it meets none; no hop when the address is not public."""
    plain, address = Translation(packet), packet.destination
    if address not in policy.owned:
        if services is None or address not in services.allocation:
            return None, plain
        text = f"{address} is one of the tenant's public addresses, and not owned in this failover mode"
        return Hop("published", text), plain
    if not tracked(policy, entry, packet.source, address):
        return Hop("published", f"{address} is owned, but extended packets are not translated"), plain
    if packet.service is None:
        text = f"{address} is a public address of ours; ask with tcp or udp and a port about its public rules"
        return Hop("published", text), plain
    protocol, port = packet.service
    if packet.kind is Kind.TCP and port == SSH_PORT:
        return Hop(
            "published", "TCP port 22 is never translated; publish another port that leads to 22"
        ), plain
    if packet.kind is Kind.TCP and management(policy, entry, packet):
        return Hop("published", f"TCP port {port} of {address} is this appliance's management"), plain
    if services is None:
        text = f"{address} is owned; only a running agent knows its public rules"
        return Hop("published", text), plain
    rule = services.rule(address, protocol, port)
    if rule is None:
        return Hop("published", f"no public rule for {protocol} port {port} of {address}"), plain
    if rule.sources and not checks.inside(rule.sources, packet.source):
        allowed = ", ".join(map(str, rule.sources))
        text = f"rule {rule.id} is for {allowed} only, and {packet.source} is not among them"
        return Hop("published", text), plain
    inner = Packet(
        packet.source, rule.internal_address, packet.kind, rule.internal_port + port - rule.public_port
    )
    told = f"rule {rule.id} leads to {inner.destination} port {inner.port}"
    return Hop("published", told), Translation(inner, rule, address)


def management(policy: Policy, entry: str, packet: Packet) -> bool:
    """Whether the packet opens a management connection that the policy allows."""
    return any(
        (door.device, door.address) == (entry, packet.destination)
        and packet.port in door.ports
        and checks.inside(door.sources, packet.source)
        for door in policy.management
    )


def permitted(
    policy: Policy,
    entry: str,
    device: str,
    translation: Translation,
    *,
    seen: bool,
    default: bool,
    opening: bool = True,
) -> Hop:
    """Chain `forward`. `seen` by connection tracking; `default`: the route is no particular network's;
    `opening`: the packet may be a flow's first.
    """
    packet = translation.packet
    extended = _forward(policy, entry, device, packet, anyone=False, errors=False)
    if extended is not None and not seen:
        return Hop("filtered", f"allowed from {entry} to {device}")
    denied = [n for n in networks_of(policy.denied, device) if checks.contains(n, packet.destination)]
    if denied and seen and opening:
        advice = f"Dropped and counted in drop_denied: nothing is opened toward {denied[0]} behind {device}."
        return _drop("filtered", f"{packet.destination} is in a denied network", advice, "drop_denied")
    if _forward(policy, entry, device, packet, anyone=True, errors=False) is not None:
        return Hop("filtered", f"allowed from {entry} to {device}")
    way = _by_connection(policy, entry, device, translation) if seen and opening else None
    if way is not None:
        return way
    error = packet.kind is Kind.ICMP_ERROR
    if error and _forward(policy, entry, device, packet, anyone=None, errors=True) is not None:
        return Hop("filtered", f"ICMP errors are allowed from {entry} to {device}")
    advice = (
        f"Dropped and counted in drop_forward: {_why_not(policy, entry, device, packet, default=default)}"
    )
    return _drop("filtered", f"not allowed from {entry} to {device}", advice, "drop_forward")


def _by_connection(policy: Policy, entry: str, device: str, translation: Translation) -> Hop | None:
    packet, rule = translation.packet, translation.rule
    only = ", if it is about one of them" if packet.kind is Kind.ICMP_ERROR else ""
    if internet(policy, entry, device, packet.source.version) is not None:
        return Hop("filtered", f"connections may be opened from {entry} to {device}{only}")
    if rule is not None and Way(entry, device) in policy.ways:
        return Hop("filtered", f"allowed from {entry} to {device} by rule {rule.id}")
    return None


def internet(policy: Policy, entry: str, device: str, version: int) -> Internet | None:
    """The entry that lets connections be opened from one device to the other."""
    found = (
        one
        for one in policy.internet
        if (one.input_device, one.output_device, one.version) == (entry, device, version)
    )
    return next(found, None)


def _forward(
    policy: Policy, entry: str, device: str, packet: Packet, *, anyone: bool | None, errors: bool
) -> Forward | None:
    """The entry that lets the packet pass; `anyone`: whether it names no address (None: all the same)."""
    found = (
        forward
        for forward in sorted(policy.forwards, key=repr)
        if (forward.input_device, forward.output_device) == (entry, device)
        and forward.errors_only == errors
        and anyone in {None, forward.source is None and forward.destination is None}
        and _matches(forward, packet)
    )
    return next(found, None)


def _matches(forward: Forward, packet: Packet) -> bool:
    given = forward.source or forward.destination
    version = forward.version if given is None else given.version
    return (
        version == packet.source.version
        and forward.source in {None, packet.source}
        and forward.destination in {None, packet.destination}
    )


def _why_not(policy: Policy, entry: str, device: str, packet: Packet, *, default: bool) -> str:
    inner = taken_over(policy)
    if entry in inner and device in inner:
        return f"routing between the networks on {entry} and {device} is off; name both in `routed`."
    if entry in inner and default:
        return f"the network on {entry} has no internet in this failover; published services answer without."
    if device in inner:
        return f"nobody opens connections to {packet.destination} from {entry} except by a public rule."
    ends = f"neither {packet.source} nor {packet.destination}"
    return f"{ends} is failed over here. Include its VM in the failover."


def taken_over(policy: Policy) -> frozenset[str]:
    """VLANs whose gateway this appliance is: guarded, with networks of their own, none of them extended."""
    extended = {forward.input_device for forward in policy.forwards if forward.source or forward.destination}
    return frozenset(
        guard.device
        for guard in policy.sources
        if guard.device in policy.guarded and guard.device not in extended
    )


def networks_of(guards: frozenset[SourceGuard], device: str) -> list[IPNetwork]:
    """The device's networks among the guards."""
    return sorted((guard.network for guard in guards if guard.device == device), key=str)


def _drop(stage: str, text: str, advice: str, counter: str) -> Hop:
    return Hop(stage, text, passes=False, advice=advice, counter=counter)
