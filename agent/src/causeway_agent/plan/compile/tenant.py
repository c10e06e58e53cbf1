"""The tenant appliance: one production network, one tunnel, production hosts' way to failed-over VMs.

It answers production's ARP and neighbour solicitations for failed-over addresses only, each of them named
(`ProxyNeighbour`); proxy_arp would also answer for the tunnel's address. What comes out of the tunnel is
routed by a table of its own, so that a replica's way to the internet is the production gateway even where
the appliance's own default route is another.
"""

from __future__ import annotations

import ipaddress
from typing import Final

from causeway_agent.plan.compile import adapters as nics
from causeway_agent.plan.compile import bridged as compile_bridged
from causeway_agent.plan.compile import (
    haproxy_config,
    kernel_carried,
    openvpn_config,
    revocation,
    tunnel_path,
)
from causeway_agent.plan.compile.adapters import EVERYWHERE, Adapter
from causeway_agent.plan.compile.contribution import Contribution, Surroundings
from causeway_agent.plan.model import checks, path_size
from causeway_agent.plan.model.checks import Segment, host
from causeway_agent.plan.model.objects import (
    Address,
    ProcessDevice,
    ProxyNeighbour,
    Route,
    Rule,
    Sysctl,
    Tun,
)
from causeway_agent.plan.model.policy import Forward, Policy, SourceGuard
from causeway_agent.plan.model.processes import Endpoint, FrameProbe, Process, VpnClient
from causeway_agent.plan.model.target import Facts
from causeway_wire.desired import Idle, Partial, TenantRole, TunnelClient
from causeway_wire.observed import Transport
from causeway_wire.problem import ProblemType
from causeway_wire.types import IPAddress, IPNetwork

DEVICES: Final = ("cwtun0", "cwtun1")
"""One carries the tunnel; on the other a new way is tried beside it."""
MADE: Final = ("cwtun2", "cwtun3")
"""The same where the kernel carries what goes over UDP; then the first two are for TCP."""
TABLE: Final = 1194
"""Routing table of what comes out of the tunnel."""
PRIORITY: Final = 1000


def compile_role(role: TenantRole, around: Surroundings) -> Contribution | None:
    """What the role adds; None, with problems noted, when the document cannot be meant."""
    adapter = nics.carrier(around.adapters, role.network.nic, "/role/network/nic", around.findings)
    _check(role, around, adapter)
    if adapter is None or around.findings.problems:
        return None
    bridged = compile_bridged.is_bridged(role.tunnel)
    replicas = _replicas(role)
    base = Contribution(
        addresses=frozenset[Address]().union(*(each.addresses() for each in around.adapters.values())),
        sysctls=_settings(around, adapter, () if bridged else replicas),
    )
    if not replicas or role.tunnel is None:
        return base
    if bridged and isinstance(role.failover, Partial):
        end = compile_bridged.tenant(role.tunnel, adapter, role.failover.replicas, around.facts)
        client = _processes(
            role.tunnel,
            around.facts,
            devices=compile_bridged.TENANT_TAPS,
            probe=FrameProbe(adapter=adapter.device),
        )
        path = tunnel_path.watched(role.tunnel, around.facts, *compile_bridged.TENANT_TAPS)
        return base | end | path | _remotes(role.tunnel) | Contribution(processes=client)
    return _extend(base, role, role.tunnel, adapter=adapter, replicas=replicas, facts=around.facts)


def _check(role: TenantRole, around: Surroundings, adapter: Adapter | None) -> None:
    findings = around.findings
    checks.network(findings, role.network, "/role/network")
    # Bridged, the network's adapter has no address, but another one may have one in the same network.
    own = frozenset[IPAddress]().union(*(each.own for each in around.adapters.values()))
    here = frozenset[IPAddress]() if adapter is None else adapter.own
    for index, gateway in enumerate(role.network.gateways):
        if gateway in own:
            detail = f"{gateway} is the appliance's own address; name the gateway that production has"
            findings.add(ProblemType.DUPLICATE, f"/role/network/gateways/{index}", detail)
    bridged = compile_bridged.is_bridged(role.tunnel)
    if adapter is not None and bridged:
        compile_bridged.check_tenant(findings, adapter, around.management.nic)
    elif adapter is not None and (here or role.tunnel is not None):
        # Where the adapter has no address, nothing is ever routed to it.
        nics.separate(
            findings, role.network.prefixes, "/role/network", nics.on_link(around.others(role.network.nic))
        )
        if not any(checks.inside(role.network.prefixes, address) for address in here):
            detail = f"adapter {role.network.nic} has no address in network {role.network.id}"
            findings.add(ProblemType.OUTSIDE_NETWORK, "/role/network/nic", detail)
    if role.tunnel is not None:
        _check_tunnel(role.tunnel, around, _replicas(role))
        if bridged:
            compile_bridged.check_end(findings, role.tunnel, "/role/tunnel", adapter)
        else:
            checks.inner(findings, role.tunnel.inner, "/role/tunnel/inner", around.occupied(role.network))
    if isinstance(role.failover, Partial):
        segment = Segment(network=role.network, own=own, extended=role.tunnel is not None)
        checks.replicas(findings, role.failover, {role.network.id: segment})
        compile_bridged.check_replicas(role.failover, (role.network,) if bridged else (), around)


def _check_tunnel(tunnel: TunnelClient, around: Surroundings, replicas: tuple[IPAddress, ...]) -> None:
    findings, base = around.findings, "/role/tunnel"
    if not tunnel.remotes:
        findings.add(ProblemType.INVALID, f"{base}/remotes", "name at least one cloud gateway")
    remotes = (
        ((remote.address, remote.port), f"{base}/remotes/{i}") for i, remote in enumerate(tunnel.remotes)
    )
    checks.distinct(findings, remotes, "cloud gateway")
    ends = [end for pair in tunnel.inner for end in (pair.local, pair.peer)]
    taken = {
        **around.not_elsewhere(),
        **dict.fromkeys(replicas, (ProblemType.DUPLICATE, "a failed-over VM's")),
        **dict.fromkeys(ends, (ProblemType.DUPLICATE, "an end of the tunnel itself")),
    }
    for index, remote in enumerate(tunnel.remotes):
        checks.elsewhere(findings, remote.address, f"{base}/remotes/{index}/address", taken)
    checks.key(findings, tunnel.key, f"{base}/key")
    for member, text in (("certificate", tunnel.certificate), ("ca", tunnel.ca)):
        checks.pem(findings, text, f"{base}/{member}", checks.CERTIFICATE)
    checks.pem(findings, tunnel.gateway_ca, f"{base}/gateway_ca", checks.CERTIFICATE)
    checks.pem(findings, tunnel.tls_crypt.reveal(), f"{base}/tls_crypt", checks.CLIENT_KEY)
    revocation.check_client(findings, tunnel, base)


def _replicas(role: TenantRole) -> tuple[IPAddress, ...]:
    match role.failover:
        case Idle():
            return ()
        case Partial(replicas=replicas):
            return tuple(address for replica in replicas for address in replica.addresses)


def _settings(around: Surroundings, adapter: Adapter, replicas: tuple[IPAddress, ...]) -> frozenset[Sysctl]:
    six = any(address.version == checks.IPV6 for address in replicas)
    others = (nics.settings(each.device) for each in around.others(adapter.nic.name))
    production = nics.settings(adapter.device, forwarding=bool(replicas), proxy_ndp=six)
    return nics.machine_settings(forwarding6=six).union(production, *others)


def _extend(
    base: Contribution,
    role: TenantRole,
    tunnel: TunnelClient,
    *,
    adapter: Adapter,
    replicas: tuple[IPAddress, ...],
    facts: Facts,
) -> Contribution:
    peers = tuple(pair.peer for pair in tunnel.inner)
    asked = min(tunnel.inner, key=lambda pair: pair.local.version)
    active = facts.active.get(tunnel.id)
    made = MADE if kernel_carried.carries(tunnel, Transport.UDP, facts) else ()
    devices = (*DEVICES, *made)
    tun = active if active is not None and active in devices else (*made, *DEVICES)[0]
    sends = tunnel_path.size(tunnel, facts).sends
    into = {Route(host(end), tun, mtu=path_size.route_mtu(end.version, sends)) for end in (*replicas, *peers)}
    if tun in made:
        into |= kernel_carried.behind(into, DEVICES[0])
    here = Contribution(
        tuns=frozenset(
            Tun(device, openvpn_config.TUNNEL_MTU, openvpn_config.QUEUE_LENGTH, facts.vpn_uid)
            for device in DEVICES
        ),
        lent=frozenset(ProcessDevice(device, openvpn_config.TUNNEL_MTU) for device in made),
        addresses=base.addresses | _ends(tunnel, devices),
        routes=_routes(role, adapter.device) | into,
        rules=frozenset(
            Rule(gateway.version, PRIORITY, TABLE, input_device=device)
            for gateway in role.network.gateways
            for device in devices
        ),
        proxies=frozenset(ProxyNeighbour(adapter.device, address, claimed=True) for address in replicas),
        sysctls=base.sysctls.union(*(nics.tunnel_settings(device) for device in devices)),
        policy=_policy(adapter.device, role.network.prefixes, replicas, peers, tuns=devices),
        processes=_processes(tunnel, facts, devices=DEVICES, made=made, probe=(asked.local, asked.peer)),
    )
    return here | tunnel_path.watched(tunnel, facts, *devices, lent=made) | _remotes(tunnel)


def _ends(tunnel: TunnelClient, devices: tuple[str, ...]) -> frozenset[Address]:
    """The tunnel's own addresses, on all devices."""
    return frozenset(
        Address(device, ipaddress.ip_interface(pair.local), prefix_route=False)
        for pair in tunnel.inner
        for device in devices
    )


def _routes(role: TenantRole, device: str) -> frozenset[Route]:
    """Production by way of its adapter, the rest by way of its gateway, per family that has a gateway."""
    versions = {gateway.version for gateway in role.network.gateways}
    production = {
        Route(prefix, device, TABLE) for prefix in role.network.prefixes if prefix.version in versions
    }
    default = {
        Route(EVERYWHERE[gateway.version], device, TABLE, via=gateway) for gateway in role.network.gateways
    }
    return frozenset(production | default)


def _remotes(tunnel: TunnelClient) -> Contribution:
    remotes = frozenset((remote.address, remote.port) for remote in tunnel.remotes)
    return Contribution(policy=Policy(remotes=remotes))


def _policy(
    device: str,
    prefixes: tuple[IPNetwork, ...],
    replicas: tuple[IPAddress, ...],
    peers: tuple[IPAddress, ...],
    *,
    tuns: tuple[str, ...],
) -> Policy:
    toward = {Forward(device, tun, destination=address) for address in replicas for tun in tuns}
    back = {Forward(tun, device, source=address) for address in replicas for tun in tuns}
    errors = {Forward(tun, device, source=address, errors_only=True) for address in peers for tun in tuns}
    return Policy(
        guarded=frozenset(tuns),
        sources=frozenset(SourceGuard(tun, host(address)) for address in (*replicas, *peers) for tun in tuns),
        forwards=frozenset(toward | back | errors),
        neighbours=frozenset(SourceGuard(device, prefix) for prefix in prefixes),
    )


def _processes(
    tunnel: TunnelClient,
    facts: Facts,
    *,
    devices: tuple[str, str],
    made: tuple[str, ...] = (),
    probe: tuple[IPAddress, IPAddress] | FrameProbe,
) -> frozenset[Process]:
    """The client, and the wrapper that its TCP endpoints go through."""
    name = f"vpn-{tunnel.id}"
    udp = [
        Endpoint(
            address=remote.address,
            port=remote.port,
            transport=Transport.UDP,
            configuration=openvpn_config.client(
                tunnel,
                transport=Transport.UDP,
                address=remote.address,
                port=remote.port,
                device=devices[0],
                name=name,
                facts=facts,
            ),
        )
        for remote in tunnel.remotes
    ]
    tcp = [
        Endpoint(
            address=remote.address,
            port=remote.port,
            transport=Transport.TCP,
            configuration=openvpn_config.client(
                tunnel,
                transport=Transport.TCP,
                address=haproxy_config.LOOPBACK,
                port=haproxy_config.local_port(index),
                device=devices[0],
                name=name,
                facts=facts,
            ),
        )
        for index, remote in enumerate(tunnel.remotes)
    ]
    client = VpnClient(
        tunnel=tunnel.id,
        device=devices[0],
        spare=devices[1],
        endpoints=(*udp, *tcp),
        probe=probe,
        tls_crypt=tunnel.tls_crypt,
        files=openvpn_config.revoked_files(tunnel),
        made=made,
        declined=kernel_carried.declined(tunnel, Transport.UDP, facts),
    )
    return frozenset({client, haproxy_config.wrapper(tunnel)})
