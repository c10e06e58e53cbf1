"""No address of a document is where somebody else is: on-link, a gateway's, the other end's, nobody's."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address, ip_network

import pytest

from causeway_agent.errors import CompileError
from causeway_agent.plan.compile.compiler import compile_document
from causeway_wire.desired import (
    Desired,
    Failover,
    Idle,
    InnerAddresses,
    Partial,
    ProviderRole,
    Remote,
    Replica,
    TenantRole,
)
from causeway_wire.problem import ProblemType as P
from tests import documents
from tests.documents import FACTS, replace

PARTIAL = Partial(replicas=(documents.replica(0, "net-0", "192.168.0.20", "2001:db8:0::20"),))
MODES: tuple[Failover, ...] = (
    Idle(),
    PARTIAL,
    documents.full("net-0"),
    documents.rehearsal("net-0"),
)


def refused(document: Desired) -> list[tuple[str, str]]:
    try:
        compile_document(document, FACTS)
    except CompileError as error:
        return [(each.type, str(each.pointer)) for each in error.problems]
    return []


def managed_apart(document: Desired) -> Desired:
    """The appliance is managed over a network of its own, behind a router."""
    door = documents.management("172.16.9.2", nic="office", sources=("172.16.50.0/24",))
    return replace(
        document, management=door, nics=(*document.nics, documents.nic("office", 3, "172.16.9.2/24"))
    )


def with_ends(document: Desired, index: int, local: str, peer: str) -> Desired:
    """The tunnel of network `index` with these ends."""
    pair = (InnerAddresses(local=ip_address(local), peer=ip_address(peer)),)
    role = document.role
    if isinstance(role, TenantRole):
        assert role.tunnel is not None
        return replace(document, role=replace(role, tunnel=replace(role.tunnel, inner=pair)))
    assert isinstance(role, ProviderRole)
    networks = list(role.networks)
    tunnel = networks[index].tunnel
    assert tunnel is not None
    networks[index] = replace(networks[index], tunnel=replace(tunnel, inner=pair))
    return replace(document, role=replace(role, networks=tuple(networks)))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("taken", ["10.9.0.2", "10.9.0.99", "10.9.0.255"], ids=["own", "neighbour", "all"])
@pytest.mark.parametrize("end", ["local", "peer"])
def test_no_tunnel_end_of_a_provider_is_on_link_at_any_adapter(mode: Failover, taken: str, end: str) -> None:
    ends = (taken, "100.64.0.9") if end == "local" else ("100.64.0.9", taken)
    document = with_ends(managed_apart(documents.provider(mode)), 0, *ends)
    assert refused(document) == [(P.OVERLAP.urn, f"/role/networks/0/tunnel/inner/0/{end}")]


@pytest.mark.parametrize("pair", [("100.64.0.9", "100.64.1.1"), ("fd64::9", "fd64:1::1")])
def test_no_peer_is_the_appliances_own_end_of_another_tunnel(pair: tuple[str, str]) -> None:
    """What it sends would have a source of the appliance's own: the kernel drops that, and no liveness
    probe is ever answered.
    """
    document = with_ends(documents.provider(), 0, *pair)
    assert refused(document) == [(P.DUPLICATE.urn, "/role/networks/0/tunnel/inner/0/peer")]


@pytest.mark.parametrize("end", ["local", "peer"])
def test_no_tunnel_end_of_a_tenant_is_on_link_or_a_gateways(end: str) -> None:
    def ends(taken: str) -> Desired:
        pair = (taken, "100.64.0.9") if end == "local" else ("100.64.0.9", taken)
        return with_ends(managed_apart(documents.tenant()), 0, *pair)

    assert refused(ends("203.0.113.1")) == [(P.DUPLICATE.urn, "/role/tunnel/remotes/0/address")]
    beside = replace(
        ends("10.9.0.77"), nics=(*ends("10.9.0.77").nics, documents.nic("vpn", 0, "10.9.0.2/24"))
    )
    assert refused(beside) == [(P.OVERLAP.urn, f"/role/tunnel/inner/0/{end}")]


@pytest.mark.parametrize("remote", ["192.168.0.0", "192.168.0.255", "2001:db8::"])
@pytest.mark.parametrize("extended", [documents.bridged, lambda routed: routed], ids=["bridged", "routed"])
def test_no_cloud_gateway_is_a_network_as_a_whole(
    remote: str, extended: Callable[[Desired], Desired]
) -> None:
    tunnel = replace(documents.client(), remotes=(Remote(address=ip_address(remote)),))
    document = extended(documents.tenant(PARTIAL, tunnel=tunnel))
    assert refused(document) == [(P.INVALID.urn, "/role/tunnel/remotes/0/address")]


@pytest.mark.parametrize("server", ["10.9.0.0", "10.9.0.255", "203.0.113.255"])
def test_no_server_behind_a_gateway_is_a_network_as_a_whole(server: str) -> None:
    tunnel = replace(documents.gateway_tunnel(0), server=ip_address(server))
    assert refused(documents.gateway(tunnel)) == [(P.INVALID.urn, "/role/tunnels/0/server")]


@pytest.mark.parametrize("address", ["192.168.0.6", "2001:db8:0::6"])
def test_no_replica_in_a_bridged_network_has_an_address_of_the_tenants_appliance(address: str) -> None:
    """The bridged adapter has none, but the one for management and VPN may be in the same network."""
    replica = Replica(vm="vm-net-0-0", network="net-0", addresses=(ip_address(address),))
    document = documents.bridged(documents.tenant(Partial(replicas=(replica,))))
    assert refused(document) == [(P.DUPLICATE.urn, "/role/failover/replicas/0/addresses/0")]


def test_no_production_gateway_of_a_bridged_network_is_the_tenants_appliance() -> None:
    document = documents.bridged(documents.tenant())
    assert isinstance(document.role, TenantRole)
    network = replace(document.role.network, gateways=(ip_address("192.168.0.6"),))
    document = replace(document, role=replace(document.role, network=network))
    assert refused(document) == [(P.DUPLICATE.urn, "/role/network/gateways/0")]


@pytest.mark.parametrize("host", ["192.168.0.0", "192.168.0.255", "2001:db8::"])
def test_no_known_host_is_a_network_as_a_whole(host: str) -> None:
    document = documents.provider()
    assert isinstance(document.role, ProviderRole)
    first, *others = document.role.networks
    networks = (replace(first, hosts=(ip_address(host),)), *others)
    document = replace(document, role=replace(document.role, networks=networks))
    assert refused(document) == [(P.INVALID.urn, "/role/networks/0/hosts/0")]


@pytest.mark.parametrize(
    "source",
    [
        *("0.0.0.0/32", "0.0.0.0/8", "127.0.0.1/32", "127.0.0.0/8", "224.0.0.0/4", "255.255.255.255/32"),
        *("10.9.0.2/32", "10.9.0.3/32", "10.9.0.0/32", "10.9.0.255/32"),
    ],
)
@pytest.mark.parametrize(
    "document", [documents.provider(), documents.gateway(documents.gateway_tunnel(0))], ids=["p", "g"]
)
def test_a_door_that_no_controller_can_come_through_is_refused(document: Desired, source: str) -> None:
    alone = replace(document, management=documents.management(sources=(source,)))
    cut = [(P.INVALID.urn, "/management/sources/0"), (P.CUTS_MANAGEMENT.urn, "/management/sources")]
    assert refused(alone) == cut
    beside = replace(document, management=documents.management(sources=("10.9.0.0/24", source)))
    assert refused(beside) == [(P.INVALID.urn, "/management/sources/1")]


@pytest.mark.parametrize("source", ["::1/128", "::/128", "ff00::/8", "ff02::1/128"])
def test_such_a_door_is_refused_over_ipv6_too(source: str) -> None:
    uplink, *others = documents.provider().nics
    six = documents.nic("uplink", 0, "10.9.0.2/24", "2001:db8:9::2/64", gateways=("10.9.0.1",))
    assert uplink.name == six.name
    door = documents.management("2001:db8:9::2", sources=(source,))
    document = documents.provider(networks=None)
    role = document.role
    assert isinstance(role, ProviderRole)
    document = replace(document, management=door, nics=(six, *others))
    assert (P.CUTS_MANAGEMENT.urn, "/management/sources") in refused(document)


@pytest.mark.parametrize("source", ["0.0.0.0/0", "10.9.0.77/32", "169.254.7.0/24", "192.168.0.0/24"])
def test_doors_for_controllers_that_may_be_stay_possible(source: str) -> None:
    document = replace(documents.provider(), management=documents.management(sources=(source,)))
    assert not refused(document)
    assert ip_network(source) in document.management.sources
