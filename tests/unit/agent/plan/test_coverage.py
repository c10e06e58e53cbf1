"""What the failover covers, told from the document and from what the kernel holds."""

from __future__ import annotations

from ipaddress import ip_address

import msgspec

from causeway_agent.plan.steer.coverage import coverage
from causeway_wire.desired import Desired, Full, FullNetwork, Partial, ProviderRole, Rehearsal
from causeway_wire.observed import FailoverNetwork
from tests import documents

GATEWAY, PUBLIC, TEST = map(ip_address, ("192.168.0.1", "198.51.100.7", "10.9.0.50"))
NETWORKS = (FullNetwork(network="net-0", internet=True), FullNetwork(network="net-1"))


def provider(failover: Full | Rehearsal) -> Desired:
    made = documents.provider(failover)
    assert isinstance(made.role, ProviderRole)
    role = msgspec.structs.replace(made.role, public_addresses=(PUBLIC,), test_addresses=(TEST,))
    return msgspec.structs.replace(made, role=role)


def test_before_the_first_document_nothing_is_said() -> None:
    assert coverage(None, ()) is None


def test_partial_failover_counts_replicas_by_network() -> None:
    replicas = tuple(documents.replica(host, "net-0", f"192.168.0.{host}") for host in (20, 21))
    for document in (
        documents.provider(Partial(replicas=replicas)),
        documents.tenant(Partial(replicas=replicas)),
    ):
        found = coverage(document, ())
        assert found is not None
        assert found.mode == "partial"
        assert found.networks == (FailoverNetwork(network="net-0", replicas=2),)


def test_full_failover_tells_what_is_held_and_what_is_not() -> None:
    document = provider(Full(networks=NETWORKS, routed=("net-0", "net-1")))
    found = coverage(document, {GATEWAY, PUBLIC, TEST}, rules=12, revision=5)
    assert found is not None
    assert (found.mode, found.routed, found.rules, found.rules_revision) == (
        "full",
        ("net-0", "net-1"),
        12,
        5,
    )
    assert found.public_addresses == (PUBLIC,)
    held, missing = found.networks
    assert (held.gateways, held.internet) == ((GATEWAY,), True)
    assert (missing.gateways, missing.internet) == ((), False)


def test_a_rehearsal_owns_test_addresses_and_needs_leave_for_the_internet() -> None:
    found = coverage(provider(Rehearsal(networks=NETWORKS)), {GATEWAY, PUBLIC, TEST})
    assert found is not None
    assert (found.mode, found.public_addresses) == ("rehearsal", (TEST,))
    assert not any(network.internet for network in found.networks)


def test_gateways_and_idle_appliances_cover_nothing() -> None:
    for document in (
        documents.gateway(documents.gateway_tunnel(0)),
        documents.provider(),
        documents.tenant(),
    ):
        found = coverage(document, {GATEWAY})
        assert found is not None
        assert (found.mode, found.networks) == ("idle", ())
