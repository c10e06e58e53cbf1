"""Networks extended bridged: frames pass by their MAC addresses, and the appliance takes no part in IP.

What is asked about is IP addresses, so this goes as far as the document tells whose they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from causeway_agent.plan.compile import bridged as compile_bridged
from causeway_agent.plan.explain.packet import Hop, Packet
from causeway_agent.plan.explain.tunnel import tunnel
from causeway_agent.plan.model import checks
from causeway_agent.plan.model.objects import BRIDGE_PREFIX
from causeway_agent.plan.model.policy import BridgedNetwork, Policy
from causeway_agent.plan.model.processes import LoopGuard, VpnServer
from causeway_agent.plan.model.target import Observation
from causeway_wire.desired import Desired, Partial, ProviderRole, TenantRole, TunnelServer
from causeway_wire.observed import TunnelReport, TunnelState
from causeway_wire.types import IPAddress, IPNetwork, MacAddress, NetworkId


@dataclass(frozen=True, slots=True)
class Bridged:
    """A network of the document that is extended bridged now, and whose its addresses are."""

    network: NetworkId
    bridge: str
    prefixes: tuple[IPNetwork, ...]
    replicas: Mapping[IPAddress, tuple[MacAddress, ...]]
    """MAC addresses by address of a failed-over VM."""


def networks(document: Desired | None) -> tuple[Bridged, ...]:
    """All of the document; none where nothing is in partial failover."""
    role = None if document is None else document.role
    if not isinstance(role, ProviderRole | TenantRole) or not isinstance(role.failover, Partial):
        return ()
    ends = role.networks if isinstance(role, ProviderRole) else (role.network,)
    found = []
    for one in ends:
        end = role.tunnel if isinstance(role, TenantRole) else getattr(one, "tunnel", None)
        if not compile_bridged.is_bridged(end):
            continue
        server = (
            f"{BRIDGE_PREFIX}{end.port}" if isinstance(end, TunnelServer) else compile_bridged.TENANT_BRIDGE
        )
        macs = {
            address: replica.macs
            for replica in role.failover.replicas
            if replica.network == one.id
            for address in replica.addresses
        }
        found.append(Bridged(one.id, server, one.prefixes, macs))
    return tuple(found)


def concerned(known: Iterable[Bridged], packet: Packet) -> Bridged | None:
    """The bridged network that one end of the packet is in."""
    for one in known:
        if checks.inside(one.prefixes, packet.source) or checks.inside(one.prefixes, packet.destination):
            return one
    return None


def frames(
    packet: Packet,
    network: Bridged,
    seen: Observation,
    policy: Policy,
    tunnels: Sequence[TunnelReport] | None,
) -> Iterator[Hop]:
    """Every stage of its frames, until one stops them."""
    yield _sides(packet, network)
    rules = next((one for one in policy.bridged if one.bridge == network.bridge), None)
    if rules is None:
        advice = (
            "Wait for the agent to load its packet filter, or look at `causeway-agent status` for why not."
        )
        yield Hop("bridged", f"no frames pass on {network.bridge}", passes=False, advice=advice)
        return
    yield _ports(network, rules, seen)
    yield _permitted(packet, network, rules)
    yield _guard(network, seen)
    yield _tunnel(packet, rules, seen, tunnels)


def _sides(packet: Packet, network: Bridged) -> Hop:
    ends = [address for address in (packet.source, packet.destination) if address in network.replicas]
    where = f"network {network.network} is extended bridged"
    if not ends:
        advice = (
            f"Neither {packet.source} nor {packet.destination} is failed over: they talk without this "
            "appliance. Include the VM that should run at the provider in the failover."
        )
        return Hop("bridged", where, passes=False, advice=advice)
    if len(ends) > 1 and packet.source != packet.destination:
        advice = f"{ends[0]} and {ends[1]} are both replicas on one VLAN: they talk without this appliance."
        return Hop("bridged", where, passes=False, advice=advice)
    off_link = [a for a in (packet.source, packet.destination) if not checks.inside(network.prefixes, a)]
    gateway = f"; {off_link[0]} is reached by production's own gateway" if off_link else ""
    return Hop("bridged", f"{where}: {ends[0]} is a replica, the rest is production{gateway}")


def _ports(network: Bridged, rules: BridgedNetwork, seen: Observation) -> Hop:
    joined = {port.device for port in seen.ports if port.bridge == network.bridge}
    missing = sorted((rules.replicas | rules.production) - joined)
    if missing:
        advice = (
            f"{missing[0]} is no port of {network.bridge}; an agent that conforms to its document joins it."
        )
        return Hop("bridged", f"{', '.join(missing)} not on {network.bridge}", passes=False, advice=advice)
    return Hop("bridged", f"{network.bridge} joins {', '.join(sorted(joined))}")


def _permitted(packet: Packet, network: Bridged, rules: BridgedNetwork) -> Hop:
    replica = packet.source if packet.source in network.replicas else packet.destination
    macs = network.replicas[replica]
    allowed = [mac for mac in macs if mac in rules.macs]
    if not allowed:
        advice = (
            "Frames of this VM are dropped and counted in drop_bridge; is the document in force? Ask status."
        )
        text = f"no MAC address of {replica} may pass"
        return Hop("filtered", text, passes=False, advice=advice, counter="drop_bridge")
    named = ", ".join(allowed)
    way = f"from {named}" if replica == packet.source else f"to {named}, and broadcasts,"
    return Hop("filtered", f"frames {way} pass; another MAC address counts in drop_bridge")


def _guard(network: Bridged, seen: Observation) -> Hop:
    guards = [p for p in seen.processes if isinstance(p, LoopGuard) and p.bridge == network.bridge]
    if not guards:
        advice = "Nothing opens the tunnel's ports: frames are dropped and counted in drop_closed."
        text = f"no loop guard runs on {network.bridge}"
        return Hop("bridged", text, passes=False, advice=advice, counter="drop_closed")
    opens = "a loop guard opens the tunnel's ports while nothing else joins the sites"
    return Hop("bridged", f"{opens}; it has not if drop_closed grows")


def _tunnel(
    packet: Packet, rules: BridgedNetwork, seen: Observation, tunnels: Sequence[TunnelReport] | None
) -> Hop:
    """Of a server's two taps, the one of the transport in use."""
    taps = sorted(rules.replicas | rules.production)
    ends = {p.device: p for p in seen.processes if isinstance(p, VpnServer)}
    used = {r.transport for r in tunnels or () if r.state is TunnelState.CONNECTED}
    chosen = [tap for tap in taps if tap in ends and ends[tap].transport in used]
    fallback = [tap for tap in taps if tap in {t.device for t in seen.tuns}]
    return tunnel(seen, (chosen or fallback or taps)[0], tunnels, packet, framed=True)
