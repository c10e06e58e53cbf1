"""One provider with hosts of two kinds: an appliance on each, brought about at once out of one inventory.

They are two tenants': a tenant is of one platform, and its inventory is refused otherwise.

The inventory, its allocation and the providers are real, the hosts as far as their kinds are.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace
from pyVmomi import vim

from causeway_controller.contract.inventory import Inventory
from causeway_controller.contract.tenant import Static
from causeway_controller.hypervisors.base import Inspecting, Sweeping, unwatched
from causeway_controller.inventory import appliances, book
from causeway_controller.inventory.allocation import Allocation
from causeway_controller.inventory.entry import enter
from causeway_controller.inventory.tenancy import Adapter, ManagementAccess
from causeway_controller.inventory.vnics import of_provider_appliance
from causeway_controller.trust.identity import make_office
from causeway_controller.workflows.appliances import Onboarding, Wanted
from causeway_lab.world import namespaces
from causeway_wire.seed import RoleName
from tests import provider_inventory as example
from tests.conformance import kinds
from tests.conformance.kinds import HypervKind, Kind, LibvirtKind, VsphereKind
from tests.fakes.tokens import FakeTokens

pytestmark = [pytest.mark.conformance, pytest.mark.timeout(120)]

HOSTS = ("esx1", "esx2")
TENANTS = ("acme", "bolt")
_BRIDGE = "cw-two"
"""How a libvirt host's bridges begin, which its administrator makes."""
PAIRS = (("vsphere", "hyperv"), ("libvirt", "vsphere"), ("hyperv", "libvirt"))


@dataclass(frozen=True, slots=True)
class Wiring:
    """What a host's networks are called."""

    uplink: str
    switch: str


def wiring(kind: Kind) -> Wiring:
    uplink = kind.spec.nics[0].segment
    if isinstance(kind, VsphereKind):
        return Wiring(uplink, kind.centre.id(vim.DistributedVirtualSwitch, "DVS0"))
    if isinstance(kind, HypervKind):
        return Wiring(uplink, kind.spec.nics[1].segment.partition("/")[0])
    assert isinstance(kind, LibvirtKind)
    return Wiring(uplink, f"bridge:{_BRIDGE}{{vlan}}")


def inventory(*there: Kind) -> Inventory:
    """The seed's example of two hosts, which are these, with networks as they call them."""
    made = example.two_hosts()
    wired = dict(zip(HOSTS, map(wiring, there), strict=True))
    (acme,), (gateway,) = made.tenants, made.gateways
    outside = wired[gateway.host].uplink
    hosts = [replace(one.work().host, id=name) for name, one in zip(HOSTS, there, strict=True)]
    tenants = (
        example.tenant(
            name,
            platform=host.kind,
            subscriptions=(replace(entry, uplink=replace(entry.uplink, network=wired[host.id].uplink)),),
            networks=tuple(one for one in acme.networks if one.id == entry.networks[0].network),
            public_addresses=(),
            vms=(),
            failover_plans=(),
        )
        for name, host, entry in zip(TENANTS, hosts, acme.subscriptions, strict=True)
    )
    return replace(
        made,
        hosts=tuple(hosts),
        vlan_pools=tuple(replace(one, switch=wired[one.host].switch) for one in made.vlan_pools),
        gateways=(replace(gateway, public_network=outside, inside_network=outside),),
        tenants=tuple(tenants),
    )


def wanted(whole: Inventory, given: Allocation, tenant: str, name: str) -> Wanted:
    needed = appliances.of_tenant_on(book.index(whole), tenant, name)
    vnics = of_provider_appliance(needed, given)
    assert isinstance(needed.uplink.address, Static)
    (address,) = needed.uplink.address.addresses
    return Wanted(
        id=needed.id,
        role=RoleName.PROVIDER,
        management=ManagementAccess(nic="uplink", address=address.ip, sources=(address.network,)),
        adapters=(Adapter(name="uplink", mac=vnics[0].mac, addresses=(address,)),),
        vnics=vnics,
    )


@pytest.mark.parametrize(("here", "kind"), PAIRS, ids=["-".join(pair) for pair in PAIRS])
@pytest.mark.shows(operation="deploy", fault="a host of another kind beside it")
async def test_each_kind_of_host_of_a_provider_has_the_appliance_that_is_its_own(
    request: pytest.FixtureRequest, tmp_path: Path, here: str, kind: str
) -> None:
    office = make_office("controller", tmp_path, now=datetime.now(UTC))
    onboarding = Onboarding(
        identity=lambda: office.identity,
        issuer=lambda _: office.authority,
        tokens=FakeTokens(),
        now=lambda: datetime.now(UTC),
    )
    async with AsyncExitStack() as stack:
        there = [await stack.enter_async_context(kinds.opened(request, name)) for name in (here, kind)]
        had = [one.there() for one in there]
        whole = inventory(*there)
        given = enter(whole)
        both = [wanted(whole, given, *one) for one in zip(TENANTS, HOSTS, strict=True)]
        bridges = [f"{_BRIDGE}{one.vlan}" for one in given.vlans if _BRIDGE in one.switch]
        for bridge in bridges:
            namespaces.run(None, "ip", "link", "add", bridge, "up", "type", "bridge")
        providers = [one.direct() for one in there]
        try:
            await asyncio.gather(
                *(
                    onboarding.deploy(one, provider, unwatched)
                    for one, provider in zip(both, providers, strict=True)
                )
            )
            for one, other, provider in zip(both, reversed(both), providers, strict=True):
                assert await provider.find(other.id) is None
                assert isinstance(provider, Inspecting)
                (found,) = (vm for vm in await provider.vms() if vm.owner_id == one.id)
                assert [nic.mac for nic in found.nics] == [vnic.mac for vnic in one.vnics]
                assert len({nic.network for nic in found.nics}) == len(one.vnics)
            assert {vnic.mac for vnic in both[0].vnics}.isdisjoint(vnic.mac for vnic in both[1].vnics)
        finally:
            for one, provider in zip(both, providers, strict=True):
                assert isinstance(provider, Inspecting)
                mine = [vm for vm in await provider.vms() if vm.owner_id == one.id]
                segments = [nic.network for vm in mine for nic in vm.nics]
                await provider.destroy(one.id)
                if isinstance(provider, Sweeping):
                    assert list(await provider.sweep(one.id, segments)) == []
            for bridge in bridges:
                namespaces.run(None, "ip", "link", "delete", bridge)
        assert [one.there() for one in there] == had
