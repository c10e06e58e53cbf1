"""What an appliance would serve no more with another document: for who sends one outside of a failover."""

from __future__ import annotations

from causeway_wire.desired import (
    Desired,
    Failover,
    Full,
    GatewayRole,
    Idle,
    Partial,
    ProviderRole,
    Rehearsal,
    TenantFailover,
    TenantRole,
)


def lost(before: Desired, after: Desired) -> tuple[str, ...]:
    """Return what only the document before serves, such as `full failover of network lan`, sorted."""
    return tuple(sorted(_served(before) - _served(after)))


def _served(document: Desired) -> frozenset[str]:
    match document.role:
        case ProviderRole(failover=failover) | TenantRole(failover=failover):
            return _covered(failover)
        case GatewayRole():
            return frozenset()


def _covered(failover: Failover | TenantFailover) -> frozenset[str]:
    match failover:
        case Idle():
            return frozenset()
        case Partial(replicas=replicas):
            return frozenset(f"partial failover of {one.vm}" for one in replicas)
        case Full(networks=networks):
            return frozenset(f"full failover of network {one.network}" for one in networks)
        case Rehearsal(networks=networks):
            return frozenset(f"rehearsal of network {one.network}" for one in networks)
