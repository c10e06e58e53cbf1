"""Networks extended bridged: at both ends, taps and the segment's adapter are the ports of a bridge.

The appliance takes no part in what it bridges: neither adapter nor tap nor bridge has an address, nothing is
forwarded, and frames pass only between the two sides, for the failed-over replicas' MAC addresses. Taps are
isolated from each other: what comes out of the tunnel never goes back into it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from causeway_agent.plan.compile import adapters as nics
from causeway_agent.plan.compile import openvpn_config, tunnel_path
from causeway_agent.plan.compile.adapters import Adapter
from causeway_agent.plan.compile.contribution import Contribution, Surroundings
from causeway_agent.plan.model import checks
from causeway_agent.plan.model.objects import BRIDGE_PREFIX, Bridge, BridgePort, Claim, Sysctl, Tun
from causeway_agent.plan.model.policy import BridgedNetwork, Listener, Policy
from causeway_agent.plan.model.processes import LoopGuard, VpnServer
from causeway_agent.plan.model.target import Facts
from causeway_wire.desired import (
    Extension,
    Nic,
    Partial,
    ProductionNetwork,
    Replica,
    TunnelClient,
    TunnelServer,
)
from causeway_wire.observed import Transport
from causeway_wire.problem import ProblemType
from causeway_wire.types import MacAddress, NetworkId

TENANT_TAPS: Final = ("cwtap0", "cwtap1")
"""One carries the tunnel; on the other a new way is tried beside it."""
TENANT_BRIDGE: Final = f"{BRIDGE_PREFIX}0"
"""A tenant appliance has one tunnel and does not know the port of its server."""


def is_bridged(tunnel: TunnelServer | TunnelClient | None) -> bool:
    """Whether the tunnel carries frames."""
    return tunnel is not None and tunnel.extension is Extension.BRIDGED


def check_end(
    findings: checks.Findings, tunnel: TunnelServer | TunnelClient, pointer: str, adapter: Adapter | None
) -> None:
    """What both ends need: an adapter without addresses, a tunnel without addresses."""
    if tunnel.inner:
        detail = "a bridged tunnel carries frames and has no addresses; leave this empty"
        findings.add(ProblemType.INVALID, f"{pointer}/inner", detail)
    if adapter is not None and adapter.own:
        detail = (
            f"adapter {adapter.nic.name} is a port of a bridge and cannot have addresses; "
            "let another adapter carry them"
        )
        findings.add(ProblemType.INVALID, f"{adapter.pointer}/addresses", detail)


def check_tenant(findings: checks.Findings, adapter: Adapter, management: str) -> None:
    """The tenant's adapter is there for the bridge alone."""
    if adapter.nic.name == management:
        detail = (
            f"adapter {management} leads to the agent and cannot be bridged; give the appliance a second "
            "vNIC in that network for management and VPN"
        )
        findings.add(ProblemType.INVALID, "/role/network/nic", detail)


def check_replicas(failover: Partial, bridged: Iterable[ProductionNetwork], around: Surroundings) -> None:
    """Replicas of bridged networks have MAC addresses, which nobody else has."""
    networks = {network.id for network in bridged}
    ours = (adapter.nic for adapter in around.adapters.values())
    own = {nic.mac: f"adapter {nic.name}" for nic in ours if isinstance(nic, Nic)}
    owners = {(network, mac): owner for network in networks for mac, owner in own.items()}
    for index, replica in enumerate(failover.replicas):
        if replica.network in networks:
            _check_macs(around.findings, replica, f"/role/failover/replicas/{index}/macs", owners)


def _check_macs(
    findings: checks.Findings,
    replica: Replica,
    pointer: str,
    owners: dict[tuple[NetworkId, MacAddress], str],
) -> None:
    if not replica.macs:
        detail = (
            f"network {replica.network} is bridged: name the MAC addresses that VM {replica.vm} has in it"
        )
        findings.add(ProblemType.INVALID, pointer, detail)
    for number, mac in enumerate(replica.macs):
        where = f"{pointer}/{number}"
        if (replica.network, mac) in owners:
            owner = owners[replica.network, mac]
            findings.add(ProblemType.DUPLICATE, where, f"{mac} is that of {owner} already")
        owners[replica.network, mac] = f"VM {replica.vm}"


def provider(
    tunnel: TunnelServer, adapter: Adapter, replicas: Iterable[Replica], *, uplink: str, facts: Facts
) -> Contribution:
    """The provider's end of one network: servers over both transports on a tap each."""
    bridge = f"{BRIDGE_PREFIX}{tunnel.port}"
    taps = {transport: f"cw{transport.value[0]}{tunnel.port}" for transport in Transport}
    network = BridgedNetwork(
        bridge=bridge,
        replicas=frozenset({adapter.device}),
        production=frozenset(taps.values()),
        macs=_macs(replicas),
    )
    servers = (
        VpnServer(
            tunnel=tunnel.id,
            transport=transport,
            device=tap,
            configuration=openvpn_config.server(
                tunnel,
                transport=transport,
                device=tap,
                name=f"vpn-{tunnel.id}-{transport.value}",
                facts=facts,
            ),
            files=openvpn_config.server_files(tunnel, transport, facts),
        )
        for transport, tap in taps.items()
    )
    guard = _guard(tunnel, bridge, adapter, taps.values())
    listeners = (
        Listener(uplink, address, transport.value, tunnel.port)
        for transport in Transport
        for address in openvpn_config.listens(tunnel, transport)
    )
    end = _end(network, adapter, taps.values(), facts)
    path = tunnel_path.watched(tunnel, facts, taps[Transport.UDP], taps[Transport.TCP])
    return (
        end
        | path
        | Contribution(policy=Policy(listeners=frozenset(listeners)), processes=frozenset({*servers, guard}))
    )


def tenant(
    tunnel: TunnelClient, adapter: Adapter, replicas: tuple[Replica, ...], facts: Facts
) -> Contribution:
    """The tenant's end, without its VPN client. No machine of the segment may still have a replica's
    address.
    """
    network = BridgedNetwork(
        bridge=TENANT_BRIDGE,
        replicas=frozenset(TENANT_TAPS),
        production=frozenset({adapter.device}),
        macs=_macs(replicas),
    )
    vacant = {Claim(adapter.device, address) for replica in replicas for address in replica.addresses}
    guard = _guard(tunnel, TENANT_BRIDGE, adapter, TENANT_TAPS)
    end = _end(network, adapter, TENANT_TAPS, facts)
    return end | Contribution(vacant=frozenset(vacant), processes=frozenset({guard}))


def _end(network: BridgedNetwork, adapter: Adapter, taps: Iterable[str], facts: Facts) -> Contribution:
    """Devices and frames, which are the same at both ends but for the sides."""
    names = frozenset(taps)
    made = names | {network.bridge}
    return Contribution(
        tuns=frozenset(
            Tun(
                tap,
                openvpn_config.TUNNEL_MTU,
                openvpn_config.QUEUE_LENGTH,
                facts.vpn_uid,
                ethernet=True,
            )
            for tap in names
        ),
        bridges=frozenset({Bridge(network.bridge, openvpn_config.TUNNEL_MTU)}),
        ports=frozenset(
            {
                BridgePort(adapter.device, network.bridge),
                *(BridgePort(tap, network.bridge, isolated=True) for tap in names),
            }
        ),
        sysctls=frozenset[Sysctl]().union(*(_settings(device) for device in made)),
        policy=Policy(guarded=made | {adapter.device}, bridged=frozenset({network})),
    )


def _settings(device: str) -> frozenset[Sysctl]:
    """No IPv6, or the kernel would give the device a link-local address."""
    silent = Sysctl(f"net/ipv6/conf/{device}/disable_ipv6", "1")
    return nics.tunnel_settings(device, forwarding=False) | {silent}


def _guard(
    tunnel: TunnelServer | TunnelClient, bridge: str, adapter: Adapter, taps: Iterable[str]
) -> LoopGuard:
    return LoopGuard(tunnel=tunnel.id, bridge=bridge, adapter=adapter.device, taps=tuple(sorted(taps)))


def _macs(replicas: Iterable[Replica]) -> frozenset[MacAddress]:
    return frozenset(mac for replica in replicas for mac in replica.macs)
