"""What the controller writes, an agent can mean: every document of every inventory compiles to a target."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given

from causeway_agent.errors import CompileError
from causeway_agent.plan.compile.compiler import compile_document
from causeway_agent.plan.model.processes import VpnClient, VpnServer
from causeway_agent.plan.model.target import Facts, Target
from causeway_controller.contract.tenant import Adapters
from causeway_controller.failover import documents
from causeway_controller.inventory import modes
from causeway_controller.inventory.entry import enter
from causeway_controller.inventory.tenancy import GatewayCredentials, Site
from causeway_controller.inventory.views import Known, tenancy
from causeway_wire.desired import Desired
from tests import arbitrary_sites, sites
from tests.provider_inventory import seed_example, tenant, with_
from tests.sites import with_failed_over


def compiled(document: Desired) -> Target:
    facts = Facts(
        appliance=document.appliance,
        devices={nic.mac: f"eth{index}" for index, nic in enumerate(document.nics)},
        vpn_uid=None,
        key_directory="/var/lib/causeway/keys",
        run_directory="/run/causeway",
        vlan_8021q=True,
    )
    return compile_document(document, facts)


def ids(site: Site) -> list[str]:
    tenant = site.tenants["acme"]
    tenants = [appliance.id for appliance in tenant.appliances.values()]
    return [tenant.provider.id, *tenants, *(gateway.id for gateway in site.gateways)]


@given(arbitrary_sites.sites_with_vms())
def test_every_document_compiles_and_runs_a_vpn_exactly_while_it_is_needed(
    drawn: tuple[Site, frozenset[str], frozenset[str]],
) -> None:
    site, first, second = drawn
    for vms in (frozenset[str](), first, first | second):
        state = with_failed_over(site, "acme", vms)
        needed = {site.tenants["acme"].networks[site.tenants["acme"].vms[vm].network].tunnel for vm in vms}
        servers: set[str] = set()
        clients: set[str] = set()
        for appliance in ids(state):
            target = compiled(documents.document(state, appliance, generation=1, epoch=1))
            servers |= {one.tunnel for one in target.processes if isinstance(one, VpnServer)}
            clients |= {one.tunnel for one in target.processes if isinstance(one, VpnClient)}
        assert servers == clients == needed


def test_an_agent_refuses_what_the_controller_would_not_write() -> None:
    state = with_failed_over(sites.site(), "acme", frozenset({"vm-0-0"}))
    tenant = state.tenants["acme"]
    broken = replace(
        tenant, networks={**tenant.networks, "net-0": replace(tenant.networks["net-0"], inner=())}
    )
    site = replace(state, tenants={"acme": broken})
    with pytest.raises(CompileError, match="inner"):
        compiled(documents.document(site, "acme-provider", generation=1, epoch=1))


KNOWN = Known(
    controllers=(ip_network("203.0.113.200/32"),),
    gateway_credentials=GatewayCredentials(ca=sites.CERTIFICATE, certificates={"gw1": sites.CERTIFICATE}),
)


@pytest.mark.parametrize("adapters", list(Adapters))
@pytest.mark.parametrize(
    "mode", [modes.Idle(), modes.Full(frozenset({"web1"})), modes.Rehearsal(frozenset({"web1"}))]
)
def test_the_document_of_the_seeds_example_compiles_with_all_its_networks(
    adapters: Adapters, mode: modes.Mode
) -> None:
    acme = tenant(
        subscriptions=tuple(with_(each, adapters=adapters) for each in tenant().subscriptions),
        test_addresses=(ip_address("198.51.100.20"),),
    )
    inventory = seed_example(tenants=(acme,))
    site = tenancy(inventory, enter(inventory), "acme", "esx1", known=replace(KNOWN, mode=mode))
    document = documents.document(site, "acme-esx1", generation=1, epoch=1)
    assert len(document.nics) + len(document.vlans) == (6 if adapters is Adapters.ACCESS else 7)
    compiled(document)
    compiled(documents.document(site, "gw1", generation=1, epoch=1))
