"""What both ends of a tunnel do about the size of its path: watch it, tell TCP, limit the routes."""

from __future__ import annotations

from collections.abc import Iterable

from causeway_agent.plan.compile.contribution import Contribution
from causeway_agent.plan.model import path_size
from causeway_agent.plan.model.path_size import PathSize
from causeway_agent.plan.model.policy import Clamp, PathPeer, Policy
from causeway_agent.plan.model.processes import PathProbe
from causeway_agent.plan.model.target import Facts
from causeway_wire.desired import Extension, TunnelClient, TunnelServer


def size(tunnel: TunnelClient | TunnelServer, facts: Facts) -> PathSize:
    """What the path carries: as learnt, before that as over a line of full size."""
    full = path_size.full(_version(tunnel), bridged=_bridged(tunnel))
    return facts.paths.get(tunnel.id, full)


def watched(
    tunnel: TunnelClient | TunnelServer, facts: Facts, *devices: str, lent: Iterable[str] = ()
) -> Contribution:
    """The watch, and TCP through any of the devices that may carry the tunnel is told the size."""
    known = size(tunnel, facts)
    pair = None if _bridged(tunnel) else min(tunnel.inner, key=lambda pair: pair.local.version)
    probe = PathProbe(
        tunnel=tunnel.id,
        devices=devices,
        ends=None if pair is None else (pair.local, pair.peer),
        version=_version(tunnel),
        lent=frozenset(lent),
    )
    peers = () if pair is None else [PathPeer(device, pair.local, pair.peer) for device in devices]
    policy = Policy(
        fragmented=_ports(tunnel) if _bridged(tunnel) else frozenset(),
        path_peers=frozenset(peers),
        clamps=frozenset(Clamp(device, known.sends, known.receives) for device in devices),
    )
    return Contribution(policy=policy, processes=frozenset({probe}))


def _version(tunnel: TunnelClient | TunnelServer) -> int:
    """The IP version outside that is tried first."""
    return tunnel.listen.version if isinstance(tunnel, TunnelServer) else tunnel.remotes[0].address.version


def _ports(tunnel: TunnelClient | TunnelServer) -> frozenset[int]:
    """The far end's over UDP, of a server its own."""
    if isinstance(tunnel, TunnelServer):
        return frozenset({tunnel.port})
    return frozenset(remote.port for remote in tunnel.remotes)


def _bridged(tunnel: TunnelClient | TunnelServer) -> bool:
    return tunnel.extension is Extension.BRIDGED
