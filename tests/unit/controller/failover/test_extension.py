"""A bridged network: what its documents say, and what it needs before a VM may fail over."""

from __future__ import annotations

from dataclasses import replace

import pytest

from causeway_agent.plan.compile.compiler import compile_document
from causeway_agent.plan.model.target import Facts
from causeway_controller.failover import checks, documents, extension
from causeway_controller.inventory.tenancy import Adapter, Site, Tenant, Vm
from causeway_wire.desired import Desired, Extension, Partial, ProviderRole, TenantRole
from causeway_wire.problem import ProblemError
from tests import sites
from tests.sites import with_failed_over

MAC = "02:00:00:00:aa:20"
SECOND = Adapter(name="extension", mac="02:00:00:00:aa:02")
VMS = frozenset({"vm-0-0"})


def bridged() -> Site:
    """The site with `net-0` bridged and everything there that it needs."""
    site = sites.site()
    tenant = site.tenants["acme"]
    changed = replace(
        tenant,
        networks={**tenant.networks, "net-0": replace(tenant.networks["net-0"], extension=Extension.BRIDGED)},
        provider=replace(
            tenant.server,
            vlans={**tenant.server.vlans, "net-0": replace(tenant.server.vlans["net-0"], addresses=())},
        ),
        appliances={
            **tenant.appliances,
            "net-0": replace(tenant.appliances["net-0"], extension_nic=SECOND),
        },
        vms={**tenant.vms, "vm-0-0": replace(tenant.vms["vm-0-0"], macs=(MAC,))},
    )
    return replace(site, tenants={"acme": changed})


def made(site: Site, appliance: str) -> Desired:
    return documents.document(site, appliance, generation=1, epoch=1)


def why(site: Site) -> str:
    with pytest.raises(ProblemError) as caught:
        checks.partial_beginnable(site, "acme", VMS)
    return caught.value.problem.detail


def with_tenant(**changes: object) -> Site:
    site = bridged()
    return replace(site, tenants={"acme": replace(site.tenants["acme"], **changes)})  # type: ignore[arg-type]


def tenant() -> Tenant:
    return bridged().tenants["acme"]


def test_both_ends_say_bridged_and_which_mac_addresses() -> None:
    site = with_failed_over(bridged(), "acme", VMS)
    provider, end = made(site, "acme-provider").role, made(site, "acme-tenant-0").role
    assert isinstance(provider, ProviderRole)
    assert isinstance(end, TenantRole)
    for tunnel in (provider.networks[0].tunnel, end.tunnel):
        assert tunnel is not None
        assert (tunnel.extension, tunnel.inner) == (Extension.BRIDGED, ())
    for role in (provider, end):
        assert isinstance(role.failover, Partial)
        assert role.failover.replicas[0].macs == (MAC,)
    assert end.network.nic == "extension"


@pytest.mark.parametrize("vms", [VMS, frozenset[str]()])
@pytest.mark.parametrize("appliance", ["acme-provider", "acme-tenant-0"])
def test_the_agents_accept_them_failed_over_and_idle(appliance: str, vms: frozenset[str]) -> None:
    document = made(with_failed_over(bridged(), "acme", vms), appliance)
    facts = Facts(
        appliance=appliance,
        devices={nic.mac: f"eth{index}" for index, nic in enumerate(document.nics)},
        vpn_uid=None,
        key_directory="/keys",
        run_directory="/run",
    )
    assert bool(compile_document(document, facts).bridges) == bool(vms)


def test_a_site_with_everything_can_begin() -> None:
    assert checks.partial_beginnable(bridged(), "acme", VMS).id == "acme"


def test_a_vm_without_mac_addresses_cannot() -> None:
    vm = replace(tenant().vms["vm-0-0"], macs=())
    assert "MAC addresses" in why(with_tenant(vms={**tenant().vms, "vm-0-0": vm}))


def test_an_appliance_without_a_second_adapter_cannot() -> None:
    appliance = replace(tenant().appliances["net-0"], extension_nic=None)
    assert "second vNIC" in why(with_tenant(appliances={**tenant().appliances, "net-0": appliance}))


def test_adapters_of_a_bridge_cannot_have_addresses() -> None:
    first = tenant().appliances["net-0"]
    appliance = replace(first, extension_nic=replace(SECOND, addresses=first.nic.addresses))
    assert "cannot have addresses" in why(with_tenant(appliances={**tenant().appliances, "net-0": appliance}))
    untouched = sites.site().tenants["acme"].provider
    assert "cannot have addresses" in why(with_tenant(provider=untouched))


def test_a_routed_network_needs_none_of_it() -> None:
    plain = sites.site().tenants["acme"]
    vm: Vm = plain.vms["vm-0-0"]
    assert list(extension.unmet(plain, plain.networks["net-0"], vm)) == []


def test_each_way_tells_its_limits() -> None:
    for way in Extension:
        first, *limits = extension.told(way)
        assert first.startswith(f"{way.value}: ")
        assert len(limits) >= 3
        assert all(limit.startswith("- ") and limit.endswith(".") for limit in limits)
