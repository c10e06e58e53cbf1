"""What the failover in force covers, and what of it the kernel shows: the document beside the machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from causeway_wire.desired import (
    Desired,
    Full,
    GatewayRole,
    Idle,
    Partial,
    ProductionNetwork,
    ProviderRole,
    Rehearsal,
    TenantRole,
)
from causeway_wire.observed import FailoverNetwork, FailoverReport
from causeway_wire.types import IPAddress


def coverage(
    document: Desired | None, held: Collection[IPAddress], *, rules: int = 0, revision: int = 0
) -> FailoverReport | None:
    """What is covered; `held` are the addresses on the machine's adapters now. None without a document."""
    if document is None:
        return None
    role = document.role
    if isinstance(role, GatewayRole):
        return FailoverReport(mode=str(Idle.__struct_config__.tag))
    mode = str(role.failover.__struct_config__.tag)
    if isinstance(role, TenantRole):
        return FailoverReport(mode=mode, networks=_partial(role, (role.network,)))
    public: tuple[IPAddress, ...] = ()
    routed: tuple[str, ...] = ()
    networks: tuple[FailoverNetwork, ...] = ()
    match role.failover:
        case Idle():
            pass
        case Partial():
            networks = _partial(role, role.networks)
        case Full() as full:
            networks = _full(role, full, held, internet=True)
            public, routed = role.public_addresses, full.routed
        case Rehearsal() as rehearsal:
            networks = _full(role, rehearsal, held, internet=rehearsal.internet)
            public, routed = role.test_addresses, rehearsal.routed
    return FailoverReport(
        mode=mode,
        networks=networks,
        routed=routed,
        public_addresses=tuple(address for address in public if address in held),
        rules=rules,
        rules_revision=revision,
    )


def _partial(
    role: ProviderRole | TenantRole, networks: Collection[ProductionNetwork]
) -> tuple[FailoverNetwork, ...]:
    replicas = role.failover.replicas if isinstance(role.failover, Partial) else ()
    counted = Counter(replica.network for replica in replicas)
    found = ((network.id, counted[network.id]) for network in networks)
    return tuple(FailoverNetwork(network=name, replicas=many) for name, many in found if many)


def _full(
    role: ProviderRole, failover: Full | Rehearsal, held: Collection[IPAddress], *, internet: bool
) -> tuple[FailoverNetwork, ...]:
    gateways = {network.id: network.gateways for network in role.networks}
    return tuple(
        FailoverNetwork(
            network=one.network,
            gateways=tuple(address for address in gateways.get(one.network, ()) if address in held),
            internet=internet and one.internet,
        )
        for one in failover.networks
    )
