"""The provider appliance: a vNIC per VLAN, and per extended network a tunnel server and a routing table.

Full failover and rehearsal are another machine altogether: see `compile_full`.

Each network's table is chosen by the device a packet enters, or by the appliance's own address in that
network; nothing of it is in the main table, so equal prefixes of two tenants' tables could never meet and a
replica's only way out is the tunnel. Both tun devices of a network (UDP and TCP) always exist while it is
extended; the table points at the one whose client is connected.
"""

from __future__ import annotations

import functools
import ipaddress
import operator
from collections.abc import Iterable, Iterator, Mapping

from causeway_agent.plan.compile import adapters as nics
from causeway_agent.plan.compile import bridged as compile_bridged
from causeway_agent.plan.compile import (
    checks_full,
    checks_listen,
    kernel_carried,
    openvpn_config,
    revocation,
    tunnel_path,
)
from causeway_agent.plan.compile import full as compile_full
from causeway_agent.plan.compile.adapters import EVERYWHERE, Adapter
from causeway_agent.plan.compile.contribution import Contribution, Surroundings
from causeway_agent.plan.compile.extension import Extension
from causeway_agent.plan.model import checks, path_size
from causeway_agent.plan.model.checks import Segment, host
from causeway_agent.plan.model.objects import (
    PRIORITY_DEVICE,
    PRIORITY_SOURCE,
    Address,
    Claim,
    Route,
    Rule,
    Sysctl,
    Tun,
)
from causeway_agent.plan.model.policy import ArpScope, Echo, Forward, Listener, Policy, SourceGuard
from causeway_agent.plan.model.prefixes import Prefixes
from causeway_agent.plan.model.processes import NeighbourResponder, Process, VpnServer
from causeway_agent.plan.model.target import Facts
from causeway_wire import address_kinds
from causeway_wire.desired import (
    Full,
    Partial,
    ProviderNetwork,
    ProviderRole,
    Rehearsal,
    Replica,
    TunnelServer,
)
from causeway_wire.observed import Transport
from causeway_wire.problem import ProblemType
from causeway_wire.types import IPAddress, NetworkId, NicName


def compile_role(role: ProviderRole, around: Surroundings) -> Contribution | None:
    """What the role adds; None, with problems noted, when the document cannot be meant."""
    uplink = nics.find(around.adapters, role.uplink, "/role/uplink", around.findings)
    _check(role, around, uplink)
    if uplink is None or around.findings.problems:
        return None
    if isinstance(role.failover, Full | Rehearsal):
        return compile_full.compile_takeover(role, role.failover, around, uplink)
    extensions = _extensions(role, around)
    vlans = {network.nic for network in role.networks}
    routed = Contribution(
        tuns=frozenset(
            Tun(device, openvpn_config.TUNNEL_MTU, openvpn_config.QUEUE_LENGTH, around.facts.vpn_uid)
            for extension in extensions
            for device in extension.tuns
            if device not in extension.lent
        ),
        addresses=_addresses(around, vlans, extensions),
        routes=frozenset(route for extension in extensions for route in _routes(extension)),
        rules=frozenset(rule for extension in extensions for rule in _rules(extension)),
        sysctls=_settings(around, extensions),
        policy=_policy(around, uplink, vlans, extensions),
        processes=frozenset(
            process for extension in extensions for process in _processes(extension, around.facts)
        ),
        heralded=frozenset(
            Claim(extension.vlan, address) for extension in extensions for address in extension.distant
        ),
    )
    paths = (
        tunnel_path.watched(each.tunnel, around.facts, *each.tuns, lent=each.lent) for each in extensions
    )
    carried = kernel_carried.servers(extensions)
    return functools.reduce(operator.or_, (*paths, carried, *_bridged(role, around, uplink)), routed)


def _bridged(role: ProviderRole, around: Surroundings, uplink: Adapter) -> Iterator[Contribution]:
    """What each network adds that is extended by a bridge now."""
    replicas = _replicas(role)
    for network in role.networks:
        mine = replicas.get(network.id)
        if mine and network.tunnel is not None and compile_bridged.is_bridged(network.tunnel):
            adapter = around.adapters[network.nic]
            yield compile_bridged.provider(
                network.tunnel, adapter, mine, uplink=uplink.device, facts=around.facts
            )


def _replicas(role: ProviderRole) -> Mapping[NetworkId, list[Replica]]:
    """The replicas of partial failover, by network."""
    found: dict[NetworkId, list[Replica]] = {}
    for replica in role.failover.replicas if isinstance(role.failover, Partial) else ():
        found.setdefault(replica.network, []).append(replica)
    return found


def _check(role: ProviderRole, around: Surroundings, uplink: Adapter | None) -> None:
    findings = around.findings
    vlans = [network.nic for network in role.networks]
    ids = ((network.id, f"/role/networks/{i}/id") for i, network in enumerate(role.networks))
    checks.distinct(findings, ids, "network")
    reserved = [(name, "/role/uplink") for name in {role.uplink, around.management.nic}]
    used = [(name, f"/role/networks/{i}/nic") for i, name in enumerate(vlans)]
    checks.distinct(findings, [*reserved, *used], "adapter")
    others = nics.on_link(around.others(*vlans))
    occupied = around.occupied(*role.networks)
    for index, network in enumerate(role.networks):
        _check_network(network, f"/role/networks/{index}", around, others)
        if network.tunnel is not None:
            _check_tunnel(network, network.tunnel, f"/role/networks/{index}/tunnel", around, uplink)
            _check_inner(network.tunnel, f"/role/networks/{index}/tunnel", occupied, findings)
    _check_apart(role, findings)
    tunnels = [(i, network.tunnel) for i, network in enumerate(role.networks) if network.tunnel is not None]
    _check_distinct_tunnels(tunnels, findings)
    checks_full.check(role, around, uplink)
    if isinstance(role.failover, Partial):
        checks.replicas(findings, role.failover, _segments(role, around))
        bridged = (network for network in role.networks if compile_bridged.is_bridged(network.tunnel))
        compile_bridged.check_replicas(role.failover, bridged, around)


def _check_network(
    network: ProviderNetwork,
    pointer: str,
    around: Surroundings,
    others: Prefixes[NicName],
) -> None:
    findings = around.findings
    checks.network(findings, network, pointer)
    nics.separate(findings, network.prefixes, pointer, others)
    for index, address in enumerate(network.hosts):
        where = f"{pointer}/hosts/{index}"
        if not checks.inside(network.prefixes, address):
            detail = f"{address} is in none of the prefixes of network {network.id}"
            findings.add(ProblemType.OUTSIDE_NETWORK, where, detail)
        elif address_kinds.names_network(network.prefixes, address):
            detail = f"{address} is the network or broadcast address of network {network.id}, no host's"
            findings.add(ProblemType.INVALID, where, detail)
    adapter = nics.carrier(around.adapters, network.nic, f"{pointer}/nic", findings)
    if adapter is None:
        return
    for index, interface in enumerate(adapter.nic.addresses):
        if not checks.inside(network.prefixes, interface.ip):
            where = f"{adapter.pointer}/addresses/{index}"
            detail = f"{interface.ip} is in none of the prefixes of network {network.id}"
            findings.add(ProblemType.OUTSIDE_NETWORK, where, detail)
    if adapter.gateways:
        detail = f"adapter {network.nic} carries a VLAN; the appliance's default route leads elsewhere"
        findings.add(ProblemType.INVALID, f"{adapter.pointer}/gateways", detail)


def _check_apart(role: ProviderRole, findings: checks.Findings) -> None:
    """No two networks have an address in common."""
    places = [(i, k) for i, network in enumerate(role.networks) for k in range(len(network.prefixes))]
    prefixes = [role.networks[i].prefixes[k] for i, k in places]
    for later, earlier in address_kinds.overlapping(prefixes):
        i, k = places[later]
        other = role.networks[places[earlier][0]]
        if other is not role.networks[i]:  # within a network: see `checks.network`
            detail = f"{prefixes[later]} overlaps network {other.id}"
            findings.add(ProblemType.OVERLAP, f"/role/networks/{i}/prefixes/{k}", detail)


def _check_tunnel(
    network: ProviderNetwork, tunnel: TunnelServer, base: str, around: Surroundings, uplink: Adapter | None
) -> None:
    findings = around.findings
    checks_listen.server(tunnel, base, around, uplink)
    checks.key(findings, tunnel.key, f"{base}/key")
    if compile_bridged.is_bridged(tunnel):
        compile_bridged.check_end(findings, tunnel, base, around.adapters.get(network.nic))
    for member, text in (("certificate", tunnel.certificate), ("ca", tunnel.ca)):
        checks.pem(findings, text, f"{base}/{member}", checks.CERTIFICATE)
    checks.pem(findings, tunnel.tls_crypt.reveal(), f"{base}/tls_crypt", checks.SERVER_KEY)
    revocation.check_server(findings, tunnel, base)


def _check_inner(tunnel: TunnelServer, base: str, occupied: Prefixes[str], findings: checks.Findings) -> None:
    if not compile_bridged.is_bridged(tunnel):
        checks.inner(findings, tunnel.inner, f"{base}/inner", occupied)


def _check_distinct_tunnels(tunnels: list[tuple[int, TunnelServer]], findings: checks.Findings) -> None:
    where = "/role/networks/{}/tunnel/{}".format
    checks.distinct(findings, ((tunnel.id, where(i, "id")) for i, tunnel in tunnels), "tunnel")
    checks.distinct(findings, ((tunnel.port, where(i, "port")) for i, tunnel in tunnels), "port")
    pairs = [
        (tunnel, pair, where(i, f"inner/{k}")) for i, tunnel in tunnels for k, pair in enumerate(tunnel.inner)
    ]
    checks.distinct(findings, ((pair.local, f"{at}/local") for _, pair, at in pairs), "inner address")
    ours = {pair.local: tunnel.id for tunnel, pair, _ in pairs}
    for tunnel, pair, at in pairs:
        # The kernel drops what comes from an address of its own, so that this peer would never be heard.
        if (owner := ours.get(pair.peer, tunnel.id)) != tunnel.id:
            detail = f"{pair.peer} is this appliance's own end of tunnel {owner}; give each its own"
            findings.add(ProblemType.DUPLICATE, f"{at}/peer", detail)


def _segments(role: ProviderRole, around: Surroundings) -> dict[str, Segment]:
    segments = {}
    for network in role.networks:
        adapter = around.adapters.get(network.nic)
        own = frozenset[IPAddress]() if adapter is None else adapter.own
        segments[network.id] = Segment(network=network, own=own, extended=network.tunnel is not None)
    return segments


def _extensions(role: ProviderRole, around: Surroundings) -> tuple[Extension, ...]:
    """The networks that have replicas now and are extended routed; idle ones stay closed."""
    replicas = _replicas(role)
    extensions = []
    for network in role.networks:
        addresses = tuple(address for each in replicas.get(network.id, ()) for address in each.addresses)
        if addresses and network.tunnel is not None and not compile_bridged.is_bridged(network.tunnel):
            extension = Extension(
                network=network,
                tunnel=network.tunnel,
                adapter=around.adapters[network.nic],
                replicas=addresses,
                active=around.facts.active.get(network.tunnel.id),
                path=tunnel_path.size(network.tunnel, around.facts),
                by_kernel=kernel_carried.carries(network.tunnel, Transport.UDP, around.facts),
            )
            extensions.append(extension)
    return tuple(extensions)


def _addresses(
    around: Surroundings, vlans: set[str], extensions: tuple[Extension, ...]
) -> frozenset[Address]:
    adapters = (each.addresses(prefix_route=each.nic.name not in vlans) for each in around.adapters.values())
    ends = {
        Address(device, ipaddress.ip_interface(pair.local), prefix_route=False)
        for extension in extensions
        for device in extension.tuns
        for pair in extension.tunnel.inner
    }
    return frozenset(ends).union(*adapters)


def _routes(extension: Extension) -> set[Route]:
    """Production and everything else by way of the tunnel, each replica by way of its VLAN."""
    tuns, table = extension.tuns, extension.table
    tun = extension.active if extension.active in tuns else tuns[0]
    far = [*extension.network.prefixes, *(EVERYWHERE[version] for version in extension.versions)]
    near = [host(address) for address in extension.replicas]
    sends = extension.path.sends
    away = set()
    for to in far:
        gateway, mtu = kernel_carried.via(extension, tun, to.version), path_size.route_mtu(to.version, sends)
        away.add(Route(to, tun, table, via=gateway, mtu=mtu))
    if tun in extension.lent:
        away |= kernel_carried.behind(away, extension.tun(Transport.TCP))
    return away | {Route(to, extension.vlan, table) for to in near}


def _rules(extension: Extension) -> set[Rule]:
    own = {*extension.adapter.own, *(pair.local for pair in extension.tunnel.inner)}
    by_device = {
        Rule(version, PRIORITY_DEVICE, extension.table, input_device=device)
        for version in extension.versions
        for device in (extension.vlan, *extension.tuns)
    }
    by_source = {Rule(address.version, PRIORITY_SOURCE, extension.table, source=address) for address in own}
    return by_device | by_source


def _settings(around: Surroundings, extensions: tuple[Extension, ...]) -> frozenset[Sysctl]:
    extended = {extension.vlan for extension in extensions}
    six = any(checks.IPV6 in extension.versions for extension in extensions)
    answering = {extension.vlan for extension in extensions if extension.prefixes(checks.IPV4)}
    adapters = (
        nics.settings(each.device, forwarding=each.device in extended, proxy_arp=each.device in answering)
        for each in around.adapters.values()
    )
    tuns = (nics.tunnel_settings(device) for extension in extensions for device in extension.tuns)
    return nics.machine_settings(forwarding6=six).union(*adapters, *tuns)


def _policy(
    around: Surroundings, uplink: Adapter, vlans: set[str], extensions: tuple[Extension, ...]
) -> Policy:
    """VLANs are guarded from the start, so that an idle network says nothing and is told nothing."""
    devices = {around.adapters[name].device for name in vlans}
    tuns = {device for extension in extensions for device in extension.tuns}
    return Policy(
        listeners=frozenset(
            Listener(uplink.device, address, transport.value, extension.tunnel.port)
            for extension in extensions
            for transport in Transport
            for address in openvpn_config.listens(extension.tunnel, transport)
        ),
        echoes=frozenset(echo for extension in extensions for echo in _echoes(extension)),
        guarded=frozenset(devices | tuns),
        sources=frozenset(guard for extension in extensions for guard in _sources(extension)),
        forwards=frozenset(forward for extension in extensions for forward in _forwards(extension)),
        arp=frozenset(
            ArpScope(extension.vlan, prefix, extension.replicas_of(checks.IPV4))
            for extension in extensions
            for prefix in extension.prefixes(checks.IPV4)
        ),
        neighbours=frozenset(
            SourceGuard(extension.vlan, prefix)
            for extension in extensions
            for prefix in extension.network.prefixes
        ),
    )


def _echoes(extension: Extension) -> set[Echo]:
    own = {Echo(extension.vlan, address) for address in extension.adapter.own}
    inner = {
        Echo(device, pair.local, pair.peer) for device in extension.tuns for pair in extension.tunnel.inner
    }
    return own | inner


def _sources(extension: Extension) -> set[SourceGuard]:
    """From the VLAN its own network only; through the tunnel comes whatever answers a replica."""
    near = {SourceGuard(extension.vlan, prefix) for prefix in extension.network.prefixes}
    far = {SourceGuard(device, EVERYWHERE[v]) for device in extension.tuns for v in extension.versions}
    return near | far


def _forwards(extension: Extension) -> set[Forward]:
    """Both tunnel devices at once: a change of transport must not need another policy."""
    out = {
        Forward(extension.vlan, device, source=address)
        for device in extension.tuns
        for address in extension.replicas
    }
    back = {
        Forward(device, extension.vlan, destination=address)
        for device in extension.tuns
        for address in extension.replicas
    }
    return out | back


def _processes(extension: Extension, facts: Facts) -> list[Process]:
    servers: list[Process] = [_server(extension, transport, facts) for transport in Transport]
    six = extension.prefixes(checks.IPV6)
    if six:
        here = _of({*extension.replicas, *extension.adapter.own}, checks.IPV6)
        excluded = tuple(sorted(here, key=int))
        responder = NeighbourResponder(
            device=extension.vlan,
            prefixes=six,
            excluded=excluded,
            askers=extension.replicas_of(checks.IPV6),
        )
        servers.append(responder)
    return servers


def _of(addresses: Iterable[IPAddress], version: int) -> list[IPAddress]:
    return [address for address in addresses if address.version == version]


def _server(extension: Extension, transport: Transport, facts: Facts) -> VpnServer:
    device = extension.tun(transport)
    name = f"vpn-{extension.tunnel.id}-{transport.value}"
    return VpnServer(
        tunnel=extension.tunnel.id,
        transport=transport,
        device=device,
        configuration=openvpn_config.server(
            extension.tunnel, transport=transport, device=device, name=name, facts=facts
        ),
        files=openvpn_config.server_files(extension.tunnel, transport, facts),
        makes_device=device in extension.lent,
        declined=kernel_carried.declined(extension.tunnel, transport, facts),
    )
