"""Documents: whatever the inventory, they decode, refer to what they hold, and follow the failover."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given

from causeway_controller.failover import documents
from causeway_controller.inventory.tenancy import Site
from causeway_wire import codec
from causeway_wire.desired import (
    Desired,
    GatewayRole,
    Idle,
    Partial,
    ProviderRole,
    TenantRole,
)
from causeway_wire.problem import ProblemError
from tests import arbitrary_sites, sites
from tests.sites import with_failed_over

SITE = sites.site()
ALL = frozenset(SITE.tenants["acme"].vms)


def appliances(site: Site) -> list[str]:
    tenant = site.tenants["acme"]
    tenants = [appliance.id for appliance in tenant.appliances.values()]
    return [tenant.provider.id, *tenants, *(gateway.id for gateway in site.gateways)]


def document(site: Site, appliance: str) -> Desired:
    return documents.document(site, appliance, generation=3, epoch=5)


def provider(site: Site) -> ProviderRole:
    role = document(site, "acme-provider").role
    assert isinstance(role, ProviderRole)
    return role


def tenant(site: Site, number: int) -> TenantRole:
    role = document(site, f"acme-tenant-{number}").role
    assert isinstance(role, TenantRole)
    return role


@given(arbitrary_sites.sites_with_vms())
def test_every_document_of_every_inventory_decodes_to_itself(
    drawn: tuple[Site, frozenset[str], frozenset[str]],
) -> None:
    site, first, second = drawn
    for vms in (frozenset[str](), first, first | second):
        state = with_failed_over(site, "acme", vms)
        for appliance in appliances(state):
            made = document(state, appliance)
            assert codec.decode(codec.encode(made), Desired) == made
            assert (made.appliance, made.generation, made.epoch) == (appliance, 3, 5)


@given(arbitrary_sites.sites_with_vms())
def test_documents_refer_to_their_own_adapters(drawn: tuple[Site, frozenset[str], frozenset[str]]) -> None:
    site, first, _ = drawn
    state = with_failed_over(site, "acme", first)
    for appliance in appliances(state):
        made = document(state, appliance)
        names = {nic.name for nic in made.nics}
        match made.role:
            case ProviderRole(uplink=uplink, networks=networks):
                assert {uplink, *(network.nic for network in networks)} == names
            case TenantRole(network=network):
                assert {network.nic} == names
            case GatewayRole(public=public, inside=inside):
                assert {public, inside} == names


@given(arbitrary_sites.sites_with_vms())
def test_both_ends_of_a_tunnel_exist_exactly_while_a_vm_needs_them(
    drawn: tuple[Site, frozenset[str], frozenset[str]],
) -> None:
    site, first, _ = drawn
    state = with_failed_over(site, "acme", first)
    needed = {site.tenants["acme"].vms[name].network for name in first}
    assert {one.id for one in provider(state).networks if one.tunnel is not None} == needed
    for number, network in enumerate(site.tenants["acme"].networks):
        assert (tenant(state, number).tunnel is not None) == (network in needed)


def test_an_idle_site_extends_nothing() -> None:
    assert provider(SITE).failover == Idle()
    assert all(network.tunnel is None for network in provider(SITE).networks)
    assert (tenant(SITE, 0).failover, tenant(SITE, 0).tunnel) == (Idle(), None)


def test_the_two_ends_fit_together() -> None:
    state = with_failed_over(SITE, "acme", ALL)
    server, client = provider(state).networks[1].tunnel, tenant(state, 1).tunnel
    assert server is not None
    assert client is not None
    assert server.id == client.id == "acme-1"
    assert [(one.local, one.peer) for one in server.inner] == [(one.peer, one.local) for one in client.inner]
    assert (server.peer_name, client.peer_name) == ("client-1.acme", "server-1.acme")
    assert (server.port, server.key, client.key) == (1197, "vpn-server-1197", "vpn-client")


def test_the_gateway_leads_to_the_server() -> None:
    role = document(SITE, "gateway-0").role
    assert isinstance(role, GatewayRole)
    state = with_failed_over(SITE, "acme", ALL)
    servers = [network.tunnel for network in provider(state).networks]
    assert [(one.tunnel, one.server, one.port) for one in role.tunnels] == [
        (server.id, server.listen, server.port) for server in servers if server is not None
    ]
    assert [one.client_name for one in role.tunnels] == ["client-0.acme", "client-1.acme"]


def test_no_failover_changes_a_gateway() -> None:
    assert document(SITE, "gateway-0") == document(with_failed_over(SITE, "acme", ALL), "gateway-0")


def test_a_tenant_appliance_answers_for_its_own_network_only() -> None:
    state = with_failed_over(SITE, "acme", ALL)
    failover = tenant(state, 0).failover
    assert isinstance(failover, Partial)
    assert [replica.vm for replica in failover.replicas] == ["vm-0-0", "vm-0-1"]
    whole = provider(state).failover
    assert isinstance(whole, Partial)
    assert [replica.vm for replica in whole.replicas] == sorted(ALL)


def test_a_client_is_sent_to_gateways_of_its_own_families() -> None:
    narrow = sites.site(ipv6=False)
    tunnel = tenant(with_failed_over(narrow, "acme", frozenset({"vm-0-0"})), 0).tunnel
    assert tunnel is not None
    assert [str(remote.address) for remote in tunnel.remotes] == ["203.0.113.1", "203.0.113.2"]


def test_an_appliance_of_another_site_has_no_document() -> None:
    with pytest.raises(ProblemError, match="no appliance stranger"):
        document(SITE, "stranger")


def test_a_gateway_without_a_certificate_has_no_document() -> None:
    bare = replace(SITE, gateway_credentials=replace(SITE.gateway_credentials, certificates={}))
    with pytest.raises(ProblemError, match="gateway-0 has no TLS certificate"):
        document(bare, "gateway-0")


def test_every_gateway_comes_before_one_of_them_by_its_other_ip_version() -> None:
    tunnel = tenant(with_failed_over(SITE, "acme", frozenset({"vm-0-0"})), 0).tunnel
    assert tunnel is not None
    assert [remote.address.version for remote in tunnel.remotes] == [4, 4, 6, 6]
